"""What fields can be used for, merged over indices, and whether a query is understood."""

from __future__ import annotations

from typing import Any

import pytest
from data_api_client import DataApiClient

from isthmus.exchange import FieldAccess
from isthmus.rest.elasticsearch.field_caps_merge import (
    capabilities_of,
    is_visible,
    merged_capabilities,
)

LEFT = {
    "properties": {
        "n": {"type": "long", "meta": {"unit": "ms"}},
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "kept": {"type": "keyword", "doc_values": False},
        "deep": {"properties": {"leaf": {"type": "date"}}},
    }
}
RIGHT = {
    "properties": {
        "n": {"type": "double"},
        "kept": {"type": "keyword"},
        "only": {"type": "ip", "index": False, "doc_values": False},
    }
}


def _fields(*patterns: str, **asked: Any) -> Any:
    by_index = {"left": capabilities_of(LEFT), "right": capabilities_of(RIGHT)}
    return merged_capabilities(by_index, patterns, **asked)


def test_types_that_differ_name_their_indices() -> None:
    """A field of two types has two entries; the metadata of each stands beside it."""
    common = {"metadata_field": False, "searchable": True, "aggregatable": True}
    assert _fields("n") == {
        "n": {
            "double": {"type": "double", **common, "indices": ["right"]},
            "long": {"type": "long", **common, "indices": ["left"], "meta": {"unit": ["ms"]}},
        }
    }


def test_what_only_some_indices_can_do_is_named() -> None:
    """A field that can be aggregated in one index only says in which it cannot."""
    kept = _fields("kept")["kept"]["keyword"]
    assert (kept["searchable"], kept["aggregatable"]) == (True, False)
    assert kept["non_aggregatable_indices"] == ["left"]
    assert "indices" not in kept
    only = _fields("only")["only"]["ip"]
    assert (only["searchable"], only["aggregatable"]) == (False, False)


def test_objects_multi_fields_and_metadata_are_fields_too() -> None:
    """Patterns match full paths."""
    assert list(_fields("deep*")) == ["deep", "deep.leaf"]
    assert _fields("deep")["deep"]["object"]["searchable"] is False
    assert list(_fields("title.*", "nothing")) == ["title.raw"]
    assert _fields("_id")["_id"]["_id"]["metadata_field"] is True


def test_unmapped_indices_are_listed_where_asked_for() -> None:
    """``include_unmapped`` adds a type for the indices that have not the field."""
    only = _fields("only", include_unmapped=True)["only"]
    assert sorted(only) == ["ip", "unmapped"]
    assert only["unmapped"]["indices"] == ["left"]
    assert list(_fields("kept", include_unmapped=True)["kept"]) == ["keyword"]


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ((), True),
        ((FieldAccess(granted=("a.*",)),), True),
        ((FieldAccess(granted=("b",)),), False),
        ((FieldAccess(excepted=("a.*",)),), False),
        ((FieldAccess(granted=("a.b",)), FieldAccess(excepted=("a.b",))), False),
    ],
)
def test_every_entry_must_let_a_field_be_seen(access: tuple[FieldAccess, ...], expected: bool) -> None:
    """What a role hides is not told."""
    assert is_visible("a.b", access) is expected
    assert is_visible("_id", access)


@pytest.fixture
async def api() -> DataApiClient:
    """Answer a deployment with two indices."""
    made = DataApiClient()
    await made("PUT", "/left", {"mappings": LEFT})
    await made("PUT", "/right", {"mappings": RIGHT})
    return made


async def test_fields_are_asked_for_in_the_query_string_or_the_body(api: DataApiClient) -> None:
    """Both forms answer the same; without any field the request is refused."""
    answer = await api("GET", "/left,right/_field_caps?fields=n,kept")
    assert answer.json["indices"] == ["left", "right"]
    assert list(answer.json["fields"]) == ["kept", "n"]
    assert (await api("POST", "/_field_caps", {"fields": ["n", "kept"]})).json == answer.json
    filtered = await api("POST", "/_field_caps?fields=*", {"index_filter": {"match_all": {}}})
    assert filtered.json["indices"] == []  # there is no document yet
    for target, body, reason in (
        ("/left/_field_caps", None, "no fields specified"),
        ("/eu:left/_field_caps?fields=*", None, "[_field_caps] of remote clusters is not supported"),
        ("/left/_field_caps?fields=*", {"runtime_mappings": {}}, "unknown key [runtime_mappings]"),
    ):
        refused = await api("POST", target, body or b"")
        assert refused.status == 400
        assert reason in refused.reason


async def test_a_query_is_validated_without_being_answered(api: DataApiClient) -> None:
    """What is wrong is the answer and not an error; ``explain`` says what."""
    assert (await api("GET", "/left/_validate/query")).json == {
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "valid": True,
    }
    explained = await api("GET", "/left/_validate/query?explain=true")
    assert explained.json["explanations"] == [{"index": "left", "valid": True, "explanation": "*:*"}]
    wrong = {"query": {"odd": {}}}
    await api("PUT", "/left/_doc/1?refresh=true", {})
    assert (await api("POST", "/left/_validate/query", wrong)).json == {"valid": False}
    told = await api("POST", "/left/_validate/query?explain=true", wrong)
    assert told.json["error"].startswith("IllegalArgumentException[")
    assert (await api("POST", "/left/_validate/query", {"match_all": {}})).json["valid"] is False
    assert (await api("GET", "/none/_validate/query")).status == 404
    assert (await api("GET", "/left/_validate/query?rewrite=true")).status == 400
