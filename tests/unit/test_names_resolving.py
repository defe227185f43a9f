"""Index expressions to the indices of one cluster."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.names import (
    IndexName,
    IndicesOptions,
    KnownIndex,
    resolve_expressions,
    wildcard_matches,
)

#: 2026-08-01T00:30:00Z, a Saturday
NOW = 1_785_544_200_000


def _known(*indices: KnownIndex) -> dict[IndexName, KnownIndex]:
    return {index.name: index for index in indices}


KNOWN = _known(
    KnownIndex(IndexName("logs-1"), aliases={"logs": {}, "all-logs": {}}),
    KnownIndex(IndexName("logs-2"), aliases={"all-logs": {}}),
    KnownIndex(IndexName("logs-3"), closed=True),
    KnownIndex(IndexName("metrics")),
    KnownIndex(IndexName("secret"), hidden=True),
    KnownIndex(IndexName(".system"), hidden=True),
    KnownIndex(IndexName(".plain")),
    KnownIndex(IndexName("events"), aliases={"shy": {"is_hidden": True}, ".shy": {"is_hidden": True}}),
    KnownIndex(IndexName("day-2026.08.01")),
)
OPEN_ONES = (".plain", "day-2026.08.01", "events", "logs-1", "logs-2", "metrics")
DEFAULT = IndicesOptions()
LENIENT = IndicesOptions(ignore_unavailable=True)
STRICT = IndicesOptions(allow_no_indices=False)
EVERY = IndicesOptions(expand_wildcards=("open", "closed", "hidden"))
CLOSED = IndicesOptions(expand_wildcards=("closed",))
HIDDEN = IndicesOptions(expand_wildcards=("open", "hidden"))
NONE = IndicesOptions(expand_wildcards=())
READING = IndicesOptions(forbid_closed=True)
LENIENT_READING = IndicesOptions(forbid_closed=True, ignore_unavailable=True)
READING_EVERY = IndicesOptions(forbid_closed=True, expand_wildcards=("open", "closed", "hidden"))

RESOLVED = [
    # everything
    ([], DEFAULT, OPEN_ONES),
    (["_all"], DEFAULT, OPEN_ONES),
    (["*"], DEFAULT, OPEN_ONES),
    (["*"], NONE, ()),
    (["_all"], CLOSED, ("logs-3",)),
    ([], EVERY, tuple(sorted(KNOWN))),
    (["*"], HIDDEN, tuple(sorted({*KNOWN} - {"logs-3"}))),
    # names
    (["metrics"], DEFAULT, ("metrics",)),
    (["metrics", "metrics"], DEFAULT, ("metrics",)),
    (["metrics", "logs-1"], DEFAULT, ("metrics", "logs-1")),
    (["secret"], DEFAULT, ("secret",)),
    ([".system"], DEFAULT, (".system",)),
    (["logs-3"], DEFAULT, ("logs-3",)),
    (["metrics", "nope"], LENIENT, ("metrics",)),
    (["nope"], LENIENT, ()),
    (["metrics::data"], DEFAULT, ("metrics",)),
    (["metrics::*"], DEFAULT, ("metrics",)),
    (["metrics"], NONE, ("metrics",)),
    # aliases
    (["logs"], DEFAULT, ("logs-1",)),
    (["all-logs"], DEFAULT, ("logs-1", "logs-2")),
    (["all-logs", "logs-1"], DEFAULT, ("logs-1", "logs-2")),
    (["shy"], DEFAULT, ("events",)),
    (["all-*"], DEFAULT, ("logs-1", "logs-2")),
    (["sh*"], DEFAULT, ()),
    (["sh*"], HIDDEN, ("events",)),
    ([".sh*"], DEFAULT, ("events",)),
    # wildcards
    (["logs-*"], DEFAULT, ("logs-1", "logs-2")),
    (["logs-*"], EVERY, ("logs-1", "logs-2", "logs-3")),
    (["*1"], DEFAULT, ("day-2026.08.01", "logs-1")),
    (["l*s-*"], DEFAULT, ("logs-1", "logs-2")),
    (["metrics*"], DEFAULT, ("metrics",)),
    (["**"], DEFAULT, OPEN_ONES),
    (["x*"], DEFAULT, ()),
    (["logs-*"], NONE, ()),
    (["logs-*"], CLOSED, ("logs-3",)),
    (["s*"], DEFAULT, ()),
    (["s*"], HIDDEN, ("secret", "events")),
    ([".s*"], DEFAULT, (".system", "events")),
    ([".*"], DEFAULT, (".plain", ".system", "events")),
    (["metrics", "logs-*"], DEFAULT, ("metrics", "logs-1", "logs-2")),
    (["logs-*"], READING, ("logs-1", "logs-2")),
    # exclusions
    (["logs-*", "-logs-1"], DEFAULT, ("logs-2",)),
    (["*", "-logs-*"], DEFAULT, (".plain", "day-2026.08.01", "events", "metrics")),
    (["*", "-*"], DEFAULT, ()),
    (["logs-*", "-nope"], DEFAULT, ("logs-1", "logs-2")),
    (["logs-*", "-x*"], STRICT, ("logs-1", "logs-2")),
    (["logs-*", "-all-logs"], DEFAULT, ()),
    (["x*", "-logs-1", "logs-1"], DEFAULT, ("logs-1",)),
    (["metrics", "logs-*", "-metrics"], DEFAULT, ("logs-1", "logs-2")),
    (["day-*", "-<day-{now/d}>"], DEFAULT, ()),
    # date math
    (["<day-{now/d}>"], DEFAULT, ("day-2026.08.01",)),
    (["<day-{now/d-1d{yyyy.MM.dd|+02:00}}>"], LENIENT, ()),
    (["<day-{now/M{yyyy.MM}}.*>"], DEFAULT, ("day-2026.08.01",)),
    # closed ones, when reading
    (["logs-3", "logs-1"], LENIENT_READING, ("logs-1",)),
]


@pytest.mark.parametrize(("expressions", "options", "expected"), RESOLVED)
def test_resolves_expressions(
    expressions: list[str], options: IndicesOptions, expected: tuple[str, ...]
) -> None:
    """Expressions name each index once, in their order."""
    found = resolve_expressions(expressions, KNOWN, options, NOW)
    assert (set(found), len(found)) == (set(expected), len(expected))


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (["metrics", "logs-*", "events"], ("metrics", "logs-1", "logs-2", "events")),
        (["logs-2", "logs-*"], ("logs-2", "logs-1")),
    ],
)
def test_keeps_the_order_in_which_indices_were_named(
    expressions: list[str], expected: tuple[str, ...]
) -> None:
    """Names keep their order; what a wildcard adds is sorted."""
    assert resolve_expressions(expressions, KNOWN, DEFAULT) == expected


REFUSED = [
    (["nope"], DEFAULT, "index_not_found_exception", "no such index [nope]"),
    (["metrics", "nope"], DEFAULT, "index_not_found_exception", "no such index [nope]"),
    (["-metrics"], DEFAULT, "index_not_found_exception", "no such index [-metrics]"),
    (["metrics", "-metrics"], DEFAULT, "index_not_found_exception", "no such index [-metrics]"),
    ([""], DEFAULT, "index_not_found_exception", "no such index []"),
    (["metrics", ""], DEFAULT, "index_not_found_exception", "no such index []"),
    (["eu:logs"], DEFAULT, "index_not_found_exception", "no such index [eu:logs]"),
    (["METRICS"], DEFAULT, "index_not_found_exception", "no such index [METRICS]"),
    (["<day-{now/d+1d}>"], DEFAULT, "index_not_found_exception", "no such index [day-2026.08.02]"),
    (["x*"], STRICT, "index_not_found_exception", "no such index [x*]"),
    (["logs-*", "x*"], STRICT, "index_not_found_exception", "no such index [x*]"),
    (["*", "-*"], STRICT, "index_not_found_exception", "no such index [*,-*]"),
    (
        ["_all"],
        IndicesOptions(allow_no_indices=False, expand_wildcards=()),
        "index_not_found_exception",
        "no such index [_all]",
    ),
    (
        ["_nope"],
        DEFAULT,
        "invalid_index_name_exception",
        "Invalid index name [_nope], must not start with '_'.",
    ),
    (
        ["a", "_all"],
        LENIENT,
        "invalid_index_name_exception",
        "Invalid index name [_all], must not start with '_'.",
    ),
    (["logs-3"], READING, "index_closed_exception", "closed"),
    (["logs-*"], READING_EVERY, "index_closed_exception", "closed"),
    (
        ["metrics::failures"],
        DEFAULT,
        "illegal_argument_exception",
        "component selector [::failures] is not supported: [metrics::failures]",
    ),
    (
        ["metrics::x"],
        DEFAULT,
        "invalid_index_name_exception",
        "Invalid index name [metrics::x], invalid usage of :: separator, [x] is not a recognized selector",
    ),
]


@pytest.mark.parametrize(("expressions", "options", "error_type", "reason"), REFUSED)
def test_refuses_expressions(
    expressions: list[str], options: IndicesOptions, error_type: str, reason: str
) -> None:
    """What is missing, closed or cannot be a name is refused in Elasticsearch's words."""
    with pytest.raises(Failure) as caught:
        resolve_expressions(expressions, KNOWN, options, NOW)
    assert (caught.value.error_type, caught.value.reason) == (error_type, reason)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("*", "", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "acb", False),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "aba", False),
        ("a?", "ab", False),
        ("[a]", "a", False),
    ],
)
def test_only_the_star_is_a_wildcard(pattern: str, name: str, matches: bool) -> None:
    """A star is any text; nothing else has a meaning of its own."""
    assert wildcard_matches(pattern, name) is matches


@settings(max_examples=300)
@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_wildcards_match_as_the_obvious_recursion_does(pattern: str, name: str) -> None:
    """The fast way finds what the slow way finds."""

    def obvious(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return any(obvious(pattern[1:], name[skipped:]) for skipped in range(len(name) + 1))
        return bool(name) and name[0] == pattern[0] and obvious(pattern[1:], name[1:])

    assert wildcard_matches(pattern, name) is obvious(pattern, name)


def test_a_hostile_wildcard_costs_no_more_than_its_length() -> None:
    """Patterns that ruin a backtracking matcher are answered at once."""
    started = time.monotonic()
    assert not wildcard_matches("*a" * 2_000 + "*b", "a" * 255)
    assert not wildcard_matches("*" * 100_000 + "b", "a" * 255)
    assert time.monotonic() - started < 1


_PIECES = st.sampled_from(
    ["logs", "-", "1", "*", ".", "_", "<", ">", "{now/d}", "{", "}", "::", ":", "\\", "all"]
)


@settings(max_examples=300)
@given(st.lists(st.lists(_PIECES, max_size=6).map("".join), max_size=4))
def test_resolving_raises_failures_only(expressions: list[str]) -> None:
    """Whatever the expressions, the answer is known indices or a caller's failure."""
    try:
        found = resolve_expressions(expressions, KNOWN, DEFAULT, NOW)
    except Failure as failure:
        assert failure.kind in {FailureKind.INVALID_REQUEST, FailureKind.NOT_FOUND}  # noqa: PT017 - of two kinds
    else:
        assert set(found) <= set(KNOWN)
