"""Documents of buckets: ``top_hits`` and ``top_metrics`` over several clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.errors import Failure
from isthmus.exchange import (
    FieldAccess,
    IndexSelection,
    RefreshPolicy,
    SearchRequest,
    WriteKind,
    WriteOperation,
)
from isthmus.names import IndexName
from isthmus.search.aggregations import combine, parse_aggregations, with_cluster_alias, with_typed_keys

LOGS = IndexName("logs")
MAPPINGS = {
    "properties": {
        "word": {"type": "keyword"},
        "text": {"type": "text"},
        "n": {"type": "long"},
        "real": {"type": "double"},
        "flag": {"type": "boolean"},
        "when": {"type": "date"},
        "address": {"type": "ip"},
    }
}


@asynccontextmanager
async def clusters(
    path: Path, parts: Sequence[Sequence[dict[str, Any]]]
) -> AsyncIterator[list[EmbeddedEngine]]:
    """Open an engine for each list of documents; ids count over all of them."""
    engines = []
    number = 0
    for place, documents in enumerate(parts):
        engine = EmbeddedEngine(path / str(place))
        engines.append(engine)
        await engine.create_index(LOGS, {}, MAPPINGS, {})
        operations = []
        for document in documents:
            document_id = document.get("id", f"{number}")
            source = orjson.dumps({name: value for name, value in document.items() if name != "id"})
            operations.append(WriteOperation(kind=WriteKind.INDEX, id=document_id, source=source))
            number += 1
        if operations:
            await engine.write(LOGS, operations, RefreshPolicy.IMMEDIATE)
    try:
        yield engines
    finally:
        for engine in engines:
            await engine.close()


async def over(
    engines: Sequence[EmbeddedEngine],
    requests: dict[str, Any],
    query: Any = None,
    selection: IndexSelection | None = None,
) -> dict[str, Any]:
    """Answer aggregations over clusters: the first one is the local one, the others are c1, c2 and so on."""
    tree = parse_aggregations(requests)
    request = SearchRequest(query=query, size=0, aggregations=tree.ask())
    parts = []
    for place, engine in enumerate(engines):
        result = await engine.search([selection or IndexSelection(index=LOGS)], request)
        assert not result.failures, result.failures
        part = result.aggregations
        parts.append(part if place == 0 else with_cluster_alias(tree, part, f"c{place}"))
    # through JSON, as a client gets it
    final = orjson.loads(orjson.dumps(with_typed_keys(tree, combine(tree, parts))))
    return {name.partition("#")[2]: answer for name, answer in final.items()}


HERE = [
    {
        "word": "a",
        "n": 1,
        "text": "red fox",
        "when": "2024-01-01",
        "address": "10.0.0.9",
        "flag": True,
        "real": 0.5,
    },
    {"word": "b", "n": 5, "text": "fox", "when": "2024-03-01", "address": "10.0.0.10"},
]
THERE = [
    {"word": "a", "n": 7, "text": "fox fox", "when": "2024-02-01", "address": "9.0.0.1", "real": -2.0},
    {"word": "a", "text": "dog", "when": "2023-01-01"},
]


async def test_hits_of_buckets_come_from_every_cluster(tmp_path: Path) -> None:
    """Each bucket shows its first documents in order, whatever cluster they are in, as hits of a search."""
    request = {
        "words": {
            "terms": {"field": "word"},
            "aggs": {
                "top": {
                    "top_hits": {
                        "size": 2,
                        "sort": [{"n": "desc"}],
                        "_source": ["n", "word"],
                        "version": True,
                        "seq_no_primary_term": True,
                    }
                }
            },
        }
    }
    async with clusters(tmp_path, [HERE, THERE]) as engines:
        answer = await over(engines, request)
    first, second = answer["words"]["buckets"]
    assert first["top_hits#top"]["hits"] == {
        "total": {"value": 3, "relation": "eq"},
        "max_score": None,
        "hits": [
            {
                "_index": "c1:logs",
                "_id": "2",
                "_version": 1,
                "_seq_no": 0,
                "_primary_term": 1,
                "_score": None,
                "_source": {"n": 7, "word": "a"},
                "sort": [7],
            },
            {
                "_index": "logs",
                "_id": "0",
                "_version": 1,
                "_seq_no": 0,
                "_primary_term": 1,
                "_score": None,
                "_source": {"n": 1, "word": "a"},
                "sort": [1],
            },
        ],
    }
    assert [hit["_id"] for hit in second["top_hits#top"]["hits"]["hits"]] == ["1"]


async def test_hits_score_as_they_do_in_the_search(tmp_path: Path) -> None:
    """Without a sort hits are ordered by the query's scores, to which their bucket adds nothing."""
    query = {"match": {"text": "fox"}}
    hits = {"top_hits": {}}
    request = {
        "plain": hits,
        "in": {"filter": {"term": {"word": "a"}}, "aggs": {"t": hits}},
        "all": {"global": {}, "aggs": {"t": {"top_hits": {"size": 9}}}},
    }
    async with clusters(tmp_path, [HERE + THERE]) as engines:
        answer = await over(engines, request, query)
        found = await engines[0].search([IndexSelection(index=LOGS)], SearchRequest(query=query))
    scores = {hit.id: hit.score for hit in found.hits}
    plain = answer["plain"]["hits"]
    assert {hit["_id"]: hit["_score"] for hit in plain["hits"]} == scores
    assert plain["max_score"] == max(score for score in scores.values() if score is not None)
    inside = answer["in"]["top_hits#t"]["hits"]["hits"]
    assert {hit["_id"]: hit["_score"] for hit in inside} == {key: scores[key] for key in ("0", "2")}
    whole = answer["all"]["top_hits#t"]["hits"]
    assert (len(whole["hits"]), {hit["_score"] for hit in whole["hits"]}) == (4, {1.0})


async def test_addresses_dates_and_what_is_missing_have_their_order_over_clusters(tmp_path: Path) -> None:
    """Addresses compare as numbers, dates are written as asked, documents without a value come last."""

    def top(sort: Any, **more: Any) -> dict[str, Any]:
        return {"top_hits": {"size": 9, "sort": sort, "_source": False, **more}}

    request = {
        "address": top({"address": "asc"}),
        "when": top([{"when": {"order": "desc", "format": "yyyy/MM"}}], size=1),
        "first": top([{"n": {"missing": "_first"}}], **{"from": 1, "size": 2}),
        "scored": top("n", size=1, track_scores=True),
    }
    async with clusters(tmp_path, [HERE, THERE, []]) as engines:
        answer = await over(engines, request)
    sorts = {name: [hit["sort"] for hit in each["hits"]["hits"]] for name, each in answer.items()}
    assert sorts["address"] == [["9.0.0.1"], ["10.0.0.9"], ["10.0.0.10"], [None]]
    assert sorts["when"] == [["2024/03"]]
    assert sorts["first"] == [[1], [5]]
    assert answer["scored"]["hits"]["max_score"] == answer["scored"]["hits"]["hits"][0]["_score"] == 1.0
    assert "_source" not in answer["address"]["hits"]["hits"][0]


async def test_what_a_caller_may_not_see_is_not_in_hits(tmp_path: Path) -> None:
    """Limits of documents and fields hold in hits of buckets as in those of a search."""
    selection = IndexSelection(
        index=LOGS,
        document_filters=({"term": {"word": "a"}},),
        field_access=(FieldAccess(granted=("word", "n")),),
    )
    hits = {"top_hits": {"size": 9}}
    request = {"top": hits, "all": {"global": {}, "aggs": {"top": hits}}}
    async with clusters(tmp_path, [HERE]) as engines:
        answer = await over(engines, request, {"match_all": {}}, selection)
    for found in (answer["top"], answer["all"]["top_hits#top"]):
        assert [hit["_source"] for hit in found["hits"]["hits"]] == [{"word": "a", "n": 1}]


async def test_metrics_of_the_first_documents(tmp_path: Path) -> None:
    """Metrics are those of the first documents by a number or a date, which is shown as text."""
    request = {
        "m": {
            "top_metrics": {
                "metrics": [{"field": "n"}, {"field": "word"}, {"field": "flag"}, {"field": "none"}],
                "sort": {"when": "asc"},
                "size": 2,
            }
        },
        "t": {
            "terms": {"field": "word", "order": {"m.n": "desc"}},
            "aggs": {"m": {"top_metrics": {"metrics": {"field": "n"}, "sort": {"n": "asc"}}}},
        },
        "nothing": {
            "filter": {"term": {"word": "z"}},
            "aggs": {"m": {"top_metrics": {"metrics": {"field": "n"}, "sort": "n"}}},
        },
    }
    async with clusters(tmp_path, [HERE, THERE, []]) as engines:
        answer = await over(engines, request)
    assert answer["m"] == {
        "top": [
            {
                "sort": ["2023-01-01T00:00:00.000Z"],
                "metrics": {"n": None, "word": "a", "flag": None, "none": None},
            },
            {
                "sort": ["2024-01-01T00:00:00.000Z"],
                "metrics": {"n": 1, "word": "a", "flag": True, "none": None},
            },
        ]
    }
    assert [bucket["key"] for bucket in answer["t"]["buckets"]] == ["b", "a"]
    assert answer["t"]["buckets"][1]["top_metrics#m"] == {"top": [{"sort": [1], "metrics": {"n": 1}}]}
    assert answer["nothing"]["top_metrics#m"] == {"top": []}


DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {"word": st.sampled_from("abc")},
        optional={"n": st.integers(-3, 3), "real": st.integers(-9, 9).map(lambda number: number / 2)},
    ),
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=DOCUMENTS, descending=st.booleans(), window=st.tuples(st.integers(0, 2), st.integers(0, 3)))
async def test_any_number_of_clusters_shows_what_one_index_shows(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[dict[str, Any]],
    descending: bool,
    window: tuple[int, int],
) -> None:
    """Over 1, 2 and 5 clusters hits and metrics are those of all documents sorted."""
    direction = "desc" if descending else "asc"
    sort = [{"n": direction}, {"real": "asc"}, {"word": "desc"}]
    request = {
        "w": {
            "terms": {"field": "word", "order": {"_key": "asc"}},
            "aggs": {
                "h": {"top_hits": {"from": window[0], "size": window[1], "sort": sort}},
                "m": {"top_metrics": {"metrics": {"field": "n"}, "sort": {"n": direction}, "size": 3}},
            },
        }
    }
    sign = -1 if descending else 1
    expected = []
    for word in sorted({document["word"] for document in documents}):
        same = [document for document in documents if document["word"] == word]
        same.sort(
            key=lambda each: (
                "n" not in each,
                sign * each.get("n", 0),
                "real" not in each,
                each.get("real", 0),
            )
        )
        shown = same[window[0] : sum(window)]
        expected.append((word, shown, [each.get("n") for each in same[:3]]))
    for number in (1, 2, 5):
        path = tmp_path_factory.mktemp("clusters")
        async with clusters(path, [documents[start::number] for start in range(number)]) as engines:
            answer = await over(engines, request)
        found = [
            (
                bucket["key"],
                [hit["_source"] for hit in bucket["top_hits#h"]["hits"]["hits"]],
                [each["metrics"]["n"] for each in bucket["top_metrics#m"]["top"]],
            )
            for bucket in answer["w"]["buckets"]
        ]
        assert found == expected


@pytest.mark.parametrize(
    ("request_body", "reason"),
    [
        ({"top_hits": {"size": 101}}, "Top hits result window is too large, the top hits aggregator [a]'s"),
        ({"top_hits": {"from": -1}}, "[from] must be greater than or equal to 0. Found [-1] in [a]"),
        (
            {"top_hits": {"highlight": {"fields": {"f": {}}}}},
            "[highlight] of [top_hits] in [a] is not supported",
        ),
        ({"top_hits": {"sort": {"_script": {}}}}, "[sort by _script] is not supported"),
        ({"top_hits": {"wrong": 1}}, "[top_hits] unknown field [wrong]"),
        ({"top_metrics": {"sort": "n"}}, "Required [metrics]"),
        ({"top_metrics": {"metrics": {"field": "n"}}}, "requires exactly one [sort]"),
        (
            {"top_metrics": {"metrics": {"field": "n"}, "sort": ["n", "m"]}},
            "only supports sorting on a single",
        ),
        ({"top_metrics": {"metrics": {"field": "n"}, "sort": "n", "size": 11}}, "must not be more than [10]"),
    ],
)
def test_what_is_wrong_is_refused_by_name(request_body: dict[str, Any], reason: str) -> None:
    """Every mistake is a 400 that names what is wrong."""
    with pytest.raises(Failure) as refused:
        parse_aggregations({"a": request_body})
    assert reason in str(refused.value.reason)


@pytest.mark.parametrize(
    "hits",
    [5, [5], [["logs", "1", "high"]], [["logs", "1", 1.0, "bm90IGpzb24="]], [["logs", "1", 1.0, "é"]]],
)
def test_hits_of_a_hostile_peer_fail_cleanly(hits: Any) -> None:
    """Hits that are none, and sources that are no JSON, are the failure of the cluster that sent them."""
    tree = parse_aggregations({"a": {"top_hits": {}}})
    part = {"a": {"total": 1, "max_score": None, "addresses": [], "hits": hits}}
    for work in (
        lambda: combine(tree, [part]),
        lambda: combine(tree, [with_cluster_alias(tree, part, "eu")]),
    ):
        with pytest.raises(Failure) as refused:
            work()
        assert refused.value.error_type == "aggregation_execution_exception"
