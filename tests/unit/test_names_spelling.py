"""What aliases and index names may look like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.names import parse_cluster_alias, parse_expand_wildcards, parse_index_name

_CHARACTERS = r"must not contain the following characters [' ','\"','*',',','/','<','>','?','\','|']".replace(
    '\\"', '"'
)

REFUSED_NAMES = [
    ("", "must not be empty"),
    ("A", "must be lowercase"),
    ("logs-Ä", "must be lowercase"),
    ("a b", _CHARACTERS),
    ("a*", _CHARACTERS),
    ("a,b", _CHARACTERS),
    ("a/b", _CHARACTERS),
    ("<a>", _CHARACTERS),
    ("a?", _CHARACTERS),
    ('a"', _CHARACTERS),
    ("a|b", _CHARACTERS),
    ("a\\b", _CHARACTERS),
    ("a#b", "must not contain '#'"),
    ("eu:logs", "must not contain ':'"),
    ("_a", "must not start with '_', '-', or '+'"),
    ("-a", "must not start with '_', '-', or '+'"),
    ("+a", "must not start with '_', '-', or '+'"),
    (".", "must not be '.' or '..'"),
    ("..", "must not be '.' or '..'"),
    ("a" * 256, "index name is too long, (256 > 255)"),
    ("ä" * 128, "index name is too long, (256 > 255)"),
    ("a\ud800", "must be valid Unicode"),
]


@pytest.mark.parametrize(("name", "problem"), REFUSED_NAMES)
def test_refuses_a_name_in_the_words_of_elasticsearch(name: str, problem: str) -> None:
    """A name that cannot be an index's is refused, and the message says what is wrong with it."""
    with pytest.raises(Failure) as caught:
        parse_index_name(name)
    assert caught.value.error_type == "invalid_index_name_exception"
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason == f"Invalid index name [{name}], {problem}"
    assert caught.value.metadata["index"] == name


@pytest.mark.parametrize(
    "name", ["a", "logs-2026.01.01", ".hidden", "a_b", "a+b", "größe", "a" * 255, "...", "0"]
)
def test_takes_a_name_that_an_index_may_have(name: str) -> None:
    """A valid name is answered as it is."""
    assert parse_index_name(name) == name


@pytest.mark.parametrize("alias", ["eu", "EU-west_1", "a", "0", "a--b"])
def test_takes_an_alias_that_a_setting_can_name(alias: str) -> None:
    """Letters, digits, dashes and underscores make an alias."""
    assert parse_cluster_alias(alias) == alias


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ("", "remote clusters must not have the empty string as its key"),
        ("a:b", "Invalid cluster alias [a:b]"),
        ("a.b", "Invalid cluster alias [a.b]"),
        ("a*", "Invalid cluster alias [a*]"),
        ("é", "Invalid cluster alias [é]"),
        ("a\n", "Invalid cluster alias [a\n]"),
        ("(local)", "Invalid cluster alias [(local)]"),
        ("-eu", "Invalid cluster alias [-eu]: must not start with '-'"),
    ],
)
def test_refuses_an_alias_that_no_expression_could_name(alias: str, reason: str) -> None:
    """An alias that would be out of reach is refused when it is made."""
    with pytest.raises(Failure) as caught:
        parse_cluster_alias(alias)
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("open", ("open",)),
        ("closed,open", ("open", "closed")),
        ("all", ("open", "closed", "hidden")),
        ("none", ()),
        ("open,none", ()),
        ("none,hidden", ("hidden",)),
        ("open,hidden,open", ("open", "hidden")),
    ],
)
def test_reads_expand_wildcards_from_left_to_right(text: str, states: tuple[str, ...]) -> None:
    """States add up, and ``none`` forgets what came before it."""
    assert parse_expand_wildcards(text) == states


@pytest.mark.parametrize("text", ["", "opened", "open,", "OPEN"])
def test_refuses_a_state_that_no_index_has(text: str) -> None:
    """An unknown state is refused by name."""
    with pytest.raises(Failure, match="No valid expand wildcard value"):
        parse_expand_wildcards(text)


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_parsing_a_name_raises_failures_only(text: str) -> None:
    """Whatever the text, the answer is the same text or a failure."""
    for parse in (parse_index_name, parse_cluster_alias):
        try:
            assert parse(text) == text
        except Failure as failure:
            assert failure.kind is FailureKind.INVALID_REQUEST  # noqa: PT017 - raising is allowed, not required
