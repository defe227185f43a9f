"""``_bulk``: its lines, and what becomes of each item."""

from __future__ import annotations

from typing import Any

import pytest
from data_api_client import DataApiClient, principal_of
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import WriteKind
from isthmus.rest.elasticsearch.bulk_parsing import BulkDefaults, parse_bulk
from isthmus.security.principal import IndexPrivileges, RoleDescriptor

DEFAULTS = BulkDefaults(index="logs")


@pytest.fixture
def api() -> DataApiClient:
    """Make a data API without indices."""
    return DataApiClient()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "request body is required"),
        (b"\n", "Validation Failed: 1: no requests added;"),
        (b'{"index":{}}\n{}', "The bulk request must be terminated by a newline [\\n]"),
        (b'{"index":{}}\n', "Malformed bulk request: action/metadata line [1] has no source line"),
        (
            b'{"delete":{"_id":"1"}}\n{}\n',
            "Malformed action/metadata line [2], expected FIELD_NAME but found [END_OBJECT]",
        ),
        (b"[1]\n{}\n", "Malformed action/metadata line [1], expected START_OBJECT but found [START_ARRAY]"),
        (b"1\n{}\n", "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_NUMBER]"),
        (
            b'{"push":{}}\n{}\n',
            (
                "Malformed action/metadata line [1], expected field [create], [delete], [index] or [update] "
                "but found [push]"
            ),
        ),
        (
            b'{"index":1}\n{}\n',
            "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_NUMBER]",
        ),
        (
            b'{"index":{},"x":{}}\n{}\n',
            "Malformed action/metadata line [1], expected END_OBJECT but found [FIELD_NAME]",
        ),
        (b'{"index":{"_type":"x"}}\n{}\n', "Action/metadata line [1] contains an unknown parameter [_type]"),
        (
            b'{"index":{"_source":true}}\n{}\n',
            "Action/metadata line [1] contains an unknown parameter [_source]",
        ),
        (
            b'{"index":{"_id":["x"]}}\n{}\n',
            (
                "Malformed action/metadata line [1], expected a simple value for field [_id] "
                "but found [START_ARRAY]"
            ),
        ),
        (b'{"delete":{}}\n', "Validation Failed: 1: id is missing;"),
        (
            b'{"delete":{}}\n{"create":{"if_seq_no":1,"if_primary_term":1}}\n{}\n',
            (
                "Validation Failed: 1: id is missing;"
                "2: create operations do not support compare and set. use index instead;"
            ),
        ),
        (b'{"index":{"version_type":"odd"}}\n{}\n', "No version type match [odd]"),
        (b'{"index":{"version":1.5}}\n{}\n', "Failed to parse long parameter [version] with value [1.5]"),
    ],
)
def test_malformed_requests(body: bytes, reason: str) -> None:
    """What is wrong with the form fails everything, and the line is named."""
    with pytest.raises(Failure) as caught:
        parse_bulk(body, DEFAULTS)
    assert caught.value.reason == reason


def test_an_action_line_that_is_no_json() -> None:
    """The line and column are named."""
    with pytest.raises(Failure) as caught:
        parse_bulk(b'\n{"index":\n{}\n', DEFAULTS)
    assert caught.value.error_type == "x_content_parse_exception"
    assert caught.value.reason.startswith("Malformed action/metadata line [2]: [1:")


def test_every_item_needs_an_index() -> None:
    """Without one in the path, each item names its own."""
    with pytest.raises(Failure) as caught:
        parse_bulk(b'{"index":{}}\n{}\n{"index":{"_index":""}}\n{}\n', BulkDefaults())
    assert caught.value.reason == "Validation Failed: 1: index is missing;2: index is missing;"


def test_lines_become_items() -> None:
    """Blank lines between items are skipped, line ends of Windows are taken, ids may be numbers."""
    items = parse_bulk(
        b'{"index":{"_id":7}}\r\n{"a":1}\r\n\n{"index":{"op_type":"create","_index":"x"}}\n{"b":2}\n{"delete":{"_id":"1"}}\n'
        b'{"update":{"_id":"2","_source":["a"],"require_alias":true,"if_seq_no":"3","if_primary_term":1}}\n{"doc":{}}\n',
        DEFAULTS,
    )
    assert [(one.kind, one.index, one.id, one.source) for one in items] == [
        (WriteKind.INDEX, "logs", "7", b'{"a":1}'),
        (WriteKind.CREATE, "x", None, b'{"b":2}'),
        (WriteKind.DELETE, "logs", "1", b""),
        (WriteKind.UPDATE, "logs", "2", b'{"doc":{}}'),
    ]
    assert (items[3].wanted_source, items[3].require_alias, items[3].condition.if_seq_no) == (["a"], True, 3)


LINES = [
    b'{"index":{"_id":"1"}}',
    b'{"create":{}}',
    b'{"delete":{"_id":"x"}}',
    b'{"update":{"_id":"1"}}',
    b'{"index":null}',
    b'{"index":{"_id":""}}',
    b'{"index":{"version":1}}',
    b'{"doc":{}}',
    b"{}",
    b"",
    b"[",
    b"null",
    b"\xff",
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_any_lines_are_read_or_refused(lines: list[bytes]) -> None:
    """Nothing but a failure is raised."""
    try:
        items = parse_bulk(b"\n".join(lines) + b"\n", DEFAULTS)
    except Failure:
        return
    assert items


async def test_every_item_has_its_outcome(api: DataApiClient) -> None:
    """Failures stand in their place and stop nothing."""
    answer = await api.bulk(
        {"index": {"_index": "logs", "_id": "1"}},
        {"a": 1},
        {"create": {"_index": "logs", "_id": "1"}},
        {"a": 2},
        {"index": {"_index": "logs", "_id": ""}},
        {"a": 3},
        {"index": {"_index": "logs", "_id": "2"}},
        b"not json",
        {"delete": {"_index": "none", "_id": "1"}},
        {"update": {"_index": "logs", "_id": "1"}},
        {"doc": {"b": 2}, "_source": True},
        {"update": {"_index": "logs", "_id": "9"}},
        {"doc": {"b": 2}},
        {"update": {"_index": "logs", "_id": "1"}},
        {"script": "x"},
        {"index": {"_index": "Bad"}},
        {"a": 4},
        {"index": {"_index": "logs", "pipeline": "p"}},
        {"a": 5},
        {"delete": {"_index": "logs", "_id": "1"}},
    )
    assert answer.status == 200
    assert answer.json["errors"] is True
    outcomes = [next(iter(item.items())) for item in answer.json["items"]]
    assert [(kind, one["status"], one.get("result") or one["error"]["type"]) for kind, one in outcomes] == [
        ("index", 201, "created"),
        ("create", 409, "version_conflict_engine_exception"),
        ("index", 400, "illegal_argument_exception"),
        ("index", 400, "document_parsing_exception"),
        ("delete", 404, "index_not_found_exception"),
        ("update", 200, "updated"),
        ("update", 404, "document_missing_exception"),
        ("update", 400, "illegal_argument_exception"),
        ("index", 400, "invalid_index_name_exception"),
        ("index", 400, "illegal_argument_exception"),
        ("delete", 200, "deleted"),
    ]
    assert outcomes[2][1]["error"]["reason"] == "if _id is specified it must not be empty"
    assert outcomes[5][1]["get"]["_source"] == {"a": 1, "b": 2}
    assert set(api.engine.indices()) == {"logs"}


async def test_nothing_wrong(api: DataApiClient) -> None:
    """Without a failure ``errors`` is false; the path names the index; ``refresh`` is obeyed."""
    answer = await api.bulk(
        {"index": {}}, {"a": 1}, {"create": {}}, {"a": 2}, target="/logs/_bulk?refresh=true"
    )
    assert answer.json["errors"] is False
    assert [item.popitem()[1]["forced_refresh"] for item in answer.json["items"]] == [True, True]
    assert api.engine.refreshed == ["logs"]
    assert (await api("GET", "/_cat/count/logs?h=count")).text == b"2\n"


async def test_require_alias(api: DataApiClient) -> None:
    """The flag of the request is the default of its items."""
    await api("PUT", "/backing", {"aliases": {"alias": {}}})
    answer = await api.bulk(
        {"index": {"_index": "new"}},
        {},
        {"index": {"_index": "newer", "require_alias": False}},
        {},
        {"index": {"_index": "alias"}},
        {},
        target="/_bulk?require_alias=true",
    )
    assert [item["index"]["status"] for item in answer.json["items"]] == [404, 201, 201]
    assert answer.json["items"][2]["index"]["_index"] == "backing"
    assert "new" not in api.engine.indices()


async def test_permission_is_each_items_own(api: DataApiClient) -> None:
    """What the caller may do is done, the rest is a 403 in its place."""
    role = RoleDescriptor(
        name="w", indices=(IndexPrivileges(names=("logs*",), privileges=("index", "create_index")),)
    )
    api.authenticator.principals["w"] = principal_of("w", role)
    answer = await api.bulk(
        {"index": {"_index": "logs-1"}},
        {},
        {"index": {"_index": "other"}},
        {},
        {"delete": {"_index": "logs-1", "_id": "1"}},
        headers={"authorization": "w"},
    )
    assert [next(iter(item.values()))["status"] for item in answer.json["items"]] == [201, 403, 403]
    assert set(api.engine.indices()) == {"logs-1"}


@pytest.mark.parametrize(
    ("fault", "status"), [(illegal_argument("index is closing"), 200), (RuntimeError("a secret"), 500)]
)
async def test_an_engine_that_fails(api: DataApiClient, fault: Exception, status: int) -> None:
    """A failure of the engine is the failure of its items; anything else is a 500 without details."""
    api.engine.faults.append(fault)
    answer = await api.bulk({"index": {"_index": "logs"}}, {"a": 1})
    assert answer.status == status
    assert b"secret" not in answer.text
    if status == 200:
        assert answer.json["items"][0]["index"]["error"]["reason"] == "index is closing"


class Panic(BaseException):
    """What a panic in Rust looks like from Python."""


async def test_a_panic_is_a_500(api: DataApiClient, caplog: pytest.LogCaptureFixture) -> None:
    """Not even a BaseException gets out, and its reference is in the log."""
    api.engine.faults.append(Panic())
    answer = await api.bulk({"index": {"_index": "logs"}}, {"a": 1})
    assert answer.status == 500
    reference: Any = caplog.records[-1].reference  # type: ignore[attr-defined]
    assert answer.reason == f"internal error, reference [{reference}]"
