"""``_search``, ``_count`` and ``_msearch`` as their callers see them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from isthmus.errors import Failure, index_not_found
from isthmus.exchange import FailureReport, Hit, SearchRequest, SearchResult, ShardCounts, TotalHits
from isthmus.names import ClusterAlias
from isthmus.rest.elasticsearch.call import Call, Handler
from isthmus.rest.elasticsearch.search import register
from isthmus.rest.http import Request, parse_query_string
from isthmus.rest.routing import Match, Router
from isthmus.search.clusters import ClusterDetail, ClusterStatus
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.security.principal import Principal

CALLER = Principal("u", (), (), "native1", "native")


class FakeSearcher:
    """Answers the same to everybody, except for an index called ``missing``."""

    def __init__(self, answer: SearchAnswer) -> None:
        self.answer = answer
        self.orders: list[SearchOrder] = []

    async def search(self, _principal: Principal, order: SearchOrder) -> SearchAnswer:
        """Remember the order."""
        self.orders.append(order)
        if "missing" in order.expressions:
            raise index_not_found("missing")
        return self.answer


async def _call(searcher: FakeSearcher, method: str, uri: str, body: bytes = b"") -> Any:
    router: Router[Handler] = Router()
    register(router, searcher)
    path, _, query = uri.partition("?")
    match = router.find(method, path)
    assert isinstance(match, Match)
    request = Request(method, path, parse_query_string(query), body=body)
    assert match.parameters is not None
    assert set(request.parameters) <= match.parameters
    response = await match.handler(Call(request, match.path_parameters, CALLER))
    assert isinstance(response.body, bytes)
    return orjson.loads(response.body)


PLAIN = SearchAnswer(
    SearchResult(
        took_milliseconds=3,
        shards=ShardCounts(total=1, successful=1),
        total=TotalHits(value=1),
        max_score=1.5,
        hits=(Hit("logs", "1", 1.5, b'{"b":1,"a":[]}'),),
    )
)


async def test_a_plain_answer_looks_like_elasticsearchs() -> None:
    """Members stand in the usual order, and the source is copied as it is."""
    answer = await _call(FakeSearcher(PLAIN), "GET", "/logs/_search")
    assert list(answer) == ["took", "timed_out", "_shards", "hits"]
    assert answer == {
        "took": 3,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {
            "total": {"value": 1, "relation": "eq"},
            "max_score": 1.5,
            "hits": [{"_index": "logs", "_id": "1", "_score": 1.5, "_source": {"b": 1, "a": []}}],
        },
    }


async def test_an_answer_shows_everything_that_was_asked_for() -> None:
    """Sort values, versions, failures, clusters and aggregations have their places."""
    report = FailureReport(
        kind="INVALID_REQUEST", error_type="query_shard_exception", reason="no", index="eu:logs"
    )
    full = SearchAnswer(
        SearchResult(
            timed_out=True,
            terminated_early=True,
            shards=ShardCounts(total=2, successful=1, failed=1),
            hits=(Hit("eu:logs", "1", None, None, ("a", None), 3, 7, 1),),
            aggregations={"most": {"value": 1.0}},
            failures=(report,),
        ),
        (ClusterDetail(ClusterAlias("eu"), ClusterStatus.PARTIAL, ("logs",)),),
        reduce_phases=3,
    )
    answer = await _call(FakeSearcher(full), "POST", "/_search", b'{"track_total_hits":false}')
    assert list(answer) == [
        "took",
        "timed_out",
        "terminated_early",
        "num_reduce_phases",
        "_shards",
        "_clusters",
        "hits",
        "aggregations",
    ]
    assert answer["hits"] == {
        "max_score": None,
        "hits": [
            {
                "_index": "eu:logs",
                "_id": "1",
                "_version": 3,
                "_seq_no": 7,
                "_primary_term": 1,
                "_score": None,
                "sort": ["a", None],
            }
        ],
    }
    assert answer["_shards"]["failures"] == [
        {"shard": 0, "index": "eu:logs", "reason": {"type": "query_shard_exception", "reason": "no"}}
    ]
    assert answer["num_reduce_phases"] == 3


@pytest.mark.parametrize(("total", "expected"), [(TotalHits(value=4), 4), (None, -1)])
async def test_old_clients_get_totals_as_numbers(total: TotalHits | None, expected: int) -> None:
    """``rest_total_hits_as_int`` writes a bare number."""
    searcher = FakeSearcher(SearchAnswer(SearchResult(total=total)))
    answer = await _call(searcher, "GET", "/_search?rest_total_hits_as_int=true")
    assert answer["hits"]["total"] == expected


async def test_typed_keys_name_the_kind_of_every_aggregation() -> None:
    """Clients that deserialise by type need it."""
    searcher = FakeSearcher(SearchAnswer(SearchResult(aggregations={"most": {"value": 1.0}})))
    body = b'{"aggs":{"most":{"max":{"field":"n"}}}}'
    answer = await _call(searcher, "POST", "/_search?typed_keys=true", body)
    assert answer["aggregations"] == {"max#most": {"value": 1.0}}


async def test_the_path_and_the_body_become_the_order() -> None:
    """Expressions come from the path, everything else from body and query string."""
    searcher = FakeSearcher(PLAIN)
    await _call(searcher, "POST", "/logs,eu:logs-*/_search?size=3", b'{"from":1}')
    assert searcher.orders[0].expressions == ("logs", "eu:logs-*")
    assert searcher.orders[0].request == SearchRequest(offset=1, size=3)


async def test_a_count_answers_a_number() -> None:
    """Over several clusters it says which of them were counted."""
    assert await _call(FakeSearcher(PLAIN), "GET", "/logs/_count") == {
        "count": 1,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    }
    shared = SearchAnswer(
        SearchResult(total=TotalHits(value=2)),
        (ClusterDetail(ClusterAlias("eu"), ClusterStatus.SKIPPED, ("logs",)),),
    )
    answer = await _call(FakeSearcher(shared), "POST", "/eu:logs/_count", b'{"query":{"match_all":{}}}')
    assert answer["_clusters"]["skipped"] == 1


async def test_several_searches_are_answered_in_their_order() -> None:
    """One that fails has its error in its place."""
    searcher = FakeSearcher(PLAIN)
    body = (
        b'{}\n{"size":1}\n{"index":["missing"]}\n{}\n{"index":"a,eu:b","ignore_unavailable":true}\n\n\n{}\n'
    )
    answer = await _call(searcher, "POST", "/logs/_msearch", body)
    assert [each["status"] for each in answer["responses"]] == [200, 404, 200, 200]
    assert answer["responses"][1]["error"]["type"] == "index_not_found_exception"
    assert answer["responses"][0]["hits"]["hits"][0]["_id"] == "1"
    assert [order.expressions for order in searcher.orders] == [
        ("logs",),
        ("missing",),
        ("a", "eu:b"),
        ("logs",),
    ]
    assert searcher.orders[0].request.size == 1
    assert searcher.orders[2].options.ignore_unavailable


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Validation Failed: 1: no requests added;"),
        (b"\n", "Validation Failed: 1: no requests added;"),
        (b"{}\n{}", "The msearch request must be terminated by a newline [\n]"),
        (b"{}\n", "Validation Failed: 1: a search has a header and no body;"),
        (b"[]\n{}\n", "the header of a search must be an object"),
        (b'{"foo":1}\n{}\n', "Unknown key for a VALUE_NUMBER in [foo]."),
        (b'{"index":1}\n{}\n', "[index] must be a string or a list of strings"),
        (b'{}\n{"highlight":{"a":1}}\n', "[highlight] unknown field [a]"),
        (b"{}\n{}\n" * 10_001, "one request may hold [10000] searches at most"),
    ],
)
async def test_refuses_several_searches_that_are_malformed(body: bytes, reason: str) -> None:
    """A mistake in one of them is told before any is made."""
    searcher = FakeSearcher(PLAIN)
    with pytest.raises(Failure) as caught:
        await _call(searcher, "POST", "/_msearch", body)
    assert caught.value.reason == reason
    assert searcher.orders == []


@pytest.mark.parametrize("at_once", ["0", "x"])
async def test_refuses_to_search_less_than_one_at_a_time(at_once: str) -> None:
    """The parameter is a number above zero."""
    with pytest.raises(Failure):
        await _call(FakeSearcher(PLAIN), "POST", f"/_msearch?max_concurrent_searches={at_once}", b"{}\n{}\n")
