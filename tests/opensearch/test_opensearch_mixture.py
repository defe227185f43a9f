"""Searches over deployments of which two stand in front of OpenSearch, under both security models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from attached_environments import AttachedTo, attached_environments
from environments_support import Side, attempt, put_documents, until
from opensearch_cluster import OpenSearchCluster

from isthmus.sandbox import SecurityModel
from isthmus.sandbox.client import JsonClient

pytestmark = pytest.mark.timeout(240)

MAPPINGS: Final = {
    "properties": {
        "number": {"type": "integer"},
        "side": {"type": "keyword"},
        "text": {"type": "text"},
        "at": {"type": "date"},
    }
}
EACH: Final = 15
SECURITY: Final = "/_security"


class Mixture:
    """Three deployments: one with an engine of its own, one on one OpenSearch node, one on two."""

    def __init__(self, sides: list[Side]) -> None:
        self.sides = sides
        self.local = sides[0]
        self.items = ",".join(["items", *(f"{side.alias}:items" for side in sides[1:])])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the local deployment; ``{items}`` is what names all indices."""
        return self.local.client.call(method, path.format(items=self.items), body)


@pytest.fixture(
    scope="module", params=[SecurityModel.API_KEY, SecurityModel.CERTIFICATE], ids=lambda each: each.value
)
def mixture(
    request: pytest.FixtureRequest, one: OpenSearchCluster, pair: OpenSearchCluster
) -> Iterator[Mixture]:
    """Run them with fifteen documents each; ``whole`` on the local one holds all."""
    engines = [None, *(AttachedTo(each.urls[0], "opensearch", "2.19.1") for each in (one, pair))]
    for each in (one, pair):
        each.clear()
    with attached_environments(engines, request.param) as sides:
        everything: dict[str, dict[str, Any]] = {}
        for place, side in enumerate(sides):
            found = {
                str(number): {
                    "number": number % 7,
                    "side": side.alias,
                    "text": "quick fox" if number % 2 else "lazy dog",
                    "at": f"2024-{number % 12 + 1:02}-03",
                }
                for number in range(place * EACH, place * EACH + EACH)
            }
            everything |= found
            body = {"mappings": MAPPINGS}
            if place == 2:
                body["settings"] = {"number_of_shards": 3}
            side.client.call("PUT", "/items", body)
            put_documents(side.client, "items", found)
        sides[0].client.call("PUT", "/whole", {"mappings": MAPPINGS})
        put_documents(sides[0].client, "whole", everything)
        yield Mixture(sides)


def test_sorted_hits_of_all_engines_are_those_of_one_index(mixture: Mixture) -> None:
    """In order, page by page with search_after."""
    request: dict[str, Any] = {"size": 7, "sort": [{"number": "desc"}, {"at": "asc"}, {"side": "asc"}]}
    for path in ("/{items}/_search", "/whole/_search"):
        seen = []
        request.pop("search_after", None)
        while True:
            hits = mixture.call("POST", path, request)["hits"]
            assert hits["total"]["value"] == 3 * EACH
            if not hits["hits"]:
                break
            seen += [hit["sort"] for hit in hits["hits"]]
            request["search_after"] = hits["hits"][-1]["sort"]
        if path == "/{items}/_search":
            first = seen
    assert first == seen
    assert len(seen) == 3 * EACH


def test_every_cluster_tells_how_it_answered(mixture: Mixture) -> None:
    """``_clusters`` counts the clusters, and ``_shards`` the shards of OpenSearch."""
    answer = mixture.call("POST", "/{items}/_search", {"size": 0})
    assert answer["_clusters"]["successful"] == 3
    assert answer["_shards"]["total"] == 1 + 1 + 3
    assert set(answer["_clusters"]["details"]) == {"(local)", *(side.alias for side in mixture.sides[1:])}


AGGREGATIONS: Final = {
    "sides": {
        "terms": {"field": "side"},
        "aggs": {"average": {"avg": {"field": "number"}}, "different": {"cardinality": {"field": "number"}}},
    },
    "percentiles": {"percentiles": {"field": "number"}},
    "months": {
        "date_histogram": {"field": "at", "calendar_interval": "month"},
        "aggs": {"different": {"cardinality": {"field": "side"}}},
    },
    "spread": {"extended_stats": {"field": "number"}},
    "pages": {
        "composite": {"sources": [{"s": {"terms": {"field": "side"}}}, {"n": {"terms": {"field": "number"}}}]}
    },
    "best": {"max_bucket": {"buckets_path": "months>different"}},
}


def test_aggregations_of_all_engines_are_those_of_one_index(mixture: Mixture) -> None:
    """Sums, sets, distributions, pages and pipelines agree to the digit."""
    body = {"size": 0, "aggs": AGGREGATIONS}
    over_all, of_one = (mixture.call("POST", path, body) for path in ("/{items}/_search", "/whole/_search"))
    assert over_all["aggregations"] == of_one["aggregations"]


def test_scrolls_and_points_in_time_hold_every_document_once(mixture: Mixture) -> None:
    """Also where documents are written meanwhile."""
    answer = mixture.call("POST", "/{items}/_search?scroll=1m", {"size": 4, "sort": ["number"]})
    point = mixture.call("POST", "/{items}/_pit?keep_alive=1m")["id"]
    for side in mixture.sides:
        side.client.call("PUT", "/items/_doc/later?refresh=true", {"number": 1, "side": "later"})
    seen = []
    while answer["hits"]["hits"]:
        seen += [hit["_id"] for hit in answer["hits"]["hits"]]
        answer = mixture.call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]})
    assert sorted(map(int, seen)) == list(range(3 * EACH))
    request: dict[str, Any] = {"size": 8, "pit": {"id": point}, "sort": [{"number": "asc"}]}
    seen = []
    while hits := mixture.call("POST", "/_search", request)["hits"]["hits"]:
        seen += [hit["_id"] for hit in hits]
        request["search_after"] = hits[-1]["sort"]
    assert sorted(map(int, seen)) == list(range(3 * EACH))
    mixture.call("DELETE", "/_pit", {"id": point})
    for side in mixture.sides:
        side.client.call("DELETE", "/items/_doc/later?refresh=true")


def test_other_questions_are_answered_over_all_engines(mixture: Mixture) -> None:
    """Fields, names, counts, terms, asynchronous searches, suggestions, groups and marks."""
    fields = mixture.call("GET", "/{items}/_field_caps?fields=n*")
    assert len(fields["indices"]) == 3
    assert fields["fields"]["number"]["integer"]["aggregatable"] is True
    assert len(mixture.call("GET", "/_resolve/index/{items}")["indices"]) == 3
    assert mixture.call("POST", "/{items}/_count", {"query": {"term": {"number": 3}}})["count"] == 6
    terms = mixture.call("POST", "/{items}/_terms_enum", {"field": "side"})["terms"]
    assert terms == sorted(side.alias for side in mixture.sides)
    submitted = mixture.call("POST", "/{items}/_async_search?wait_for_completion_timeout=30s", {"size": 1})
    assert submitted["response"]["hits"]["total"]["value"] == 3 * EACH
    suggest = {"s": {"text": "quik", "term": {"field": "text", "suggest_mode": "always"}}}
    options = mixture.call("POST", "/{items}/_search", {"size": 0, "suggest": suggest})["suggest"]["s"][0]
    assert options["options"] == [{"text": "quick", "score": 0.75, "freq": 22}]
    collapsed = {
        "size": 5,
        "sort": ["side"],
        "collapse": {"field": "side", "inner_hits": {"name": "group", "size": 2, "sort": ["at"]}},
    }
    groups = mixture.call("POST", "/{items}/_search", collapsed)["hits"]["hits"]
    assert [hit["fields"]["side"] for hit in groups] == [[alias] for alias in terms]
    assert all(hit["inner_hits"]["group"]["hits"]["total"]["value"] == EACH for hit in groups)
    marked = {"size": 3, "query": {"match": {"text": "fox"}}, "highlight": {"fields": {"text": {}}}}
    hits = mixture.call("POST", "/{items}/_search", marked)["hits"]["hits"]
    assert [hit["highlight"]["text"] for hit in hits] == [["quick <em>fox</em>"]] * 3


def test_scores_of_all_engines_together_are_refused_by_name(mixture: Mixture) -> None:
    """The engine cannot be given the statistics of others: its cluster says so."""
    status, answer = attempt(
        mixture.local.client,
        "POST",
        f"/{mixture.items}/_search?search_type=dfs_query_then_fetch",
        {"size": 1},
    )
    assert "is not supported over the attached engine [OpenSearch 2.19.1]" in json.dumps(answer)
    if status == 200:
        assert answer["_clusters"]["skipped"] == 2


def test_what_a_key_may_not_see_does_not_show(mixture: Mixture) -> None:
    """Documents and fields that a role hides on a deployment in front of OpenSearch."""
    side = mixture.sides[2]
    hidden = {
        "indices": [
            {
                "names": ["items"],
                "privileges": ["read"],
                "query": {"term": {"number": 3}},
                "field_security": {"grant": ["*"], "except": ["text"]},
            }
        ]
    }
    side.client.call("PUT", f"{SECURITY}/role/threes", hidden)
    side.client.call("PUT", f"{SECURITY}/user/reader", {"password": "reads-threes", "roles": ["threes"]})
    reader: JsonClient = side.client_of("reader", "reads-threes")
    body = {"aggs": {"texts": {"value_count": {"field": "number"}}}, "query": {"match_all": {}}}
    answer = until(lambda: reader.call("POST", "/items/_search", body), "the reader's search")
    threes = [number for number in range(2 * EACH, 3 * EACH) if number % 7 == 3]
    assert answer["hits"]["total"]["value"] == answer["aggregations"]["texts"]["value"] == len(threes)
    assert all("text" not in hit["_source"] for hit in answer["hits"]["hits"])
    assert reader.call("POST", "/items/_count", {"query": {"match": {"text": "quick"}}})["count"] == 0
    reader.close()
