"""``_async_search`` as its callers see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import pytest

from isthmus.errors import Failure, FailureKind, index_not_found
from isthmus.exchange import SearchResult, ShardCounts
from isthmus.rest.elasticsearch.async_search import register
from isthmus.rest.elasticsearch.call import Call, Handler
from isthmus.rest.http import Request, Response, parse_query_string
from isthmus.rest.routing import Match, Router
from isthmus.search.async_search import AsyncSearch, WritesAnswers, not_found, owner_of, wrapped
from isthmus.search.async_searches import Submission
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.security.principal import Principal

CALLER = Principal("u", (), (), "native1", "native")
RUNNING = AsyncSearch(
    id="i" * 32,
    owner=owner_of(CALLER),
    started_milliseconds=1_000,
    expires_milliseconds=9_000,
    response=b'{"took":1}',
    typed_response=b'{"took":2}',
    shards=ShardCounts(total=4, successful=3),
    clusters={"total": 1, "details": {"eu": {"status": "running"}}},
)
ENDED = msgspec.structs.replace(RUNNING, completed_milliseconds=2_000, is_partial=False)


@dataclass
class FakeSearches:
    """Answers one search, and remembers what it was asked."""

    search: AsyncSearch = ENDED
    is_kept: bool = True
    asked: list[Any] = field(default_factory=list)

    async def submit(
        self, _principal: Principal, order: SearchOrder, submission: Submission, write: WritesAnswers
    ) -> tuple[AsyncSearch, bool]:
        """Answer the search."""
        self.asked.append((order, submission))
        assert write(SearchAnswer(SearchResult()), typed_keys=True).startswith(b'{"took":0')
        return self.search, self.is_kept

    async def get(self, _principal: Principal, search_id: str, **wanted: Any) -> AsyncSearch:
        """Answer the search of this id."""
        self.asked.append(wanted)
        if search_id != self.search.id:
            raise not_found(search_id)
        return self.search

    async def status(
        self, _principal: Principal, _search_id: str, keep_alive_milliseconds: int | None
    ) -> AsyncSearch:
        """Answer the search."""
        self.asked.append(keep_alive_milliseconds)
        return self.search

    async def delete(self, _principal: Principal, search_id: str) -> None:
        """Remember the id."""
        self.asked.append(search_id)


async def _call(searches: FakeSearches, method: str, uri: str, body: bytes = b"") -> Response:
    router: Router[Handler] = Router()
    register(router, searches)  # type: ignore[arg-type]
    path, _, query = uri.partition("?")
    match = router.find(method, path)
    assert isinstance(match, Match)
    request = Request(method, path, parse_query_string(query), body=body)
    assert match.parameters is not None
    assert set(request.parameters) <= match.parameters
    return await match.handler(Call(request, match.path_parameters, CALLER))


def _json(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return orjson.loads(response.body)


async def test_submitting_has_elasticsearchs_defaults() -> None:
    """A second to wait, five days to keep."""
    searches = FakeSearches()
    response = await _call(searches, "POST", "/logs,eu:x/_async_search", b'{"size":3}')
    (order, submission) = searches.asked[0]
    assert order.expressions == ("logs", "eu:x")
    assert order.request.size == 3
    assert submission == Submission(5 * 24 * 3600 * 1000, 1.0, keep_on_completion=False)
    assert (response.status, list(_json(response))) == (
        200,
        [
            "id",
            "is_partial",
            "is_running",
            "start_time_in_millis",
            "expiration_time_in_millis",
            "completion_time_in_millis",
            "response",
        ],
    )
    assert response.headers == (
        ("X-ElasticSearch-Async-Id", "i" * 32),
        ("X-ElasticSearch-Async-Is-Running", "?0"),
    )


async def test_submitting_takes_what_tunes_it() -> None:
    """And what a search takes."""
    searches = FakeSearches()
    uri = (
        "/_async_search?wait_for_completion_timeout=20ms&keep_on_completion=true&keep_alive=2m"
        "&ccs_minimize_roundtrips=true&batched_reduce_size=64&q=a:1&skip_unavailable=false&hops=true"
    )
    await _call(searches, "POST", uri)
    (order, submission) = searches.asked[0]
    assert submission == Submission(120_000, 0.02, keep_on_completion=True)
    assert (order.skip_unavailable, order.hops, order.expressions) == (False, True, ())


async def test_what_is_not_kept_has_no_id() -> None:
    """There would be nothing to find under it."""
    response = await _call(FakeSearches(is_kept=False), "POST", "/_async_search?typed_keys=true")
    assert "id" not in _json(response)
    assert _json(response)["response"] == {"took": 2}
    assert response.headers == (("X-ElasticSearch-Async-Is-Running", "?0"),)


@pytest.mark.parametrize(
    ("uri", "body", "reason"),
    [
        ("?keep_alive=500ms", b"", "1: [keep_alive] must be greater or equals than 1 second, got:500ms;"),
        ("?keep_alive=-1", b"", "1: [keep_alive] must be greater or equals than 1 second, got:-1;"),
        ("?keep_alive=soon", b"", "failed to parse setting [keep_alive] with value [soon] as a time value"),
        ("?wait_for_completion_timeout=soon", b"", "[wait_for_completion_timeout] with value [soon]"),
        ("?keep_on_completion=maybe", b"", "Failed to parse value [maybe]"),
        ("?ccs_minimize_roundtrips=maybe", b"", "Failed to parse value [maybe]"),
        ("?scroll=1m", b"", "1: [scroll] queries are not supported;"),
        ("", b'{"suggest":{"a":{"text":"x"}}}', "1: suggest-only queries are not supported;"),
        ("?pre_filter_shard_size=2", b"", "[pre_filter_shard_size] cannot be changed for async search"),
        (
            "?scroll=1m&keep_alive=1ms",
            b"",
            (
                "1: [scroll] queries are not supported;2: [keep_alive] must be greater or equals than"
                " 1 second, got:1ms;"
            ),
        ),
        ("?skip_unavailable=", b"", "Failed to parse value [] of [skip_unavailable]"),
        ("", b'{"unknown":1}', "unknown"),
    ],
)
async def test_what_cannot_be_submitted_is_refused_by_name(uri: str, body: bytes, reason: str) -> None:
    """In Elasticsearch's words, before anything runs."""
    searches = FakeSearches()
    with pytest.raises(Failure) as caught:
        await _call(searches, "POST", f"/_async_search{uri}", body)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert reason in caught.value.reason
    assert searches.asked == []


async def test_a_running_search_shows_what_has_come_in() -> None:
    """It has no time of completion."""
    searches = FakeSearches(RUNNING)
    response = await _call(
        searches,
        "GET",
        f"/_async_search/{RUNNING.id}?typed_keys=true&keep_alive=1h&return_intermediate_results=false"
        "&wait_for_completion_timeout=3s",
    )
    assert searches.asked == [
        {"wait_seconds": 3.0, "keep_alive_milliseconds": 3_600_000, "with_intermediate_hits": False}
    ]
    assert _json(response) == {
        "id": RUNNING.id,
        "is_partial": True,
        "is_running": True,
        "start_time_in_millis": 1_000,
        "expiration_time_in_millis": 9_000,
        "response": {"took": 2},
    }
    assert response.headers[1] == ("X-ElasticSearch-Async-Is-Running", "?1")


async def test_looking_waits_for_nothing_unless_told() -> None:
    """And keeps it no longer."""
    searches = FakeSearches(RUNNING)
    for query in ("", "?keep_alive=-1&wait_for_completion_timeout=-1"):
        await _call(searches, "GET", f"/_async_search/{RUNNING.id}{query}")
    assert searches.asked == 2 * [
        {"wait_seconds": 0.0, "keep_alive_milliseconds": None, "with_intermediate_hits": True}
    ]


async def test_a_failure_gives_the_status_and_stands_in_the_body() -> None:
    """Wrapped as Elasticsearch does, beside what was found."""
    failed = msgspec.structs.replace(
        ENDED, is_partial=True, error=wrapped(index_not_found("x")), clusters=None, shards=ShardCounts()
    )
    response = await _call(FakeSearches(failed), "GET", f"/_async_search/{ENDED.id}")
    assert response.status == 404
    error = _json(response)["error"]
    assert (error["type"], error["reason"]) == ("status_exception", "error while executing search")
    assert error["caused_by"]["type"] == "index_not_found_exception"
    status = await _call(FakeSearches(failed), "GET", f"/_async_search/status/{ENDED.id}")
    assert (status.status, _json(status)["completion_status"]) == (200, 404)


async def test_the_status_has_no_response() -> None:
    """Counts at the top level; how it ended once it has."""
    searches = FakeSearches(RUNNING)
    running = _json(await _call(searches, "GET", f"/_async_search/status/{RUNNING.id}?keep_alive=1d"))
    assert searches.asked == [86_400_000]
    assert running == {
        "id": RUNNING.id,
        "is_running": True,
        "is_partial": True,
        "start_time_in_millis": 1_000,
        "expiration_time_in_millis": 9_000,
        "_shards": {"total": 4, "successful": 3, "skipped": 0, "failed": 0},
        "_clusters": {"total": 1, "details": {"eu": {"status": "running"}}},
    }
    ended = _json(await _call(FakeSearches(ENDED), "GET", f"/_async_search/status/{ENDED.id}"))
    assert (ended["completion_time_in_millis"], ended["completion_status"]) == (2_000, 200)


async def test_an_end_with_something_missing_warns() -> None:
    """As a search does that was waited for."""
    detail = {"status": "skipped", "failures": [{"reason": {"type": "t", "reason": "r"}}]}
    partial = msgspec.structs.replace(
        ENDED, is_partial=True, clusters={"total": 1, "details": {"eu": detail}}
    )
    response = await _call(FakeSearches(partial), "GET", f"/_async_search/{ENDED.id}")
    assert response.headers[-1][0] == "Warning"
    assert "remote cluster [eu] was skipped: [t] r" in response.headers[-1][1]


async def test_deleting_is_acknowledged() -> None:
    """By the id alone."""
    searches = FakeSearches()
    response = await _call(searches, "DELETE", f"/_async_search/{ENDED.id}")
    assert _json(response) == {"acknowledged": True}
    assert searches.asked == [ENDED.id]
