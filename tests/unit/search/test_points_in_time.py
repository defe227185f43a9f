"""Points in time over several clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clusters_harness import Clusters, clusters, user, visitor, write

from isthmus.errors import Failure
from isthmus.exchange import SearchRequest, SortKey, SortValue
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.search.point_in_time import OpenedPointInTime, Opening
from isthmus.search.point_in_time_id import FORM, HeldPart, HeldSearch, PointInTime
from isthmus.search.shard_doc import with_tie_breaker

ANN = user()
EU = ClusterAlias("eu")
US = ClusterAlias("us")
OPTIONS = IndicesOptions(forbid_closed=True)
MINUTE = 60_000
EVERYWHERE = ("logs", "eu:logs", "us:logs")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Clusters]:
    """Make three clusters with four documents each, all of which tie."""
    async with clusters(tmp_path, "eu", "us") as made:
        for alias, engine in (("here", made.engine), *((a, c.engine) for a, c in made.far.items())):
            await write(engine, "logs", {f"{alias}-{number}": {"n": 1} for number in range(4)})
        yield made


async def _open(world: Clusters, *expressions: str, **options: Any) -> OpenedPointInTime:
    return await world.points.open(ANN, Opening(expressions or EVERYWHERE, OPTIONS, MINUTE, **options))


async def _search(
    world: Clusters,
    point: PointInTime,
    after: tuple[SortValue, ...] | None = None,
    principal: Any = ANN,
    keep_alive: int | None = None,
) -> SearchAnswer:
    request = SearchRequest(sort=(SortKey(field="n"),), search_after=after, size=5)
    order = SearchOrder(
        point.expressions,
        with_tie_breaker(request),
        held=HeldSearch(point, keep_alive_milliseconds=keep_alive),
    )
    return await world.coordinator.search(principal, order)


def _names(answer: SearchAnswer) -> list[str]:
    return [f"{hit.index}/{hit.id}" for hit in answer.result.hits]


async def test_pages_hold_every_document_once(world: Clusters) -> None:
    """With nothing but ties, and while documents are written everywhere."""
    point = (await _open(world)).point
    for engine in (world.engine, *(cluster.engine for cluster in world.far.values())):
        await write(engine, "logs", {"late": {"n": 1}, "later": {"n": 0}})
    seen: list[str] = []
    after: tuple[SortValue, ...] | None = None
    while (answer := await _search(world, point, after)).result.hits:
        seen += _names(answer)
        after = answer.result.hits[-1].sort
    expected = [
        *(f"logs/here-{number}" for number in range(4)),
        *(f"{alias}:logs/{alias}-{number}" for alias in ("eu", "us") for number in range(4)),
    ]
    assert seen == expected


async def test_the_clusters_are_told(world: Clusters) -> None:
    """Opening says who takes part and with how many indices; searching names the expressions again."""
    opened = await _open(world)
    assert (opened.shards.total, opened.shards.successful) == (3, 3)
    assert [detail.alias for detail in opened.clusters] == [None, "eu", "us"]
    answer = await _search(world, opened.point)
    assert [(detail.alias, detail.expressions) for detail in answer.clusters] == [
        (None, ("logs",)),
        ("eu", ("logs",)),
        ("us", ("logs",)),
    ]


async def test_only_this_cluster_is_nobody_elses_business(world: Clusters) -> None:
    """Without a remote there is no section about clusters, and nobody is asked."""
    opened = await _open(world, "logs")
    assert opened.clusters == ()
    assert (await _search(world, opened.point)).clusters == ()
    assert all(cluster.asked == [] for cluster in world.far.values())


async def test_a_cluster_that_is_down_may_be_skipped(world: Clusters) -> None:
    """It takes no part, and stands in the answer as skipped; nobody asks it later."""
    world.far[EU].is_down = True
    opened = await _open(world)
    assert [detail.status.value for detail in opened.clusters] == ["successful", "skipped", "successful"]
    assert [part.alias for part in opened.point.parts] == ["", "us"]
    assert len((await _search(world, opened.point)).clusters) == 2


@pytest.mark.parametrize("by_request", [True, False])
async def test_a_cluster_that_may_not_be_skipped_fails_it_all(world: Clusters, by_request: bool) -> None:
    """By its settings or by the request; nothing stays open anywhere."""
    world.far[EU].is_down = True
    world.far[EU].skip_unavailable = by_request
    with pytest.raises(Failure) as failure:
        await _open(world, skip_unavailable=False if by_request else None)
    assert failure.value.reason == "error while communicating with remote cluster [eu]"
    assert world.views.held_indices == 0
    assert world.far[US].answers.views.held_indices == 0


async def test_where_nobody_is_left_the_first_failure_is_the_answer(world: Clusters) -> None:
    """A point in time of nothing would be searched for nothing for ever."""
    world.far[EU].is_down = True
    with pytest.raises(Failure, match=r"error while communicating with remote cluster \[eu\]"):
        await _open(world, "eu:logs")


async def test_closing_frees_it_everywhere(world: Clusters) -> None:
    """One context each; closing it again frees nothing. A cluster that is down does not keep it from that."""
    point = (await _open(world)).point
    world.far[EU].is_down = True
    assert await world.points.close(ANN, point) == 2
    assert await world.points.close(ANN, point) == 0
    assert world.far[US].answers.views.held_indices == 0
    world.far[EU].is_down = False
    world.clock.seconds += 61
    world.far[EU].answers.views.expire()
    assert world.far[EU].answers.views.held_indices == 0


@pytest.mark.parametrize("alias", [None, EU])
async def test_a_view_that_is_gone_fails_the_search(world: Clusters, alias: ClusterAlias | None) -> None:
    """Also in a cluster that may be skipped: it never comes back, and the rest would look complete."""
    point = (await _open(world)).point
    views = world.views if alias is None else world.far[alias].answers.views
    views.close()
    with pytest.raises(Failure) as failure:
        await _search(world, point)
    assert failure.value.kind.name == "NOT_FOUND"
    cause: Failure | None = failure.value
    while cause is not None and cause.caused_by is not None:
        cause = cause.caused_by
    assert cause is not None
    assert cause.error_type == "search_context_missing_exception"


async def test_nobody_else_can_read_it(world: Clusters) -> None:
    """Not another user with the same id, and not through another key of the far side."""
    point = (await _open(world)).point
    with pytest.raises(Failure, match="all shards failed"):
        await _search(world, point, principal=user("bob"))
    only_far = PointInTime(FORM, tuple(part for part in point.parts if part.alias == "eu"))
    with pytest.raises(Failure, match=r"error while communicating with remote cluster \[eu\]"):
        await _search(world, only_far, principal=user("bob"))
    world.far[EU].visitor = visitor("another-key")
    with pytest.raises(Failure, match=r"error while communicating with remote cluster \[eu\]"):
        await _search(world, only_far)
    assert await world.points.close(ANN, only_far) == 0


async def test_keep_alive_reaches_every_cluster(world: Clusters) -> None:
    """A search extends the views of all of them."""
    point = (await _open(world)).point
    world.clock.seconds += 50
    await _search(world, point, keep_alive=5 * MINUTE)
    world.clock.seconds += 200
    assert len(_names(await _search(world, point))) == 5


async def test_an_alias_that_is_gone_is_named(world: Clusters) -> None:
    """A point in time over a cluster that is no longer configured cannot be searched."""
    point = (await _open(world)).point
    gone = world.far.pop(US)
    with pytest.raises(Failure, match=r"no such remote cluster: \[us\]"):
        await _search(world, point)
    world.far[US] = gone


async def test_made_up_parts_find_nothing(world: Clusters) -> None:
    """An id that somebody writes themselves leads to no view that they did not open."""
    point = PointInTime(FORM, (HeldPart("", "AAAA", 1, ("logs",)), HeldPart("eu", "BBBB", 1, ("logs",))))
    with pytest.raises(Failure, match="all shards failed"):
        await _search(world, point)


async def test_other_keys_are_shown_with_the_tie_breaker(world: Clusters) -> None:
    """Each hit has its sort values and the number that tells it apart."""
    point = (await _open(world)).point
    answer = await _search(world, point)
    values = [hit.sort for hit in answer.result.hits]
    assert [value[0] for value in values if value] == [1] * 5
    assert len({value[1] for value in values if value}) == 5
