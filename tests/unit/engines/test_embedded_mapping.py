"""Mappings: parsed, merged, shown again, and refused in Elasticsearch's words."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import (
    ColumnKind,
    FieldColumns,
    MappingColumns,
    allocate,
    columns_from_json,
)
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.engines.embedded.mapping_dynamic import infer_field
from isthmus.engines.embedded.mapping_merge import check_field_limit, merge_mappings
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.errors import Failure, FailureKind

FULL: dict[str, Any] = {
    "_meta": {"owner": "someone"},
    "dynamic": "strict",
    "properties": {
        "body": {"type": "text", "analyzer": "english"},
        "day": {"type": "date", "format": "yyyy-MM-dd||epoch_second"},
        "from": {"type": "ip"},
        "nothing": {"type": "object", "enabled": False},
        "place": {
            "dynamic": "false",
            "properties": {"height": {"type": "double"}, "name": {"type": "keyword"}},
        },
        "price": {"type": "scaled_float", "scaling_factor": 100},
        "title": {
            "type": "text",
            "fields": {"keyword": {"type": "keyword", "ignore_above": 10}},
        },
        "unseen": {"type": "keyword", "index": False, "doc_values": False},
    },
}


def test_a_mapping_is_shown_as_it_was_given() -> None:
    """What is parsed comes back the same, and parsing that gives an equal mapping."""
    mapping = parse_mapping(FULL)
    assert mapping.to_json() == FULL
    assert parse_mapping(mapping.to_json()) == mapping


def test_multi_fields_and_objects_are_found_by_their_full_path() -> None:
    """Every leaf is in ``fields`` by its dotted name, every object in ``object_paths``."""
    mapping = parse_mapping(FULL)
    keyword = mapping.field("title.keyword")
    assert keyword is not None
    assert (keyword.type, keyword.parent, keyword.ignore_above) == ("keyword", "title", 10)
    assert mapping.object_paths == {"nothing", "place"}
    assert [each.path for each in mapping.leaves_under("place")] == ["place.height", "place.name"]
    assert mapping.total_fields == 11


def test_a_dotted_name_is_a_field_of_an_object() -> None:
    """``a.b`` and ``a: {properties: {b}}`` say the same."""
    dotted = parse_mapping({"properties": {"a.b": {"type": "long"}, "a.c": {"type": "ip"}}})
    nested = parse_mapping(
        {"properties": {"a": {"properties": {"b": {"type": "long"}, "c": {"type": "ip"}}}}}
    )
    assert dotted == nested


@pytest.mark.parametrize(
    ("json", "reason"),
    [
        (
            {"properties": {"a": {"type": "keyword", "foo": 1}}},
            "unknown parameter [foo] on mapper [a] of type [keyword]",
        ),
        (
            {"properties": {"a": {"type": "keyword", "analyzer": "x"}}},
            "unknown parameter [analyzer] on mapper [a]",
        ),
        (
            {"properties": {"a": {"type": "strange"}}},
            "The mapper type [strange] declared on field [a] does not exist.",
        ),
        ({"properties": {"a": {"type": "nested"}}}, "field [a] of type [nested] is not supported"),
        ({"properties": {"a": {"type": "geo_point"}}}, "field [a] of type [geo_point] is not supported"),
        ({"properties": {"a": {"type": "text", "copy_to": "b"}}}, "parameter [copy_to] on field [a]"),
        ({"properties": {"a": {}}}, "No type specified for field [a]"),
        ({"properties": {"a": {"type": "text", "fields": {"b": {}}}}}, "No type specified for field [b]"),
        ({"properties": []}, "Expected map for property [properties] but got [[]]"),
        ({"properties": {"a": 1}}, "Expected map for property [a] but got [1]"),
        ({"properties": {"": {"type": "long"}}}, "field name cannot be an empty string"),
        (
            {"properties": {"a": {"type": "text", "analyzer": "no"}}},
            "analyzer [no] has not been configured in mappings",
        ),
        ({"properties": {"a": {"type": "date", "format": "QQQ"}}}, "Invalid format: [QQQ]"),
        ({"properties": {"a": {"type": "long", "null_value": "x"}}}, 'For input string: "x"'),
        ({"properties": {"a": {"type": "scaled_float"}}}, "misses required parameter [scaling_factor]"),
        ({"properties": {"a": {"type": "long", "index": "maybe"}}}, "Could not convert [a.index] to boolean"),
        ({"dynamic": "runtime"}, "[dynamic] of [runtime] is not supported"),
        ({"dynamic_templates": []}, "parameter [dynamic_templates] on the root is not supported"),
        ({"strange": 1}, "Root mapping definition has unsupported parameters:  [strange : 1]"),
        ([1], "Expected map for property [mappings]"),
    ],
)
def test_what_cannot_be_mapped_is_named(json: object, reason: str) -> None:
    """A wrong mapping is a 400 of type mapper_parsing_exception that says what is wrong."""
    with pytest.raises(Failure) as caught:
        parse_mapping(json, Analyzers())
    failure = caught.value
    assert failure.kind is FailureKind.INVALID_REQUEST
    assert failure.error_type == "mapper_parsing_exception"
    assert failure.reason.startswith("Failed to parse mapping: ")
    assert reason in failure.reason
    assert failure.caused_by is not None


def test_objects_nest_twenty_deep_and_no_deeper() -> None:
    """A mapping that nests for ever is refused before it is walked."""
    body: dict[str, Any] = {"type": "long"}
    for _ in range(30):
        body = {"properties": {"a": body}}
    with pytest.raises(Failure, match="Limit of mapping depth"):
        parse_mapping(body)


def merged(current: dict[str, Any], addition: dict[str, Any]) -> dict[str, Any]:
    """Merge two sets of properties and show the outcome."""
    return merge_mappings(
        parse_mapping({"properties": current}), parse_mapping({"properties": addition})
    ).to_json()["properties"]


def test_merging_adds_fields_and_multi_fields() -> None:
    """New fields, new multi-fields and new members of objects are added to what is there."""
    assert merged(
        {"a": {"type": "text"}, "o": {"properties": {"x": {"type": "long"}}}},
        {
            "a": {"type": "text", "fields": {"k": {"type": "keyword"}}},
            "o": {"properties": {"y": {"type": "ip"}}},
            "b": {"type": "date"},
        },
    ) == {
        "a": {"type": "text", "fields": {"k": {"type": "keyword"}}},
        "b": {"type": "date"},
        "o": {"properties": {"x": {"type": "long"}, "y": {"type": "ip"}}},
    }


@pytest.mark.parametrize(
    ("current", "addition", "reason"),
    [
        (
            {"a": {"type": "text"}},
            {"a": {"type": "long"}},
            "mapper [a] cannot be changed from type [text] to [long]",
        ),
        (
            {"a": {"type": "text"}},
            {"a": {"type": "text", "analyzer": "english"}},
            (
                "Mapper for [a] conflicts with existing mapper:\n\t"
                "Cannot update parameter [analyzer] from [default] to [english]"
            ),
        ),
        (
            {"a": {"type": "long"}},
            {"a": {"type": "long", "index": False}},
            (
                "Mapper for [a] conflicts with existing mapper:\n\t"
                "Cannot update parameter [index] from [true] to [false]"
            ),
        ),
        (
            {"a": {"type": "long"}},
            {"a.b": {"type": "long"}},
            "can't merge an object mapping [a] with a non object mapping",
        ),
        (
            {"a.b": {"type": "long"}},
            {"a": {"type": "long"}},
            "can't merge a non object mapping [a] with an object mapping",
        ),
        (
            {"a": {"type": "object"}},
            {"a": {"type": "object", "enabled": False}},
            "the [enabled] parameter can't be updated for the object mapping [a]",
        ),
    ],
)
def test_a_conflict_is_named(current: dict[str, Any], addition: dict[str, Any], reason: str) -> None:
    """A field does not change its type or what its columns rest on."""
    with pytest.raises(Failure) as caught:
        merged(current, addition)
    assert (caught.value.error_type, caught.value.reason) == ("illegal_argument_exception", reason)


def test_what_only_limits_later_documents_may_change() -> None:
    """``ignore_above`` is taken from the newer mapping."""
    assert merged(
        {"a": {"type": "keyword", "ignore_above": 5}}, {"a": {"type": "keyword", "ignore_above": 9}}
    ) == {"a": {"type": "keyword", "ignore_above": 9}}


def test_the_number_of_fields_is_limited() -> None:
    """Adding beyond the limit fails; an unchanged mapping beyond it does not."""
    one = parse_mapping({"properties": {"a": {"type": "long"}}})
    two = parse_mapping({"properties": {"a": {"type": "long"}, "b": {"type": "long"}}})
    with pytest.raises(
        Failure, match=r"Limit of total fields \[1\] has been exceeded while adding new fields \[1\]"
    ):
        check_field_limit(one, two, 1)
    check_field_limit(two, two, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, {"type": "boolean"}),
        (1, {"type": "long"}),
        (1.5, {"type": "float"}),
        ("word", {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}),
        ("2024-05-06", {"type": "date"}),
        ("2024-05-06T07:08:09.123Z", {"type": "date"}),
        ("2024/05/06", {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"}),
        ("2024", {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}),
        ("2024-13-06", {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}),
    ],
)
def test_a_value_decides_the_type_of_a_new_field(value: object, expected: dict[str, Any]) -> None:
    """Dynamic mapping infers what Elasticsearch would."""
    assert infer_field(parse_mapping({}), "f", value).to_json() == expected


def test_detection_can_be_switched() -> None:
    """``date_detection`` off keeps dates text; ``numeric_detection`` on makes numbers of text."""
    mapping = parse_mapping({"date_detection": False, "numeric_detection": True})
    assert infer_field(mapping, "f", "2024-05-06").type == "text"
    assert infer_field(mapping, "f", "12").type == "long"
    assert infer_field(mapping, "f", "1.5").type == "float"


def test_columns_are_taken_from_the_pool_and_never_change() -> None:
    """A new field takes spare columns; what was allocated stays, and nothing is added to the schema."""
    before = allocate(MappingColumns(), parse_mapping({"properties": {"d": {"type": "date"}}}))
    mapping = parse_mapping({"properties": {"d": {"type": "date"}, "n": {"type": "long"}}})
    after = allocate(before, mapping)
    assert after.get("d") == before.get("d")
    assert after.schema == before.schema
    assert after.get("n") is not None
    assert allocate(after, mapping) is after
    assert columns_from_json(after.to_json()) == after


def test_a_dry_pool_is_filled_again() -> None:
    """When there is no spare column of a kind left, the schema grows by at least as many as are used."""
    empty = allocate(MappingColumns(), parse_mapping({}))
    spare = len(empty.free[ColumnKind.TEXT])
    names = [f"t{number}" for number in range(spare + 1)]
    full = allocate(empty, parse_mapping({"properties": {name: {"type": "text"} for name in names}}))
    assert len(full.schema) > len(empty.schema)
    assert len(full.free[ColumnKind.TEXT]) >= len(names)
    taken = [full.fields[name].main for name in names]
    assert len(set(taken)) == len(names)


def test_several_values_take_a_column_for_the_largest() -> None:
    """The column for the maximum comes with the first document that has several values."""
    mapping = parse_mapping({"properties": {"n": {"type": "long"}, "t": {"type": "text"}}})
    columns = allocate(MappingColumns(), mapping, frozenset({"n", "t"}))
    number, text = columns.fields["n"], columns.fields["t"]
    assert number.maximum is not None
    assert text == FieldColumns(text.main)


def test_a_field_that_is_neither_indexed_nor_has_values_takes_no_column() -> None:
    """``index`` and ``doc_values`` both off: kept in the source only."""
    mapping = parse_mapping(FULL)
    assert allocate(MappingColumns(), mapping).get("unseen") is None


def test_a_field_knows_its_defaults() -> None:
    """Elasticsearch's defaults stand where nothing is said."""
    field = FieldMapping("a", "date")
    assert field.date_format == "strict_date_optional_time||epoch_millis"
    assert (field.index, field.doc_values, field.coerce, field.ignore_malformed) == (True, True, True, False)
