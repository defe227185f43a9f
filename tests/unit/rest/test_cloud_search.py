"""Finding deployments by a query."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_api_client import Client, create

from isthmus.control.failures import deployment_not_found
from isthmus.errors import Failure
from isthmus.rest.cloud.searching import parse_search, search

DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": "1",
        "name": "Logs of Berlin",
        "healthy": True,
        "metadata": {"tags": [{"key": "team", "value": "a"}, {"key": "env", "value": "b"}]},
        "size": 5,
        "resources": {"elasticsearch": [{"info": {"status": "started"}}]},
    },
    {
        "id": "2",
        "name": "metrics",
        "healthy": False,
        "metadata": {"tags": [{"key": "team", "value": "b"}]},
        "size": 50,
        "resources": {"elasticsearch": [{"info": {"status": "stopped"}}]},
    },
    {"id": "3", "name": "logs of Rome", "healthy": True, "metadata": {"tags": []}, "resources": {}},
]


def tag(key: str, value: str) -> dict[str, Any]:
    """Answer the query for a tag that Terraform's data source sends."""
    terms = [
        {"term": {"metadata.tags.key": {"value": key}}},
        {"term": {"metadata.tags.value": {"value": value}}},
    ]
    return {"nested": {"path": "metadata.tags", "query": {"bool": {"filter": terms}}}}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (None, "123"),
        ({"match_all": {}}, "123"),
        ({"match_none": {}}, ""),
        ({"term": {"name.keyword": {"value": "metrics"}}}, "2"),
        ({"term": {"name": "metrics"}}, "2"),
        ({"term": {"name": "Metrics"}}, ""),
        ({"term": {"healthy": {"value": "true"}}}, "13"),
        ({"term": {"healthy": False}}, "2"),
        ({"prefix": {"name.keyword": {"value": "logs"}}}, "3"),
        ({"match": {"name": {"query": "LOGS berlin"}}}, "13"),
        ({"match": {"name": {"query": "LOGS berlin", "operator": "and"}}}, "1"),
        ({"exists": {"field": "size"}}, "12"),
        ({"range": {"size": {"gte": 5, "lt": 50}}}, "1"),
        ({"range": {"name": {"gt": "m"}}}, "2"),
        ({"range": {"size": {"gt": "a"}}}, ""),
        (
            {
                "nested": {
                    "path": "resources.elasticsearch",
                    "query": {"term": {"resources.elasticsearch.info.status": "started"}},
                }
            },
            "1",
        ),
        (tag("team", "a"), "1"),
        (tag("team", "b"), "2"),
        ({"bool": {"should": [tag("team", "a"), tag("env", "b")], "minimum_should_match": 2}}, "1"),
        ({"bool": {"filter": [{"bool": {"must": [{"term": {"healthy": "true"}}]}}]}}, "13"),
        ({"bool": {"must_not": {"term": {"healthy": "true"}}}}, "2"),
        ({"bool": {"must": [{"match_all": {}}], "should": [{"match_none": {}}]}}, "123"),
        ({"bool": {"should": [{"match_none": {}}]}}, ""),
        ({"bool": {}}, "123"),
        ({"query_string": {"query": "rome metrics"}}, "23"),
        ({"query_string": {"query": "logs rome", "default_operator": "AND"}}, "3"),
        ({"simple_query_string": {"query": "b", "default_field": "metadata.tags.value"}}, "12"),
        ({"term": {"id": {"value": "1"}}, "match": None}, "1"),
    ],
)
def test_what_a_query_finds(query: Any, ids: str) -> None:
    """As Elasticsearch would on these documents."""
    found = search(parse_search({"query": query}), DOCUMENTS)
    assert "".join(each["id"] for each in found.page) == ids
    assert found.matched == len(ids)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "(whole)"),
        ({"typo": 1}, "typo"),
        ({"query": []}, "query"),
        ({"query": {}}, "query"),
        ({"query": {"match_all": {}, "term": {}}}, "query"),
        ({"query": {"fuzzy": {}}}, "query.fuzzy"),
        ({"query": {"term": {"a": 1, "b": 2}}}, "query.term"),
        ({"query": {"term": {"a": []}}}, "query.term.a"),
        ({"query": {"term": {"a": {"value": 1, "typo": 2}}}}, "query.term.a.typo"),
        ({"query": {"bool": {"must": ["x"]}}}, "query.bool.must[0]"),
        ({"query": {"bool": {"must": 5}}}, "query.bool.must"),
        ({"query": {"bool": {"should": [], "minimum_should_match": "2"}}}, "query.bool.minimum_should_match"),
        ({"query": {"nested": {"query": {"match_all": {}}}}}, "query.nested.path"),
        ({"query": {"nested": {"path": "a", "query": {"typo": {}}}}}, "query.nested.query.typo"),
        ({"query": {"match": {"a": {"query": "x", "operator": "xor"}}}}, "query.match.operator"),
        ({"query": {"exists": {"field": 5}}}, "query.exists.field"),
        ({"query": {"range": {"a": {"typo": 5}}}}, "query.range.a.typo"),
        ({"query": {"query_string": {"query": "name:x*"}}}, "query.query_string.query"),
        ({"sort": "id"}, "sort"),
        ({"sort": [5]}, "sort[0]"),
        ({"sort": [{"id": {"order": "up"}}]}, "sort[0]"),
        ({"size": -1}, "size"),
        ({"from": True}, "from"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": {}}, "cursor"),
    ],
)
def test_a_search_that_is_not_understood(body: Any, field: str) -> None:
    """A 400 that names the member, whether or not there are deployments."""
    with pytest.raises(Failure) as refused:
        parse_search(body)
    assert refused.value.metadata["fields"] == [f"body.{field}"]


def test_a_query_may_not_nest_for_ever() -> None:
    """It is refused before it could exhaust anything."""
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(100):
        query = {"bool": {"must": [query]}}
    with pytest.raises(Failure, match="levels"):
        parse_search({"query": query})


def test_pages_follow_one_another() -> None:
    """In the order asked for; a missing value is the last one, and a cursor leads on."""
    request = parse_search({"sort": [{"size": {"order": "asc"}}, "id"], "size": 2})
    first = search(request, DOCUMENTS)
    assert [each["id"] for each in first.page] == ["1", "2"]
    second = search(parse_search({"sort": ["size"], "size": 2, "cursor": first.cursor}), DOCUMENTS)
    assert ([each["id"] for each in second.page], second.cursor) == (["3"], None)
    assert [each["id"] for each in search(parse_search({"from": 1, "size": 1}), DOCUMENTS).page] == ["2"]
    descending = search(parse_search({"sort": [{"id": "desc"}]}), DOCUMENTS)
    assert [each["id"] for each in descending.page] == ["3", "2", "1"]


async def test_deployments_are_found_by_name_tag_and_state(client: Client) -> None:
    """With the counts that clients read."""
    made = await create(client, metadata={"tags": [{"key": "team", "value": "a"}]})
    await create(client)
    answer = await client.call("POST", "/deployments/_search", {"query": tag("team", "a"), "sort": ["id"]})
    assert answer.status == 200
    assert (answer.body["return_count"], answer.body["match_count"]) == (1, 1)
    (found,) = answer.body["deployments"]
    assert (found["id"], found["metadata"]["tags"]) == (made["id"], [{"key": "team", "value": "a"}])
    everything = await client.call("POST", "/deployments/_search")
    assert everything.body["return_count"] == 2
    short = await client.call("POST", "/deployments/_search", {}, parameters={"minimal_metadata": "true"})
    assert {each["name"] for each in short.body["minimal_metadata"]} == {"logs"}
    path = f"/deployments/{made['id']}/elasticsearch/_main/eligible-remote-clusters"
    others = await client.call("POST", path, {})
    assert made["id"] not in [each["id"] for each in others.body["deployments"]]
    assert others.body["return_count"] == 1
    assert (await client.call("POST", "/deployments/eligible-remote-clusters")).body["return_count"] == 2
    missing = await client.call("POST", path.replace(made["id"], "x"), {})
    assert missing.code == deployment_not_found("x").error_type
