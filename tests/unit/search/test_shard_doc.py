"""``_shard_doc`` over several clusters."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.exchange import Hit, SearchRequest, SearchResult, SortKey, SortValue
from isthmus.names import ClusterAlias, group_by_cluster
from isthmus.search.point_in_time_id import FORM, HeldPart, PointInTime, decoded, encoded
from isthmus.search.shard_doc import (
    AFTER_ALL,
    answered_by_cluster,
    asked_of_cluster,
    position_of,
    with_tie_breaker,
)

BY_N = SortKey(field="n")
BY_DOC = SortKey(field="_shard_doc")


def test_only_what_is_sorted_gets_a_tie_breaker() -> None:
    """A search by relevance is left as it is, and one that has the key already too."""
    plain = SearchRequest()
    assert with_tie_breaker(plain) is plain
    already = SearchRequest(sort=(BY_DOC, BY_N))
    assert with_tie_breaker(already) is already
    assert with_tie_breaker(SearchRequest(sort=(BY_N,))).sort == (BY_N, BY_DOC)
    assert position_of((BY_N, BY_DOC)) == 1
    assert position_of((BY_N,)) is None


def test_the_tie_breaker_may_be_left_out_of_search_after() -> None:
    """Then everything that ties was seen."""
    assert with_tie_breaker(SearchRequest(sort=(BY_N,), search_after=(7,))).search_after == (7, AFTER_ALL)
    given = SearchRequest(sort=(BY_N,), search_after=(7, 3))
    assert with_tie_breaker(given).search_after == (7, 3)


@pytest.mark.parametrize("ordinals", [(0, 1), (0, 3), (2, 2), (4, 1)])
def test_each_cluster_is_asked_for_what_comes_after_in_all_of_them(ordinals: tuple[int, int]) -> None:
    """A place in one cluster lies before, in or after the documents of another one."""
    seen_in, asked = ordinals
    result = SearchResult(hits=(Hit("i", "1", sort=(5, 1_000)),))
    shown = answered_by_cluster(result, (BY_N, BY_DOC), seen_in).hits[0].sort
    assert shown is not None
    request = SearchRequest(sort=(BY_N, BY_DOC), search_after=shown)
    place = (asked_of_cluster(request, asked).search_after or ())[1]
    assert isinstance(place, int)
    if asked < seen_in:
        assert place >= 1 << 47  # beyond every document there
    elif asked == seen_in:
        assert place == 1_000
    else:
        assert place == -1  # before all of them


@pytest.mark.parametrize(
    ("sent", "asked"), [("5", 5), (5, 5), (True, 1), ("x", "x"), (1.5, 1.5), (None, None)]
)
def test_a_place_may_come_as_text(sent: SortValue, asked: SortValue) -> None:
    """What is no number is left to the engine, which refuses it."""
    request = SearchRequest(sort=(BY_DOC,), search_after=(sent,))
    assert asked_of_cluster(request, 0).search_after == (asked,)


def test_what_no_tie_breaker_is_in_stays_as_it_is() -> None:
    """Without the key, without a place or without hits there is nothing to do."""
    request = SearchRequest(sort=(BY_N,), search_after=(1,))
    assert asked_of_cluster(request, 3) is request
    unplaced = SearchRequest(sort=(BY_N, BY_DOC))
    assert asked_of_cluster(unplaced, 3) is unplaced
    result = SearchResult(hits=(Hit("i", "1", sort=(5,)), Hit("i", "2")))
    assert answered_by_cluster(result, (BY_N, BY_DOC), 2).hits == result.hits


def test_an_id_holds_what_it_was_made_of() -> None:
    """Reading what was written gives the same again, with the expressions of each cluster."""
    parts = (HeldPart("", "v1", 2, ("logs-*", "-logs-1")), HeldPart("eu", "v2", 0, ()))
    point = PointInTime(FORM, parts)
    assert decoded(encoded(point)) == point
    assert point.expressions == ("logs-*", "-logs-1", "eu:*")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense!",
        "AAAA",
        "\u00e4",
        encoded(PointInTime(FORM, ())),
        encoded(PointInTime(FORM + 1, (HeldPart("", "v", 1, ()),))),
        encoded(PointInTime(FORM, (HeldPart("a", "v", 1, ()), HeldPart("a", "w", 1, ())))),
        encoded(PointInTime(FORM, (HeldPart("", "v", 1, ("a:logs",)),))),
        encoded(PointInTime(FORM, (HeldPart("a*", "v", 1, ("logs",)),))),
        encoded(PointInTime(FORM, (HeldPart("-a", "v", 1, ("*",)),))),
        encoded(PointInTime(FORM, (HeldPart("a", "v", 1, ("x",)), HeldPart("", "w", 1, ("-a:*", "b"))))),
        encoded(PointInTime(FORM, (HeldPart("a:b", "v", 1, ("x",)),))),
        encoded(PointInTime(FORM, (HeldPart("", "v", 1, (":x",)),))),
        "kg" * 600_000,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """Whatever somebody sends is a 400 and nothing else."""
    with pytest.raises(Failure, match="invalid id"):
        decoded(text)


PARTS = st.lists(
    st.builds(
        HeldPart,
        st.text("ab*-:<", max_size=3),
        st.text(max_size=3),
        st.integers(-(2**63), 2**63),
        st.lists(st.text("ab*-:<,", max_size=4), max_size=3).map(tuple),
    ),
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(PARTS)
def test_whatever_is_written_into_an_id(parts: list[HeldPart]) -> None:
    """It is refused, or names each cluster once and just these."""
    point = PointInTime(FORM, tuple(parts))
    try:
        read = decoded(encoded(point))
    except Failure:
        return
    aliases = [ClusterAlias(part.alias) for part in read.parts if part.alias]
    groups = group_by_cluster(read.expressions, aliases)
    assert sorted(alias or "" for alias in groups) == sorted(part.alias for part in read.parts)


def test_a_hit_without_its_values_is_not_lost() -> None:
    """A peer that leaves the number out is wrong, and its hits are shown all the same."""
    odd = msgspec.structs.replace(SearchResult(), hits=(Hit("i", "1", sort=(5, "text")),))
    assert answered_by_cluster(odd, (BY_N, BY_DOC), 1).hits == odd.hits
