"""The views that a cluster holds for callers: whose they are, how long, how many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from clusters_harness import Clusters, clusters, remove, user, write

from isthmus.errors import Failure
from isthmus.exchange import SearchRequest, SortKey
from isthmus.names import IndexName, IndicesOptions
from isthmus.search.keep_alive import KeepAliveLimits, time_text
from isthmus.search.views import SILENCE_SECONDS, OpenedView, owner_of

ANN = user()
OPTIONS = IndicesOptions(forbid_closed=True)
BY_N = SearchRequest(sort=(SortKey(field="n"), SortKey(field="_shard_doc")))
MINUTE = 60_000


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Clusters]:
    """Make one cluster with two indices."""
    async with clusters(tmp_path) as made:
        await write(made.engine, "logs-1", {"a": {"n": 1}, "b": {"n": 2}})
        await write(made.engine, "logs-2", {"c": {"n": 1}})
        yield made


async def _open(here: Clusters, *expressions: str, keep_alive: int = MINUTE, visitor: str = "") -> OpenedView:
    return await here.views.open(ANN, expressions or ("logs-*",), OPTIONS, keep_alive, visitor=visitor)


async def _ids(here: Clusters, view: str, keep_alive: int | None = None) -> list[str]:
    found = await here.views.search(ANN, view, keep_alive, BY_N)
    return [hit.id for hit in found.hits]


async def test_a_view_stays_as_it_was(here: Clusters) -> None:
    """What is written, changed and deleted later is not in it, nor are new indices that match."""
    view = await _open(here)
    assert view.indices == 2
    await write(here.engine, "logs-1", {"a": {"n": 9}, "new": {"n": 0}})
    await remove(here.engine, "logs-1", "b")
    await write(here.engine, "logs-3", {"d": {"n": 0}})
    assert await _ids(here, view.id) == ["a", "c", "b"]


async def test_a_view_ends_with_its_keep_alive(here: Clusters) -> None:
    """Each use may extend it; afterwards nothing is held and nothing found."""
    view = await _open(here)
    here.clock.seconds += 50
    await _ids(here, view.id, 2 * MINUTE)
    here.clock.seconds += 100
    await _ids(here, view.id)
    here.clock.seconds += 21
    with pytest.raises(Failure) as missing:
        await _ids(here, view.id)
    assert missing.value.kind.name == "NOT_FOUND"
    assert missing.value.caused_by is not None
    assert missing.value.caused_by.error_type == "search_context_missing_exception"
    assert here.views.held_indices == 0


async def test_a_shorter_keep_alive_takes_nothing_away(here: Clusters) -> None:
    """As in Elasticsearch a context lives for the longest that anybody asked for."""
    view = await _open(here, keep_alive=10 * MINUTE)
    await _ids(here, view.id, 1)
    here.clock.seconds += 300
    assert await _ids(here, view.id)


async def test_views_of_others_do_not_exist(here: Clusters) -> None:
    """Neither another user, nor the same one through another cluster, finds or releases it."""
    view = await _open(here)
    others = [(user("bob"), ""), (ANN, "key:1"), (replace(ANN, api_key_id="k"), "")]
    for principal, visitor in others:
        with pytest.raises(Failure, match="all shards failed"):
            await here.views.search(principal, view.id, None, BY_N, visitor)
        assert here.views.release(principal, [view.id], visitor) == 0
    assert here.views.release(ANN, [view.id, view.id, "unknown"]) == 1
    assert here.views.held_indices == 0


def test_an_api_key_owns_what_it_opened_whoever_its_user_is() -> None:
    """Two keys of one user are two owners; one key is one."""
    first, second = replace(ANN, api_key_id="k1"), replace(ANN, api_key_id="k2")
    assert owner_of(first) != owner_of(second)
    assert owner_of(first) == owner_of(replace(first, username="renamed"))
    assert owner_of(ANN) != owner_of(replace(ANN, realm_name="other"))


async def test_there_is_a_bound(here: Clusters) -> None:
    """One context an index; the one too many is refused with 429 and holds nothing."""
    here.limits = KeepAliveLimits(most_contexts=3)
    await _open(here)
    with pytest.raises(Failure) as full:
        await _open(here)
    assert full.value.kind.name == "TOO_MANY_REQUESTS"
    assert "Must be less than or equal to: [3]" in full.value.reason
    assert (await _open(here, "logs-2")).indices == 1
    here.clock.seconds += 61
    assert (await _open(here)).indices == 2


async def test_views_of_nothing_have_a_bound_too(here: Clusters) -> None:
    """Each takes memory and is looked at again and again until its time is over."""
    here.limits = KeepAliveLimits(most_contexts=3)
    for _ in range(3):
        assert (await _open(here, "nothing-*")).indices == 0
    with pytest.raises(Failure, match="too many scroll contexts"):
        await _open(here, "nothing-*")
    assert here.views.held_indices == 0
    here.clock.seconds += 61
    assert (await _open(here, "nothing-*")).indices == 0


async def test_the_bound_holds_for_many_at_once(here: Clusters) -> None:
    """Openings that are under way count."""
    here.limits = KeepAliveLimits(most_contexts=6)
    outcomes = await asyncio.gather(*(_open(here) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(each, OpenedView) for each in outcomes) == 3
    assert here.views.held_indices == 6


async def test_a_keep_alive_has_a_bound_too(here: Clusters) -> None:
    """It counts when a view is opened and whenever it is extended."""
    with pytest.raises(Failure) as too_long:
        await _open(here, keep_alive=25 * 60 * MINUTE)
    assert too_long.value.reason == (
        "Keep alive for request (1d) is too large. It must be less than (1d). This limit can be set by "
        "changing the [search.max_keep_alive] cluster level setting."
    )
    view = await _open(here)
    with pytest.raises(Failure, match="too large"):
        await _ids(here, view.id, 48 * 60 * MINUTE)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0s"), (1, "1ms"), (1500, "1.5s"), (60_000, "1m"), (7_200_000, "2h"), (90_000_000, "1d")],
)
def test_times_are_written_as_elasticsearch_does(milliseconds: int, text: str) -> None:
    """The largest unit that fits, and a decimal where there is one."""
    assert time_text(milliseconds) == text


async def test_views_go_when_the_cluster_that_asked_is_silent(here: Clusters) -> None:
    """A ping is a sign of life; without any the views of its callers are let go."""
    day = 24 * 60 * MINUTE
    await _open(here, keep_alive=day, visitor="key:1")
    own = await _open(here, "logs-1", keep_alive=day)
    here.clock.seconds += SILENCE_SECONDS - 1
    here.views.heard_of("key:1")
    here.views.heard_of("key:2")
    here.clock.seconds += SILENCE_SECONDS - 1
    here.views.expire()
    assert here.views.held_indices == 3
    here.clock.seconds += 2
    here.views.expire()
    assert here.views.held_indices == 1
    assert await _ids(here, own.id)


async def test_an_index_that_is_deleted_is_a_failed_shard(here: Clusters) -> None:
    """The others of the view answer; one of the same name that is made anew is not taken for it."""
    view = await _open(here)
    await here.engine.delete_index(IndexName("logs-2"))
    await write(here.engine, "logs-2", {"other": {"n": 0}})
    found = await here.views.search(ANN, view.id, None, BY_N)
    assert [hit.id for hit in found.hits] == ["a", "b"]
    assert (found.shards.total, found.shards.failed) == (2, 1)
    assert [(each.index, each.error_type) for each in found.failures] == [
        ("logs-2", "search_context_missing_exception")
    ]
    await here.engine.delete_index(IndexName("logs-1"))
    found = await here.views.search(ANN, view.id, None, BY_N)
    assert (found.hits, found.shards.failed) == ((), 2)


async def test_privileges_are_those_of_now(here: Clusters) -> None:
    """Who loses an index in the meantime is refused; who is shown fewer documents sees fewer."""
    view = await _open(here)
    with pytest.raises(Failure) as denied:
        await here.views.search(user("ann", "logs-1"), view.id, None, BY_N)
    assert denied.value.kind.name == "FORBIDDEN"
    narrowed = user("ann", "logs-*", query={"term": {"n": 2}})
    found = await here.views.search(narrowed, view.id, None, BY_N)
    assert [hit.id for hit in found.hits] == ["b"]


async def test_an_index_filter_leaves_indices_out(here: Clusters) -> None:
    """An index without a document that matches is not held."""
    view = await here.views.open(ANN, ("logs-*",), OPTIONS, MINUTE, index_filter={"term": {"n": 2}})
    assert view.indices == 1


async def test_a_window_that_is_too_large_is_refused(here: Clusters) -> None:
    """As in a search of the index itself."""
    view = await _open(here)
    with pytest.raises(Failure, match="all shards failed") as refused:
        await here.views.search(ANN, view.id, None, SearchRequest(size=10_001))
    assert refused.value.caused_by is not None
    assert "Result window is too large" in refused.value.caused_by.reason


async def test_closing_lets_go_of_everything(here: Clusters) -> None:
    """Nothing is held after the node's end."""
    await _open(here)
    here.views.close()
    here.views.close()
    assert here.views.held_indices == 0
