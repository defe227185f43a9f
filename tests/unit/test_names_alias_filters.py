"""Filtered aliases."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.names import IndexName, KnownIndex, alias_filters

OPEN, MINE = {"term": {"state": "open"}}, {"term": {"owner": "me"}}
INDEX = KnownIndex(
    IndexName("tickets-1"),
    aliases={"open": {"filter": OPEN}, "mine": {"filter": MINE}, "everything": {}},
)


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (["open"], (OPEN,)),
        (["open", "mine"], (OPEN, MINE)),
        (["o*"], (OPEN,)),
        (["open", "tickets-1"], ()),
        (["open", "tickets-*"], ()),
        (["open", "everything"], ()),
        (["tickets-*", "open", "-tickets-*"], (OPEN,)),
        (["*"], ()),
        (["_all"], ()),
        ([], ()),
        (["open::data"], (OPEN,)),
        (["<open>"], (OPEN,)),
    ],
)
def test_a_filter_counts_where_no_other_way_leads_in(
    expressions: list[str], expected: tuple[Any, ...]
) -> None:
    """The index's own name and an alias without a filter show everything."""
    assert alias_filters(expressions, INDEX, lambda _: True) == expected


def test_a_name_that_the_caller_has_no_right_to_is_no_way_in() -> None:
    """A wildcard over everything does not lift the filter of the only alias that is allowed."""
    assert alias_filters(["*"], INDEX, lambda name: name == "open") == (OPEN,)


def test_an_index_without_filtered_aliases_hides_nothing() -> None:
    """Most indices are like this."""
    assert alias_filters(["a"], KnownIndex(IndexName("i"), aliases={"a": {}}), lambda _: True) == ()


def test_no_way_in_shows_no_more_than_the_filters() -> None:
    """Whoever selected the index, nothing is shown that no alias lets through."""
    assert alias_filters(["open"], INDEX, lambda _: False) == (OPEN, MINE)
