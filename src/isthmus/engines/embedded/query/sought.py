"""What a query looks for in texts, told as the words that show it: what highlighting needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

WordTest: TypeAlias = Callable[[str], bool]
"""Tells whether a term of a text is one that is sought."""


@dataclass(frozen=True, slots=True)
class SoughtWord:
    """One word of what is sought. ``exact`` is the term itself where only one will do, else None.

    ``offset`` is where it stands after the first word of its phrase.
    """

    test: WordTest
    exact: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Sought:
    """A word, or a phrase of several words that stand one after the other give or take the slop."""

    path: str
    words: tuple[SoughtWord, ...]
    slop: int = 0


def exactly(term: str, offset: int = 0) -> SoughtWord:
    """Answer the word that is this term."""
    return SoughtWord(term.__eq__, term, offset)


def beginning(start: str, offset: int = 0) -> SoughtWord:
    """Answer the words that begin like this."""
    return SoughtWord(lambda term: term.startswith(start), None, offset)


def whatever_case(word: SoughtWord, *, insensitive: bool) -> SoughtWord:
    """Answer the word, or, of a test made for lower case, the words that pass in any case."""
    if not insensitive:
        return word
    return SoughtWord(lambda term: word.test(term.lower()), None, word.offset)


def like_wildcard(pattern: str) -> SoughtWord:
    """Answer the words that a wildcard pattern matches: ``*``, ``?`` and a backslash before a character.

    Matching takes at most the product of the two lengths, whatever the pattern.
    """
    parts = _wildcard_parts(pattern)
    return SoughtWord(lambda term: _matches(parts, term))


_ANY = ""  # any characters
_ONE = "?"  # any one character


def _wildcard_parts(pattern: str) -> list[tuple[bool, str]]:
    """Answer characters (literal, character): ``(False, "")`` is any run, ``(False, "?")`` any one."""
    parts: list[tuple[bool, str]] = []
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            parts.append((False, _ANY))
        elif character == "?":
            parts.append((False, _ONE))
        elif character == "\\":
            parts.append((True, next(characters, "\\")))
        else:
            parts.append((True, character))
    return parts


def _matches(parts: list[tuple[bool, str]], term: str) -> bool:
    """Match greedily, going back to the last run of any characters only."""
    at = part = 0
    run = -1  # the last run's part, and how far it reaches
    reach = 0
    while at < len(term):
        here = parts[part] if part < len(parts) else None
        if here == (False, _ANY):
            run, reach = part, at
            part += 1
        elif here is not None and (here == (False, _ONE) or here == (True, term[at])):
            part += 1
            at += 1
        elif run >= 0:
            part = run + 1
            reach += 1
            at = reach
        else:
            return False
    return all(each == (False, _ANY) for each in parts[part:])
