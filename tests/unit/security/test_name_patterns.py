"""Name patterns of roles: wildcards and Lucene's regular expressions."""

from __future__ import annotations

import re
import time
from fnmatch import translate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.security.patterns import covers, matcher, matcher_of_any, may_overlap


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("logs", "logs", True),
        ("logs", "Logs", False),
        ("logs", "logs-1", False),
        ("logs-*", "logs-", True),
        ("logs-*", "logs-2024", True),
        ("logs-*", "xlogs-1", False),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("l?gs", "logs", True),
        ("l?gs", "lgs", False),
        ("*-a-*-b", "x-a-y-b", True),
        ("*-a-*-b", "x-a-b", False),
        ("*a*a", "aa", True),
        ("*a*a", "a", False),
        ("a[b]", "a[b]", True),
        ("a.b", "axb", False),
        ("a\nb*", "a\nbc", True),
        ("/logs-[0-9]+/", "logs-12", True),
        ("/logs-[0-9]+/", "logs-", False),
        ("/a|bc/", "bc", True),
        ("/a|bc/", "abc", False),
        ("/[^.].*/", "logs", True),
        ("/[^.].*/", ".logs", False),
        ("/a.c/", "abc", True),
        ("/a{2,3}/", "aa", True),
        ("/a{2,3}/", "aaaa", False),
        ("/a{2}/", "aa", True),
        ("/a{2}/", "aaa", False),
        ("/a{2,}/", "aaaaa", True),
        ("/a{2,}/", "a", False),
        ("/a{0}b/", "b", True),
        ("/(ab){2}c?/", "abab", True),
        ("/(ab){2}c?/", "ababc", True),
        ("/()a/", "a", True),
        ("/a@/", "a anything", True),
        ("/#|a/", "a", True),
        ("/#/", "", False),
        ('/"a.b"c/', "a.bc", True),
        ('/"a.b"c/', "axbc", False),
        (r"/a\.b/", "a.b", True),
        (r"/a\.b/", "axb", False),
        (r"/\d+\w\s/", "12_ ", True),
        (r"/\D/", "a", True),
        (r"/[\d-]+/", "1-2", True),
        ("/[a-c-]+/", "a-c", True),
        ("/^a$/", "^a$", True),
        ("/^a$/", "a", False),
        ("/", "/", True),
        ("//", "", True),
    ],
)
def test_a_pattern_matches_whole_names(pattern: str, name: str, expected: bool) -> None:
    """Each kind of pattern matches as Elasticsearch's does."""
    assert matcher(pattern)(name) is expected
    assert matcher_of_any(("nothing-else", pattern))(name) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        ")",
        "a)",
        "[",
        "[]",
        "[b-a]",
        "*",
        "a{",
        "a{x}",
        "a{3,2}",
        "~a",
        "a&b",
        "<1-5>",
        "\\",
        '"a',
        "a{9999}",
    ],
)
def test_an_unusable_expression_is_refused_by_name(expression: str) -> None:
    """The failure is a 400 that shows the expression."""
    with pytest.raises(Failure) as caught:
        matcher(f"/{expression}/")
    assert caught.value.error_type == "illegal_argument_exception"
    assert f"/{expression}/" in caught.value.reason


@pytest.mark.parametrize("expression", ["(((a{50}){50}){50})", "(" * 500 + ")" * 500, "a{999999999}"])
def test_an_expression_cannot_take_much_memory(expression: str) -> None:
    """Repetitions of repetitions and deep nesting are refused instead of built."""
    start = time.monotonic()
    with pytest.raises(Failure, match=r"states|deeper"):
        matcher(f"/{expression}/")
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("pattern", ["/(a*)*b/", "/(a|a)*b/", "/(a|aa)+$/", "*a" * 60 + "b", "a*" * 60 + "b"])
def test_no_pattern_can_stall_a_node(pattern: str) -> None:
    """Patterns that make backtracking engines hang are answered at once."""
    matches = matcher(pattern)
    start = time.monotonic()
    assert matches("a" * 255) is False
    assert time.monotonic() - start < 1


_WILDCARDS = st.text(alphabet="ab*?", max_size=6)
_NAMES = st.text(alphabet="ab", max_size=6)


@settings(max_examples=300, deadline=None)
@given(_WILDCARDS, _NAMES)
def test_wildcards_match_as_a_simple_translation_does(pattern: str, name: str) -> None:
    """The linear matcher agrees with the standard library's."""
    assert matcher(pattern)(name) is (re.match(translate(pattern), name) is not None)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab|()*", max_size=8), _NAMES)
def test_regular_expressions_match_as_python_does(expression: str, name: str) -> None:
    """On the common ground the automaton agrees with Python's engine; what it refuses Python may take."""
    try:
        expected = re.fullmatch(expression, name) is not None
        actual = matcher(f"/{expression}/")(name)
    except (re.error, Failure):
        return
    assert actual is expected


@settings(max_examples=400, deadline=None)
@given(_WILDCARDS, _WILDCARDS, _NAMES)
def test_covering_and_overlapping_are_sound(first: str, second: str, name: str) -> None:
    """What covers matches everything that is covered; what a name matches twice overlaps."""
    if covers(first, second) and matcher(second)(name):
        assert matcher(first)(name)
    if matcher(first)(name) and matcher(second)(name):
        assert may_overlap(first, second)


@pytest.mark.parametrize(
    ("wider", "narrower", "expected"),
    [
        ("*", "/a.*/", True),
        ("logs-*", "logs-2024-*", True),
        ("logs-*", "logs*", False),
        ("/a.*/", "/a.*/", True),
        ("/a.*/", "abc", True),
        ("/a.*/", "a*", False),
        ("a?", "a*", False),
        ("a*", "a?", True),
    ],
)
def test_covering(wider: str, narrower: str, expected: bool) -> None:
    """A pattern covers another only when that is sure."""
    assert covers(wider, narrower) is expected
