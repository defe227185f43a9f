"""What fields can be used for, merged over indices, and whether a query is understood."""

from __future__ import annotations

import pytest
from data_api_client import DataApiClient

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
        (
            "/left/_field_caps?fields=*",
            {"runtime_mappings": {"x": {}}},
            "[runtime_mappings] is not supported",
        ),
        ("/left/_field_caps?fields=*", {"other": 1}, "unknown key [other]"),
        ("/left/_field_caps?fields=*&filters=odd", None, "Unknown field caps filter [odd]"),
        ("/left/_field_caps?fields=*&include_empty_fields=false", None, "[include_empty_fields=false]"),
    ):
        refused = await api("POST", target, body or b"")
        assert refused.status == 400
        assert reason in refused.reason


async def test_filters_and_types_choose_fields(api: DataApiClient) -> None:
    """By what a field is, wherever it is mapped."""
    for parameters, expected in (
        ("types=date", ["deep.leaf"]),
        ("types=object,ip", ["deep", "only"]),
        ("filters=%2Bmetadata", ["_id", "_index", "_source"]),
        ("filters=-metadata,-parent,-multifield", ["deep.leaf", "kept", "n", "only", "title"]),
        ("filters=-metadata,-nested&types=keyword", ["kept", "title.raw"]),
    ):
        answer = await api("GET", f"/_field_caps?fields=*&{parameters}")
        assert list(answer.json["fields"]) == expected


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
