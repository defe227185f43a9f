"""Documents: read into values, growing the mapping, refused one by one."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.engines.embedded.document import DocumentParser, ParsedDocument
from isthmus.engines.embedded.document_depth import is_too_deep
from isthmus.engines.embedded.document_update import parse_update
from isthmus.engines.embedded.field_types_dates import format_date, parse_date
from isthmus.engines.embedded.field_types_values import ip_from_sortable, sortable_ip
from isthmus.engines.embedded.index_settings import check_new_settings
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.engines.embedded.metadata_aliases import check_aliases
from isthmus.errors import Failure, FailureKind

DATE_FORMAT = "strict_date_optional_time||epoch_millis"


def parse(properties: dict[str, Any], document: object, **root: Any) -> ParsedDocument:
    """Parse one document against these properties."""
    mapping = parse_mapping({"properties": properties, **root})
    source = document if isinstance(document, bytes) else orjson.dumps(document)
    return DocumentParser(mapping).parse("1", source)


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ({"type": "long"}, "12", [12]),
        ({"type": "long"}, 12.7, [12]),
        ({"type": "long"}, "-3.9", [-3]),
        ({"type": "integer"}, "", None),
        ({"type": "byte"}, -128, [-128]),
        ({"type": "long"}, None, None),
        ({"type": "long", "null_value": 7}, None, [7]),
        ({"type": "long"}, [3, 1, [2, [None]]], [1, 2, 3]),
        ({"type": "double"}, "1.5", [1.5]),
        ({"type": "float"}, 0.1, [0.10000000149011612]),
        ({"type": "half_float"}, 0.1, [0.0999755859375]),
        ({"type": "scaled_float", "scaling_factor": 100}, 1.238, [1.24]),
        ({"type": "boolean"}, [True, "false", "true", ""], [0, 0, 1, 1]),
        ({"type": "date"}, "2024-05-06T07:08:09Z", [1714979289000]),
        ({"type": "date"}, 1714979289000, [1714979289000]),
        ({"type": "date"}, "1714979289000", [1714979289000]),
        ({"type": "date", "format": "dd/MM/yyyy"}, "06/05/2024", [1714953600000]),
        ({"type": "ip"}, "10.0.0.1", ["00000000000000000000ffff0a000001"]),
        ({"type": "ip"}, "::1", ["00000000000000000000000000000001"]),
        ({"type": "keyword"}, ["b", "a", "b"], ["a", "b"]),
        ({"type": "keyword"}, 1.5, ["1.5"]),
        ({"type": "keyword"}, True, ["true"]),
        ({"type": "keyword", "ignore_above": 2}, ["abc", "ab"], ["ab"]),
        ({"type": "keyword", "null_value": "none"}, [None, "a"], ["a", "none"]),
        ({"type": "text"}, ["b", "a"], ["b", "a"]),
        ({"type": "long", "ignore_malformed": True}, ["x", 1], [1]),
        ({"type": "keyword", "index": False, "doc_values": False}, "a", None),
    ],
)
def test_values_are_coerced(declared: dict[str, Any], value: object, expected: list[object] | None) -> None:
    """Values are read as Elasticsearch reads them: coerced, in order, without duplicate keywords."""
    assert parse({"f": declared}, {"f": value}).values.get("f") == expected


@pytest.mark.parametrize(
    ("declared", "value", "preview", "cause"),
    [
        ("long", "x", "x", ("illegal_argument_exception", 'For input string: "x"')),
        ("integer", "x", "x", ("number_format_exception", 'For input string: "x"')),
        ("long", 1e30, "1e+30", ("illegal_argument_exception", "Value [1e+30] is out of range for a long")),
        (
            "integer",
            1 << 31,
            "2147483648",
            ("illegal_argument_exception", "Value [2147483648] is out of range for an integer"),
        ),
        ("byte", 128, "128", ("illegal_argument_exception", "Value [128] is out of range for a byte")),
        ("long", {"a": 1}, "{a=1}", ("illegal_argument_exception", "Cannot parse object as number")),
        (
            "long",
            True,
            "true",
            (
                "x_content_parse_exception",
                "Current token (VALUE_TRUE) not numeric, can not use numeric value accessors",
            ),
        ),
        ("long", "1_000", "1_000", ("illegal_argument_exception", 'For input string: "1_000"')),
        (
            "float",
            1e300,
            "1e+300",
            ("illegal_argument_exception", "[float] supports only finite values, but got [1e+300]"),
        ),
        (
            "double",
            "nan",
            "nan",
            ("illegal_argument_exception", "[double] supports only finite values, but got [nan]"),
        ),
        (
            "boolean",
            "yes",
            "yes",
            (
                "illegal_argument_exception",
                "Failed to parse value [yes] as only [true] or [false] are allowed.",
            ),
        ),
        (
            "date",
            "soon",
            "soon",
            ("illegal_argument_exception", f"failed to parse date field [soon] with format [{DATE_FORMAT}]"),
        ),
        (
            "date",
            "2024-02-30",
            "2024-02-30",
            (
                "illegal_argument_exception",
                f"failed to parse date field [2024-02-30] with format [{DATE_FORMAT}]",
            ),
        ),
        (
            "ip",
            "10.0.0.300",
            "10.0.0.300",
            ("illegal_argument_exception", "'10.0.0.300' is not an IP string literal."),
        ),
        (
            "ip",
            "fe80::1%eth0",
            "fe80::1%eth0",
            ("illegal_argument_exception", "'fe80::1%eth0' is not an IP string literal."),
        ),
        ("text", {"a": 1}, "{a=1}", ("illegal_state_exception", "Can't get text on a START_OBJECT")),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    declared: str, value: object, preview: str, cause: tuple[str, str]
) -> None:
    """The failure says field, type, document and value, and where it is."""
    with pytest.raises(Failure) as caught:
        parse({"f": {"type": declared}}, b'{"x":1,\n "f": ' + orjson.dumps(value) + b"}")
    failure = caught.value
    assert failure.kind is FailureKind.INVALID_REQUEST
    assert failure.error_type == "document_parsing_exception"
    assert failure.reason == (
        f"[2:7] failed to parse field [f] of type [{declared}] in document with id '1'. "
        f"Preview of field's value: '{preview}'"
    )
    assert failure.caused_by is not None
    assert (failure.caused_by.error_type, failure.caused_by.reason) == cause


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "[1:1] failed to parse, document is empty"),
        (b"[]", "[1:1] Malformed content, must start with an object"),
        (b'"text"', "[1:1] Malformed content, must start with an object"),
        (b'{"a":', "failed to parse"),
        (b'{"a":\xff}', "failed to parse"),
        (b'{"o":1}', "object mapping for [o] tried to parse field [o] as object, but found a concrete value"),
        (b'{"f.x":1}', "Existing mapping for [f] must be of type object but found [long]"),
        (b'{"":1}', "field name cannot be an empty string"),
        (b'{"a..b":1}', "field name cannot contain only whitespace: ['a..b']"),
        (b'{"k":"' + b"a" * 32_767 + b'"}', "failed to parse field [k] of type [keyword]"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "exceeded the allowed limit of [20]"),
    ],
)
def test_what_is_no_document_is_refused(source: bytes, reason: str) -> None:
    """Malformed documents are failures of kind INVALID_REQUEST, never anything else."""
    properties = {"f": {"type": "long"}, "k": {"type": "keyword"}, "o": {"type": "object"}}
    with pytest.raises(Failure) as caught:
        parse(properties, source)
    assert caught.value.error_type == "document_parsing_exception"
    assert reason in caught.value.reason


def test_new_fields_grow_the_mapping() -> None:
    """Fields, objects and arrays that are not mapped become what Elasticsearch would make of them."""
    parsed = parse({}, {"a": {"b": [None, 1]}, "c.d": "x", "e": [], "f": None, "g": [{"h": True}]})
    assert parsed.mapping.to_json()["properties"] == {
        "a": {"properties": {"b": {"type": "long"}}},
        "c": {
            "properties": {
                "d": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
            }
        },
        "g": {"properties": {"h": {"type": "boolean"}}},
    }
    assert parsed.values == {"a.b": [1], "c.d": ["x"], "c.d.keyword": ["x"], "g.h": [1]}


def test_a_known_document_leaves_the_mapping_alone() -> None:
    """Nothing new: the very same mapping object comes back."""
    mapping = parse_mapping({"properties": {"a": {"type": "long"}}})
    assert DocumentParser(mapping).parse("1", b'{"a":1}').mapping is mapping


def test_dynamic_false_ignores_and_strict_refuses() -> None:
    """``dynamic`` holds for the object it stands in and those below, until one says otherwise."""
    properties = {
        "quiet": {"dynamic": False, "properties": {"loud": {"dynamic": True, "type": "object"}}},
        "off": {"type": "object", "enabled": False},
    }
    parsed = parse(
        properties, {"quiet": {"x": 1, "loud": {"y": 2}}, "quiet.z": 3, "off": {"a": 1}, "off.b": 2}
    )
    assert parsed.values == {"quiet.loud.y": [2]}
    with pytest.raises(Failure) as caught:
        parse({}, {"x": 1}, dynamic="strict")
    assert caught.value.error_type == "strict_dynamic_mapping_exception"
    assert caught.value.reason == (
        "[1:6] mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed"
    )


def test_the_field_limit_holds_for_documents() -> None:
    """A document that would add too many fields is refused and adds none."""
    mapping = parse_mapping({})
    source = orjson.dumps({f"f{number}": 1 for number in range(6)})
    with pytest.raises(Failure, match=r"Limit of total fields \[5\] has been exceeded"):
        DocumentParser(mapping, field_limit=5).parse("1", source)


def test_several_values_are_noticed() -> None:
    """Fields that are not text and hold different values are named; equal values do not count."""
    properties = {"n": {"type": "long"}, "m": {"type": "long"}, "t": {"type": "text"}}
    parsed = parse(properties, {"n": [2, 1], "m": [1, 1], "t": ["a", "b"]})
    assert parsed.many_valued == {"n"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    document=st.dictionaries(st.sampled_from(["a", "b", "d", "o", "o.x", "t", "z", "z.y"]), JSON, max_size=6)
)
def test_any_json_is_read_or_refused(document: dict[str, Any]) -> None:
    """Whatever the JSON, the answer is values that fit the mapping, or one Failure."""
    properties = {
        "a": {"type": "long"},
        "b": {"type": "boolean"},
        "d": {"type": "date"},
        "o": {"properties": {"x": {"type": "double"}}},
        "t": {"type": "text", "fields": {"k": {"type": "keyword"}}},
    }
    parsed, failure = parsed_or_failed(properties, json.dumps(document).encode())
    if parsed is None:
        assert failure is FailureKind.INVALID_REQUEST
    else:
        assert set(parsed.values) <= set(parsed.mapping.fields)
        assert parse_mapping(parsed.mapping.to_json()) == parsed.mapping


def parsed_or_failed(
    properties: dict[str, Any], source: bytes
) -> tuple[ParsedDocument | None, FailureKind | None]:
    """Parse a document, or answer of which kind the failure is. Anything else that is raised is a bug."""
    try:
        return parse(properties, source), None
    except Failure as failure:
        return None, failure.kind


@pytest.mark.parametrize(
    ("text", "date_format", "expected"),
    [
        ("2024", "strict_date_optional_time", "2024-01-01T00:00:00.000Z"),
        ("2024-05", "strict_date_optional_time", "2024-05-01T00:00:00.000Z"),
        ("2024-05-06T07", "strict_date_optional_time", "2024-05-06T07:00:00.000Z"),
        ("2024-05-06T07:08:09.1234567+02:00", "strict_date_optional_time", "2024-05-06T05:08:09.123Z"),
        ("2024-05-06T07:08:09-0130", "strict_date_optional_time", "2024-05-06T08:38:09.000Z"),
        ("2024-5-6", "date_optional_time", "2024-05-06T00:00:00.000Z"),
        ("-1000", "epoch_millis", "1969-12-31T23:59:59.000Z"),
        ("1.5", "epoch_second", "1970-01-01T00:00:01.500Z"),
        ("20240506", "basic_date", "2024-05-06T00:00:00.000Z"),
        ("06/May/2024:07:08:09 +0200", "dd/MMM/yyyy:HH:mm:ss Z", "2024-05-06T05:08:09.000Z"),
        ("2024-05-06 at 07", "yyyy-MM-dd 'at' HH", "2024-05-06T07:00:00.000Z"),
        ("0001-01-01", "strict_date_optional_time", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_dates_are_read_by_format(text: str, date_format: str, expected: str) -> None:
    """Named formats and patterns are read in UTC."""
    assert format_date(parse_date(text, date_format), "strict_date_optional_time") == expected


@pytest.mark.parametrize(
    "text", ["2024-5-6", "2024-W01-1", "24-05-06", "2024-05-06T24:00:00Z", "2024-W01-1T03:04:05Z", ""]
)
def test_strict_dates_are_strict(text: str) -> None:
    """What the strict format does not allow is refused."""
    with pytest.raises(Failure):
        parse_date(text, "strict_date_optional_time")


def test_missing_parts_of_a_date_can_be_rounded_up() -> None:
    """For the upper end of a range a date without a time is its last millisecond."""
    rounded = parse_date("2024-02", "strict_date_optional_time", round_up=True)
    assert format_date(rounded, "strict_date_optional_time") == "2024-02-29T23:59:59.999Z"


@pytest.mark.parametrize(
    ("date_format", "expected"),
    [
        ("yyyy-MM-dd", "2024-05-06"),
        ("dd/MMM/yyyy HH:mm:ss.SSS", "06/May/2024 07:08:09.120"),
        ("epoch_millis", "1714979289120"),
        ("epoch_second", "1714979289"),
        ("strict_date_time_no_millis", "2024-05-06T07:08:09Z"),
    ],
)
def test_dates_are_shown_by_format(date_format: str, expected: str) -> None:
    """The first alternative of a format renders."""
    assert format_date(1714979289120, f"{date_format}||epoch_millis") == expected


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
@settings(max_examples=50, deadline=None)
def test_addresses_sort_as_text(left: Any, right: Any) -> None:
    """The text form of addresses sorts like the addresses and comes back."""
    assert (sortable_ip(str(left)) < sortable_ip(str(right))) == (left < right)
    assert ip_from_sortable(sortable_ip(str(left))) == str(left)


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        ({"doc": {"a": {"y": 2}}}, {"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}),
        ({"doc": {"a": [1]}}, {"a": {"x": 1}}, {"a": [1]}),
        ({"doc": {"a": 1}}, {"a": 1}, None),
        ({"doc": {"a": True}}, {"a": 1}, {"a": True}),
        ({"doc": {"a": 1}, "detect_noop": False}, {"a": 1}, {"a": 1}),
    ],
)
def test_an_update_is_merged_in(body: Any, before: Any, after: Any) -> None:
    """Objects are merged, everything else replaced; no change at all is noticed."""
    changed = parse_update(orjson.dumps(body)).applied_to(orjson.dumps(before))
    assert (None if changed is None else orjson.loads(changed)) == after


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "script or doc is missing"),
        (b'{"script":{}}', "[script] in an update is not supported by the embedded engine"),
        (b'{"doc":{},"foo":1}', "[UpdateRequest] unknown field [foo]"),
        (b'{"doc_as_upsert":true}', "doc must be specified if doc_as_upsert is enabled"),
        (b'{"doc":1}', "[doc] must be an object"),
        (b"{", "failed to parse"),
        (b"[]", "must start with an object"),
    ],
)
def test_a_wrong_update_is_refused(body: bytes, reason: str) -> None:
    """What an update cannot be is a 400 that says why."""
    with pytest.raises(Failure) as caught:
        parse_update(body)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert reason in caught.value.reason


def nested(levels: int, inner: Any = 1) -> Any:
    """Make an object of so many levels."""
    for _ in range(levels):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize("levels", [300, 1000])
def test_deep_nesting_is_refused_and_harms_nothing(levels: int) -> None:
    """Wherever JSON may nest, too deep is a 400."""
    deep = nested(levels)
    with pytest.raises(Failure):
        parse({"a": {"type": "long"}}, b'{"a":' * levels + b"1" + b"}" * levels)
    with pytest.raises(Failure):
        parse_mapping({"_meta": deep})
    with pytest.raises(Failure):
        check_aliases({"a": {"filter": deep}})
    with pytest.raises(Failure):
        check_new_settings(deep)
    with pytest.raises(Failure):
        parse_update(b'{"doc":' * levels + b"1" + b"}" * levels)
    with pytest.raises(Failure):
        parse_update(b'{"doc":{"a":{}}}').applied_to(b'{"a":' * levels + b"1" + b"}" * levels)


@pytest.mark.parametrize(("levels", "expected"), [(0, False), (3, False), (4, True)])
def test_depth_is_counted(levels: int, expected: bool) -> None:
    """Levels are objects and lists around a value."""
    assert is_too_deep(nested(levels), 3) is expected
    assert is_too_deep([nested(levels)] if levels else [[]], 4) is expected
