"""The values of a field, over clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clusters_harness import Clusters, clusters, user, write

from isthmus.errors import Failure
from isthmus.names import ClusterAlias
from isthmus.search.plan import SearchOrder
from isthmus.search.terms_enum import FoundTerms, TermsQuestion, found_terms, terms_request

ANN = user()
EU = ClusterAlias("eu")
MAPPINGS = {"properties": {"w": {"type": "keyword"}, "n": {"type": "long"}}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Clusters]:
    """Make two clusters whose values overlap; one document has many of them."""
    async with clusters(tmp_path, "eu") as made:
        here = {"1": {"w": "apple", "n": 1}, "2": {"w": ["a.b", "a+c", "banana"]}, "3": {"w": "Apricot"}}
        there = {"1": {"w": "apple"}, "2": {"w": [f"x{n:02}" for n in range(20)]}, "3": {"w": "avocado"}}
        await write(made.engine, "words", here, MAPPINGS)
        await write(made.far[EU].engine, "words", there, MAPPINGS)
        yield made


async def _terms(world: Clusters, **question: Any) -> FoundTerms:
    asked = TermsQuestion(**{"field": "w", **question})
    values = asked.size
    while True:
        order = SearchOrder(("words", "eu:words"), terms_request(asked, values))
        found = found_terms(asked, await world.coordinator.search(ANN, order), values)
        if isinstance(found, FoundTerms):
            return found
        values = found


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"prefix": "ap"}, ["apple"]),
        ({"prefix": "ap", "ignore_case": True}, ["Apricot", "apple"]),
        ({"prefix": "a."}, ["a.b"]),
        ({"prefix": "a+"}, ["a+c"]),
        ({"prefix": "a", "size": 2}, ["a+c", "a.b"]),
        ({"prefix": "a", "size": 2, "after": "a.b"}, ["apple", "avocado"]),
        ({"prefix": "x", "size": 3, "after": "x15"}, ["x16", "x17", "x18"]),
        ({"prefix": "x", "after": "x18"}, ["x19"]),
        ({"prefix": "z"}, []),
        ({"prefix": "a", "index_filter": {"term": {"n": 1}}}, ["apple"]),
        ({"size": 1}, ["Apricot"]),
    ],
)
async def test_values_come_in_their_order(
    world: Clusters, question: dict[str, Any], expected: list[str]
) -> None:
    """Each once, from all clusters, as many as asked for."""
    found = await _terms(world, **question)
    assert list(found.terms) == expected
    assert found.complete


async def test_a_cluster_that_is_down_makes_it_incomplete(world: Clusters) -> None:
    """And the others answer."""
    world.far[EU].is_down = True
    found = await _terms(world, prefix="a")
    assert found == FoundTerms(("a+c", "a.b", "apple"), complete=False)


async def test_numbers_are_refused(world: Clusters) -> None:
    """They begin with nothing."""
    with pytest.raises(Failure, match="its values are no text"):
        await _terms(world, field="n")
