"""Document and field level security: every way round that the search API seems to offer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import TREASURE
from environments_support import Side, attempt

from isthmus.sandbox.client import JsonClient


@pytest.fixture(scope="module")
def reader(remote: Side, vault: str) -> Iterator[JsonClient]:
    """Answer a client who may see ``team`` and ``inner.open`` of documents of the red team."""
    name = f"reader-{vault}"
    entry = {
        "names": [f"vault-{vault}"],
        "privileges": ["read", "view_index_metadata"],
        "field_security": {"grant": ["team", "inner.open"]},
        "query": {"term": {"team": "red"}},
    }
    remote.client.call("PUT", f"/_security/role/{name}", {"indices": [entry]})
    remote.client.call("PUT", f"/_security/user/{name}", {"password": "correct horse", "roles": [name]})
    client = remote.client_of(name, "correct horse")
    yield client
    client.close()
    remote.client.call("DELETE", f"/_security/user/{name}")
    remote.client.call("DELETE", f"/_security/role/{name}")


def _leaks(answer: Any) -> bool:
    text = json.dumps(answer)
    return any(word in text for word in (TREASURE, "31337", "4711", "blue", "hello"))


#: queries that would match if a hidden field or document could be asked for
_MATCH_NOTHING: list[dict[str, Any]] = [
    {"term": {"secret": TREASURE}},
    {"terms": {"secret": [TREASURE]}},
    {"exists": {"field": "secret"}},
    {"exists": {"field": "inner.hidden"}},
    {"prefix": {"secret": "t"}},
    {"wildcard": {"secret": "*"}},
    {"regexp": {"secret": ".*"}},
    {"fuzzy": {"secret": TREASURE[:-1]}},
    {"match": {"message": "hello"}},
    {"match_phrase": {"message": "hello red"}},
    {"term": {"message.keyword": "hello red"}},
    {"range": {"salary": {"gte": 0}}},
    {"range": {"salary": {"gte": "no number"}}},
    {"term": {"salary": "no number"}},
    {"multi_match": {"query": TREASURE, "fields": ["*"]}},
    {"multi_match": {"query": TREASURE}},
    {"query_string": {"query": "secret:*"}},
    {"query_string": {"query": "_exists_:secret"}},
    {"query_string": {"query": "hello"}},
    {"query_string": {"query": f'"{TREASURE}"'}},
    {"simple_query_string": {"query": "hello"}},
    {"ids": {"values": ["theirs"]}},
    {"term": {"_id": "theirs"}},
    {"term": {"_exists": "secret"}},
    {"bool": {"must_not": [{"term": {"team": "red"}}]}},
    {"bool": {"should": [{"term": {"team": "blue"}}]}},
    {"constant_score": {"filter": {"term": {"team": "blue"}}}},
    {"dis_max": {"queries": [{"term": {"secret": TREASURE}}]}},
]


@pytest.mark.parametrize("query", _MATCH_NOTHING, ids=str)
def test_queries_on_what_is_hidden_match_nothing(
    reader: JsonClient, vault: str, query: dict[str, Any]
) -> None:
    """As a query, a post filter, a count, an aggregation and a filter of field capabilities."""
    index = f"vault-{vault}"
    found = reader.call("POST", f"/{index}/_search", {"query": query})
    assert found["hits"]["total"]["value"] == 0
    later = reader.call("POST", f"/{index}/_search", {"post_filter": query})
    assert later["hits"]["total"]["value"] == 0
    assert reader.call("POST", f"/{index}/_count", {"query": query})["count"] == 0
    body = {"size": 0, "aggs": {"b": {"filter": query}}}
    assert reader.call("POST", f"/{index}/_search", body)["aggregations"]["b"]["doc_count"] == 0
    answer = reader.call("POST", f"/{index}/_field_caps?fields=*", {"index_filter": query})
    assert answer["indices"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"aggs": {"a": {"terms": {"field": "secret"}}}},
        {"aggs": {"a": {"terms": {"field": "secret", "missing": "x", "min_doc_count": 0}}}},
        {"aggs": {"a": {"terms": {"field": "team", "min_doc_count": 0}}}},
        {"aggs": {"a": {"terms": {"field": "inner.hidden"}}}},
        {"aggs": {"a": {"terms": {"field": "message.keyword"}}}},
        {"aggs": {"a": {"max": {"field": "salary"}}}},
        {"aggs": {"a": {"stats": {"field": "salary"}}}},
        {"aggs": {"a": {"histogram": {"field": "salary", "interval": 1000}}}},
        {"aggs": {"a": {"global": {}, "aggs": {"b": {"terms": {"field": "team"}}}}}},
        {"aggs": {"a": {"missing": {"field": "secret"}, "aggs": {"b": {"max": {"field": "salary"}}}}}},
        {"sort": [{"salary": {"order": "asc", "unmapped_type": "long"}}]},
        {"sort": [{"secret": {"order": "asc", "unmapped_type": "keyword"}}]},
        {"sort": [{"salary": {"unmapped_type": "long"}}, "_id"], "search_after": [0, "a"]},
        {"_source": ["*", "secret", "inner.*"]},
        {"_source": {"includes": ["inner.hidden"]}},
        {"_source": True, "track_scores": True, "min_score": 0},
        {"query": {"bool": {"should": [{"match_all": {}}], "minimum_should_match": 0}}},
        {
            "query": {"match_all": {}},
            "suggest": {"a": {"text": "blxe", "term": {"field": "team", "suggest_mode": "always"}}},
        },
        {"profile": True},
        {"rescore": {"query": {"rescore_query": {"wildcard": {"secret": "*"}}}}},
        {"aggs": {"a": {"top_hits": {"_source": ["*", "secret"]}}}},
        {"aggs": {"a": {"global": {}, "aggs": {"b": {"top_hits": {"size": 10}}}}}},
        {"aggs": {"a": {"top_metrics": {"metrics": {"field": "salary"}, "sort": "_score"}}}},
        {"aggs": {"a": {"composite": {"sources": [{"b": {"terms": {"field": "secret"}}}]}}}},
        {"aggs": {"a": {"percentiles": {"field": "salary"}}}},
        {"aggs": {"a": {"string_stats": {"field": "secret"}}}},
        {"aggs": {"a": {"cardinality": {"field": "secret"}}}},
        {"fields": ["secret", "*", {"field": "inner.*", "include_unmapped": True}]},
        {"docvalue_fields": ["secret", "salary", "message.keyword", "*"]},
        {"stored_fields": ["secret", "*"]},
        {
            "highlight": {
                "require_field_match": False,
                "no_match_size": 100,
                "highlight_query": {"prefix": {"message": "h"}},
                "fields": {"*": {}, "message": {}, "secret": {"type": "plain"}},
            }
        },
        {
            "explain": True,
            "query": {"bool": {"must": [{"match_all": {}}], "should": [{"term": {"secret": TREASURE}}]}},
        },
        {
            "query": {
                "bool": {
                    "must": [{"match_all": {}}],
                    "should": [{"prefix": {"secret": {"value": "t", "_name": "hello"}}}],
                }
            }
        },
    ],
    ids=str,
)
def test_answers_hold_nothing_that_is_hidden(reader: JsonClient, vault: str, body: dict[str, Any]) -> None:
    """Aggregations, sort values and source filters see one document of two, and two fields of it."""
    answer = reader.call("POST", f"/vault-{vault}/_search", body)
    assert answer["hits"]["total"]["value"] == 1
    assert not _leaks(answer)


@pytest.mark.parametrize(
    "body",
    [
        {"sort": ["secret"]},
        {"sort": ["salary"]},
        {"script_fields": {"a": {"script": "doc['secret'].value"}}},
        {"runtime_mappings": {"x": {"type": "keyword", "script": "emit(doc['secret'].value)"}}},
        {"collapse": {"field": "secret"}},
        {"suggest": {"a": {"text": "hello", "term": {"field": "message"}}}},
        {"query": {"script": {"script": "doc['secret'].size() > 0"}}},
        {"query": {"terms": {"secret": {"index": "x", "id": "theirs", "path": "secret"}}}},
        {"aggs": {"a": {"terms": {"script": "doc['secret'].value"}}}},
        {"aggs": {"a": {"significant_terms": {"field": "secret"}}}},
    ],
    ids=str,
)
def test_what_could_show_values_is_refused(reader: JsonClient, vault: str, body: dict[str, Any]) -> None:
    """Sorting by a hidden field is sorting by one that is not there; the rest is not offered at all."""
    status, answer = attempt(reader, "POST", f"/vault-{vault}/_search", body)
    assert status == 400
    assert TREASURE not in json.dumps(answer).replace(json.dumps(body), "")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/vault-{x}/_doc/theirs", 404),
        ("/vault-{x}/_source/theirs", 404),
        ("/vault-{x}/_doc/theirs?realtime=true", 404),
        ("/vault-{x}/_doc/mine?_source=secret", 200),
        ("/vault-{x}/_source/mine?_source_includes=*", 200),
        ("/vault-{x}/_doc/mine?stored_fields=secret", 400),
        ("/vault-{x}/_termvectors/mine", 400),
        ("/vault-{x}/_explain/mine", 400),
        ("/vault-{x}/_explain/mine?q=secret:*&_source=secret", 200),
        ("/vault-{x}/_explain/theirs?q=*", 404),
        ("/hoard-{x}/_explain/mine?q=*", 403),
        ("/vault-{x}/_terms_enum", 400),
        ("/hoard-{x}/_doc/mine", 403),
        ("/loot-{x}/_doc/mine", 403),
        ("/door-{x}/_doc/mine", 403),
    ],
)
def test_documents_by_id_are_as_searches_show_them(
    reader: JsonClient, vault: str, path: str, status: int
) -> None:
    """A document that is hidden does not exist; fields that are hidden are not in one that is shown."""
    found, answer = attempt(reader, "GET", path.replace("{x}", vault))
    assert found == status
    assert not _leaks(answer)


def test_many_documents_by_id_are_no_way_round(reader: JsonClient, vault: str) -> None:
    """Each of ``_mget`` and ``_msearch`` is what it would be alone."""
    wanted = [
        {"_index": f"vault-{vault}", "_id": "theirs"},
        {"_index": f"hoard-{vault}", "_id": "mine"},
        {"_index": f"vault-{vault}", "_id": "mine", "_source": ["secret", "team"]},
    ]
    hidden, denied, shown = reader.call("POST", "/_mget", {"docs": wanted})["docs"]
    assert hidden["found"] is False
    assert denied["error"]["type"] == "security_exception"
    assert shown["_source"] == {"team": "red"}


@pytest.mark.parametrize("path", ["/_mapping", "/_mapping/field/*", "", "/_field_caps?fields=*"])
def test_names_of_hidden_fields_are_not_told(reader: JsonClient, vault: str, path: str) -> None:
    """Mappings and field capabilities hold what the caller may see, and the objects around it."""
    text = json.dumps(reader.call("GET", f"/vault-{vault}{path}"))
    assert '"team"' in text
    assert not any(name in text for name in ("secret", "salary", "hidden", "message"))


def test_updates_are_refused_where_something_is_hidden(
    remote: Side, make_user: Callable[..., JsonClient], vault: str
) -> None:
    """An update would show, or destroy, what its caller may not see: alone and in bulk."""
    entry = {
        "names": [f"vault-{vault}"],
        "privileges": ["read", "write"],
        "field_security": {"grant": ["team"]},
    }
    writer = make_user(indices=[entry])
    status, answer = attempt(
        writer, "POST", f"/vault-{vault}/_update/theirs?_source=true", {"doc": {"team": "red"}}
    )
    assert (status, answer["error"]["type"]) == (400, "security_exception")
    target = {"update": {"_index": f"vault-{vault}", "_id": "theirs", "_source": True}}
    lines = f'{json.dumps(target)}\n{{"doc":{{"team":"red"}}}}\n'
    answer = writer.call("POST", "/_bulk", content=lines.encode())
    assert answer["items"][0]["update"]["error"]["type"] == "security_exception"
    assert not _leaks(answer)
    found = remote.client.call("GET", f"/vault-{vault}/_doc/theirs")
    assert found["_source"]["team"] == "blue"
