"""Regular expressions for ranges of text, against comparing the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.engines.embedded.query.edit_distance import edit_distance
from isthmus.engines.embedded.query.minimum_should_match import required_matches
from isthmus.engines.embedded.query.patterns import lucene_expression, wildcard_expression
from isthmus.engines.embedded.query.text_ranges import TextRange, range_expression
from isthmus.errors import Failure

SHORT = st.text(st.sampled_from("ab[ü\U0001f600\n"), max_size=5)


def _in_python(expression: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{([0-9A-F]+)\}", lambda code: f"\\U{int(code[1], 16):08x}", expression))


@given(lower=SHORT | st.none(), upper=SHORT | st.none(), term=SHORT, low=st.booleans(), high=st.booleans())
def test_an_expression_matches_just_the_terms_in_the_range(
    lower: str | None, upper: str | None, term: str, low: bool, high: bool
) -> None:
    """For bounds of any characters, included or not."""
    wanted = TextRange(lower, upper, low, high)
    expression = range_expression(wanted)
    matched = expression is not None and _in_python(expression).fullmatch(term) is not None
    assert matched == wanted.holds(term)


@pytest.mark.parametrize(
    ("specification", "optional", "expected"),
    [
        (2, 5, 2),
        ("-2", 5, 3),
        (-9, 5, 0),
        ("75%", 4, 3),
        ("75%", 5, 3),
        ("-25%", 4, 3),
        ("-25%", 5, 4),
        ("2<75%", 2, 2),
        ("2<75%", 4, 3),
        ("2<-25% 9<-3", 8, 6),
        ("2<-25% 9<-3", 12, 9),
        (7, 5, 7),
    ],
)
def test_minimum_should_match_in_every_form(specification: str | int, optional: int, expected: int) -> None:
    """Numbers, what may be missing, shares and conditions."""
    assert required_matches(specification, optional) == expected


@pytest.mark.parametrize("specification", ["", "x", "1.5", "5%%", True, None, [], "3<"])
def test_a_malformed_minimum_is_refused(specification: object) -> None:
    """What is no number is a 400."""
    with pytest.raises(Failure):
        required_matches(specification, 3)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a*c?", ["acx", "a.*cc"], ["ac", "xacx"]),
        (r"a\*", ["a*"], ["ab"]),
        ("a\\", ["a\\"], ["a"]),
    ],
)
def test_wildcards_become_expressions(pattern: str, matching: list[str], other: list[str]) -> None:
    """Only the star, the question mark and the backslash mean something."""
    expression = _in_python(wildcard_expression(pattern))
    assert all(expression.fullmatch(text) for text in matching)
    assert not any(expression.fullmatch(text) for text in other)


@pytest.mark.parametrize("pattern", ["~a", "<1-9>", "a&b", "@", "#", '"a"', "a\\", "(?i)a", "a*?"])
def test_operators_that_differ_are_refused(pattern: str) -> None:
    """What would mean something else is a 400 that says so."""
    with pytest.raises(Failure):
        lucene_expression(pattern)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a|b", ["a", "b"], ["ab"]),
        (r"\d+", ["12"], ["x"]),
        ("^a$", ["^a$"], ["a"]),
        ("[a&b~]", ["&", "~"], ["c"]),
        (r"a\.b", ["a.b"], ["axb"]),
    ],
)
def test_common_operators_keep_their_meaning(pattern: str, matching: list[str], other: list[str]) -> None:
    """Anchors are ordinary characters, as in Lucene."""
    expression = _in_python(lucene_expression(pattern))
    assert all(expression.fullmatch(text) for text in matching)
    assert not any(expression.fullmatch(text) for text in other)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("ab", "ba", 1), ("quick", "qiuck", 1)],
)
def test_edits_are_counted(one: str, other: str, expected: int) -> None:
    """Insertions, deletions, changes, and neighbours exchanged."""
    assert edit_distance(one, other) == edit_distance(other, one) == expected


def test_an_exchange_may_count_as_two_edits() -> None:
    """Without transpositions two neighbours exchanged are two changes."""
    assert edit_distance("ab", "ba", transpositions=False) == 2


def test_without_optional_operators_their_characters_are_ordinary() -> None:
    """``flags: NONE`` takes them literally."""
    assert _in_python(lucene_expression("a@b", all_operators=False)).fullmatch("a@b")
