"""Scrolls over several clusters."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clusters_harness import Clusters, clusters, user, write
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.exchange import SearchRequest, SortKey
from isthmus.names import ClusterAlias
from isthmus.search.keep_alive import KeepAliveLimits
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.search.scroll import require_scroll_id

ANN = user()
EU = ClusterAlias("eu")
MINUTE = 60_000
MAPPINGS = {
    "properties": {
        "n": {"type": "integer"},
        "when": {"type": "date"},
        "word": {"type": "keyword"},
        "text": {"type": "text"},
    }
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Clusters]:
    """Make two clusters with six documents each."""
    async with clusters(tmp_path, "eu") as made:
        for alias, engine in (("here", made.engine), ("eu", made.far[EU].engine)):
            documents = {
                f"{alias}-{n}": {"n": n // 2, "when": f"2024-01-01T00:00:0{n}Z", "text": "tide " * (n + 1)}
                for n in range(6)
            }
            await write(engine, "logs", documents, MAPPINGS)
        yield made


def _order(*expressions: str, **request: Any) -> SearchOrder:
    return SearchOrder(expressions or ("logs", "eu:logs"), SearchRequest(**request))


async def _pages(world: Clusters, order: SearchOrder) -> list[SearchAnswer]:
    """Scroll to the end; the last page is the empty one."""
    scroll_id, answer = await world.scrolls.begin(ANN, order, MINUTE)
    pages = [answer]
    while pages[-1].result.hits:
        pages.append(await world.scrolls.next_page(ANN, scroll_id, MINUTE))
    assert await world.scrolls.clear(ANN, [scroll_id]) > 0
    return pages


def _ids(pages: list[SearchAnswer]) -> list[str]:
    return [hit.id for page in pages for hit in page.result.hits]


ORDERS: list[tuple[SortKey, ...]] = [
    (),
    (SortKey(field="_doc"),),
    (SortKey(field="n"),),
    (SortKey(field="n", descending=True), SortKey(field="_score", descending=True)),
    (SortKey(field="when", date_format="yyyy"),),
    (SortKey(field="word", missing="_first"),),
]


@pytest.mark.parametrize("sort", ORDERS)
async def test_every_document_comes_once(world: Clusters, sort: tuple[SortKey, ...]) -> None:
    """In any order, by pages of any size, and in the order of one large page."""
    for size in (1, 5, 12):
        await _compare_with_one_page(world, sort, size)


async def _compare_with_one_page(world: Clusters, sort: tuple[SortKey, ...], size: int) -> None:
    order = _order(sort=sort, size=size, query={"match": {"text": "tide"}})
    whole = await world.coordinator.search(
        ANN, _order(sort=sort, size=100, query={"match": {"text": "tide"}})
    )
    pages = await _pages(world, order)
    assert sorted(_ids(pages)) == sorted(hit.id for hit in whole.result.hits)
    if sort != (SortKey(field="_doc"),):  # whose ties a search without a view breaks as it likes
        assert _ids(pages) == [hit.id for hit in whole.result.hits]
    shown = [hit.sort for page in pages for hit in page.result.hits]
    expected = [hit.sort for hit in whole.result.hits]
    assert [value and len(value) for value in shown] == [value and len(value) for value in expected]
    if sort == (SortKey(field="when", date_format="yyyy"),):
        assert set(shown) == {("2024",)}


async def test_what_a_page_says_of_the_whole_is_the_same_on_each(world: Clusters) -> None:
    """The total and the best score; aggregations are on the first page only."""
    order = _order(size=5, query={"match": {"text": "tide"}}, aggregations={"most": {"max": {"field": "n"}}})
    pages = await _pages(world, order)
    assert len({page.result.max_score for page in pages}) == 1
    assert pages[0].result.max_score == pages[0].result.hits[0].score
    assert {page.result.total.value for page in pages if page.result.total} == {12}
    assert pages[0].result.aggregations == {"most": {"value": 2.0}}
    assert all(page.result.aggregations == {} for page in pages[1:])


async def test_what_is_written_meanwhile_does_not_show(world: Clusters) -> None:
    """In no cluster."""
    scroll_id, first = await world.scrolls.begin(ANN, _order(size=4, sort=(SortKey(field="n"),)), None)
    await write(world.engine, "logs", {"late": {"n": 5}})
    await write(world.far[EU].engine, "logs", {"late": {"n": 5}, "eu-5": {"n": 0}})
    ids = _ids([first])
    while (page := await world.scrolls.next_page(ANN, scroll_id, None)).result.hits:
        ids += _ids([page])
    assert len(ids) == len(set(ids)) == 12
    assert "late" not in ids


async def test_an_end_is_known_without_asking_again(world: Clusters) -> None:
    """The empty page after the last one costs the far side nothing."""
    scroll_id, _ = await world.scrolls.begin(ANN, _order(size=100), MINUTE)
    asked = list(world.far[EU].asked)
    assert (await world.scrolls.next_page(ANN, scroll_id, MINUTE)).result.hits == ()
    assert world.far[EU].asked == asked


async def test_a_cluster_that_fails_on_the_way_is_told_as_failed_shards(world: Clusters) -> None:
    """Clients that scroll look there; the cluster is skipped and its failure is named."""
    scroll_id, first = await world.scrolls.begin(ANN, _order(size=3, sort=(SortKey(field="n"),)), MINUTE)
    assert (first.result.shards.total, first.result.shards.failed) == (2, 0)
    world.far[EU].is_down = True
    page = await world.scrolls.next_page(ANN, scroll_id, MINUTE)
    assert (page.result.shards.total, page.result.shards.successful, page.result.shards.failed) == (2, 1, 1)
    assert [each.error_type for each in page.result.failures] == ["no_seed_node_left_exception"]
    world.far[EU].is_down = False
    page = await world.scrolls.next_page(ANN, scroll_id, MINUTE)
    assert page.result.shards.failed == 0


async def test_a_cluster_that_was_skipped_at_the_start_stands_on_the_first_page(world: Clusters) -> None:
    """The others are scrolled."""
    world.far[EU].is_down = True
    scroll_id, first = await world.scrolls.begin(ANN, _order(size=10), MINUTE)
    assert [(detail.alias, detail.status.value) for detail in first.clusters] == [("eu", "skipped")]
    assert len(first.result.hits) == 6
    assert await world.scrolls.clear(ANN, [scroll_id]) == 1


async def test_scrolls_end(world: Clusters) -> None:
    """By being cleared, by their owner only; by their keep-alive; all of them at once."""
    one, _ = await world.scrolls.begin(ANN, _order(size=1), MINUTE)
    with pytest.raises(Failure, match="all shards failed"):
        await world.scrolls.next_page(user("bob"), one, None)
    assert await world.scrolls.clear(user("bob"), [one]) == 0
    assert await world.scrolls.clear(ANN, [one, one]) == 2
    assert world.views.held_indices == world.far[EU].answers.views.held_indices == 0
    two, _ = await world.scrolls.begin(ANN, _order(size=1), MINUTE)
    world.clock.seconds += 61
    with pytest.raises(Failure) as missing:
        await world.scrolls.next_page(ANN, two, None)
    assert missing.value.kind.name == "NOT_FOUND"
    for _ in range(3):
        await world.scrolls.begin(ANN, _order(size=1), MINUTE)
    assert await world.scrolls.clear_all() == 6
    assert world.views.held_indices == 0


async def test_a_scroll_that_cannot_begin_holds_nothing(world: Clusters) -> None:
    """A query that no index understands fails as a search does."""
    with pytest.raises(Failure):
        await world.scrolls.begin(ANN, _order(query={"match": {"text": {"operator": "nor"}}}), MINUTE)
    assert world.views.held_indices == world.far[EU].answers.views.held_indices == 0


async def test_there_is_a_bound_to_scrolls(world: Clusters) -> None:
    """Also for those that hold no index at all."""
    world.limits = KeepAliveLimits(most_contexts=2)
    for _ in range(2):
        await world.scrolls.begin(ANN, _order("nothing*"), MINUTE)
    with pytest.raises(Failure, match="too many scroll contexts"):
        await world.scrolls.begin(ANN, _order("nothing*"), MINUTE)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"offset": 1}, "using [from] is not allowed in a scroll context"),
    ({"size": 0}, "[size] cannot be [0] in a scroll context"),
    ({"track_total_hits": False}, "disabling [track_total_hits] is not allowed in a scroll context"),
    ({"track_total_hits": 7}, "disabling [track_total_hits] is not allowed in a scroll context"),
    (
        {"search_after": (1,), "sort": (SortKey(field="n"),)},
        "[search_after] cannot be used in a scroll context",
    ),
    (
        {"sort": (SortKey(field="_shard_doc"),)},
        "[_shard_doc] sort field cannot be used without [point in time]",
    ),
]


@pytest.mark.parametrize(("members", "problem"), REFUSED)
async def test_what_a_scroll_cannot_have_is_named(
    world: Clusters, members: dict[str, Any], problem: str
) -> None:
    """In Elasticsearch's words, before anybody is asked."""
    with pytest.raises(Failure) as refused:
        await world.scrolls.begin(ANN, _order(**members), MINUTE)
    assert refused.value.error_type == "action_request_validation_exception"
    assert problem in refused.value.reason
    assert world.far[EU].asked == []


async def test_a_page_that_is_too_large_is_refused(world: Clusters) -> None:
    """By the window of each index, in the words for scrolls; nothing is held then."""
    with pytest.raises(Failure, match="all shards failed") as refused:
        await world.scrolls.begin(ANN, _order(size=10_001), MINUTE)
    assert refused.value.caused_by is not None
    assert refused.value.caused_by.reason.startswith(
        "Batch size is too large, size must be less than or equal to: [10000] but was [10001]."
    )
    assert world.views.held_indices == world.far[EU].answers.views.held_indices == 0


@pytest.mark.parametrize("text", ["", "invalid_scroll_id", "AAAA", "\u00e4", "c2Nyb2xsMQ", "!!"])
def test_what_is_no_id_is_refused(text: str) -> None:
    """With a 400 rather than a 404."""
    with pytest.raises(Failure, match="Cannot parse scroll id"):
        require_scroll_id(text)


DOCUMENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=12)


@settings(max_examples=5, deadline=None)
@given(spread=DOCUMENTS, size=st.integers(1, 5), descending=st.booleans())
def test_a_scroll_over_clusters_is_that_over_one_index(
    spread: list[tuple[int, int]], size: int, *, descending: bool
) -> None:
    """Whatever documents are where: the values come in the order of one index with all of them."""
    asyncio.run(_compare(spread, size, descending=descending))


async def _compare(spread: list[tuple[int, int]], size: int, *, descending: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with clusters(Path(directory), "eu", "us") as made:
            engines = [made.engine, *(cluster.engine for cluster in made.far.values())]
            for place, engine in enumerate(engines):
                documents = {f"d{i}": {"n": n} for i, (at, n) in enumerate(spread) if at == place}
                await write(engine, "part", documents, MAPPINGS)
            await write(
                made.engine, "whole", {f"d{i}": {"n": n} for i, (_, n) in enumerate(spread)}, MAPPINGS
            )
            sort = (SortKey(field="n", descending=descending),)
            parts = await _pages(made, _order("part", "*:part", sort=sort, size=size))
            whole = await _pages(made, _order("whole", sort=sort, size=size))
            assert sorted(_ids(parts)) == sorted(_ids(whole))
            values = [[hit.sort for page in pages for hit in page.result.hits] for pages in (parts, whole)]
            assert values[0] == values[1]
            assert [len(page.result.hits) for page in parts] == [len(page.result.hits) for page in whole]
            assert len(list(itertools.chain(*values))) == 2 * len(spread)
