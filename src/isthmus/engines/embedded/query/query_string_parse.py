"""Lucene's classic query syntax, read into a tree of clauses. Pure; no index is looked at.

``a b``, ``+a -b``, ``a AND (b OR NOT c)``, ``field:a``, ``"a phrase"~2``, ``a~1``, ``a*b?``, ``/regex/``,
``[a TO b}``, ``>=a``, ``a^2``, ``_exists_:field``. As upstream, AND and OR have no precedence: each
looks at the clause before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias

#: Lucene's own parser recurses too
_MAXIMUM_NESTING: Final = 25
_SPACE: Final = re.compile(r"[\s\u3000]+")
_CONJUNCTION: Final = re.compile(r"(AND|OR|&&|\|\|)(?=[\s(]|$)|(&&|\|\|)")
_NEGATION: Final = re.compile(r"NOT(?=[\s(]|$)|!")
_TERM: Final = re.compile(r"(?:\\.|[^\s\u3000+\-!(){}\[\]^\"~:\\/|&]|(?<!^)[+\-!/|&])+", re.DOTALL)
_PHRASE: Final = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_REGEX: Final = re.compile(r"/((?:\\.|[^/\\])*)/", re.DOTALL)
_RANGE: Final = re.compile(
    r'([\[{])\s*("(?:\\.|[^"\\])*"|\S+?)\s+TO\s+("(?:\\.|[^"\\])*"|[^\s\]}]+)\s*([\]}])', re.DOTALL
)
_COMPARISON: Final = re.compile(r"(>=|<=|>|<)\s*")
_BOOST: Final = re.compile(r"\^(\d+(?:\.\d+)?)")
_FUZZ: Final = re.compile(r"~(\d+(?:\.\d+)?)?")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


class Kind(Enum):
    """What a leaf looks for."""

    WORDS = "words"
    PHRASE = "phrase"
    WILDCARD = "wildcard"
    REGEX = "regex"
    FUZZY = "fuzzy"
    RANGE = "range"
    EXISTS = "exists"
    EVERYTHING = "everything"


class Occurrence(Enum):
    """How a clause takes part in its group."""

    MUST = "must"
    SHOULD = "should"
    MUST_NOT = "must_not"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition. ``field`` None is the default fields; bounds belong to ranges (None is open)."""

    kind: Kind
    text: str = ""
    field: str | None = None
    number: str | None = None
    lower: str | None = None
    upper: str | None = None
    include_lower: bool = True
    include_upper: bool = True
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Group:
    """Clauses together, each with how it takes part."""

    clauses: tuple[tuple[Occurrence, Node], ...]
    boost: float = 1.0


Node: TypeAlias = Leaf | Group


class QuerySyntaxError(ValueError):
    """The text is not in the syntax; its argument says what is wrong where."""


def parse_query_string(text: str, *, all_required: bool = False) -> Group:
    """Read a whole text. ``all_required``: clauses without an operator between them must all match.

    Raises QuerySyntaxError.
    """
    parser = _Parser(text, all_required=all_required)
    group = parser.group(None, 0)
    if not parser.is_at_end:
        raise QuerySyntaxError(f"unexpected [{parser.rest[:20]}] at position {parser.position}")
    return group


def unescaped(text: str) -> str:
    """Answer a text without its escapes."""
    return _ESCAPE.sub(r"\1", text)


class _Parser:
    """A position in the text, moving on."""

    def __init__(self, text: str, *, all_required: bool) -> None:
        self._text = text
        self._all_required = all_required
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        return self.position >= len(self._text)

    @property
    def rest(self) -> str:
        return self._text[self.position :]

    def _take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self._text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def _next_is(self, character: str) -> bool:
        return self._text.startswith(character, self.position)

    def group(self, field: str | None, depth: int) -> Group:
        """Read clauses up to the end or a closing bracket."""
        if depth > _MAXIMUM_NESTING:
            raise QuerySyntaxError("the query is nested too deeply")
        clauses: list[tuple[Occurrence, Node]] = []
        while True:
            self._take(_SPACE)
            if self.is_at_end or self._next_is(")"):
                return Group(tuple(clauses))
            conjunction = self._take(_CONJUNCTION)
            word = {"&&": "AND", "||": "OR"}.get(conjunction[0], conjunction[0]) if conjunction else None
            if conjunction:
                if not clauses:
                    raise QuerySyntaxError(f"[{conjunction[0]}] has nothing before it")
                self._take(_SPACE)
            sign = self._sign()
            self._take(_SPACE)
            self._add(clauses, word, sign, self._clause(field, depth))

    def _sign(self) -> str | None:
        if self._take(_NEGATION):
            return "-"
        if self._next_is("+") or self._next_is("-"):
            self.position += 1
            return self._text[self.position - 1]
        return None

    def _add(
        self, clauses: list[tuple[Occurrence, Node]], word: str | None, sign: str | None, node: Node
    ) -> None:
        """Add a clause as Lucene's classic parser does, changing how the one before takes part."""
        if clauses and clauses[-1][0] is not Occurrence.MUST_NOT:
            if word == "AND":
                clauses[-1] = (Occurrence.MUST, clauses[-1][1])
            elif word == "OR" and self._all_required:
                clauses[-1] = (Occurrence.SHOULD, clauses[-1][1])
        if sign == "-":
            occurrence = Occurrence.MUST_NOT
        elif sign == "+" or word == "AND" or (self._all_required and word != "OR"):
            occurrence = Occurrence.MUST
        else:
            occurrence = Occurrence.SHOULD
        clauses.append((occurrence, node))

    def _clause(self, field: str | None, depth: int) -> Node:
        start = self.position
        if self._next_is("*:*"):
            self.position += 3
            return self._boosted(Leaf(Kind.EVERYTHING))
        name = self._take(_TERM)
        if name is not None and self._next_is(":"):
            self.position += 1
            self._take(_SPACE)
            return self._value(unescaped(name[0]), depth)
        self.position = start
        return self._value(field, depth)

    def _value(self, field: str | None, depth: int) -> Node:
        if self._next_is("("):
            self.position += 1
            group = self.group(field, depth + 1)
            if not self._next_is(")"):
                raise QuerySyntaxError("a bracket is not closed")
            self.position += 1
            return self._boosted(group)
        if field == "_exists_":
            named = self._take(_TERM)
            if named is None:
                raise QuerySyntaxError("[_exists_] takes the name of a field")
            return self._boosted(Leaf(Kind.EXISTS, unescaped(named[0])))
        return self._boosted(self._leaf(field))

    def _leaf(self, field: str | None) -> Leaf:
        phrase = self._take(_PHRASE)
        if phrase is not None:
            slop = self._take(_FUZZ)
            return Leaf(Kind.PHRASE, unescaped(phrase[1]), field, slop[1] if slop else None)
        regex = self._take(_REGEX)
        if regex is not None:
            return Leaf(Kind.REGEX, regex[1].replace("\\/", "/"), field)
        between = self._take(_RANGE)
        if between is not None:
            return Leaf(
                Kind.RANGE,
                field=field,
                lower=_bound(between[2]),
                upper=_bound(between[3]),
                include_lower=between[1] == "[",
                include_upper=between[4] == "]",
            )
        comparison = self._take(_COMPARISON)
        if comparison is not None:
            return self._compared(field, comparison[1])
        return self._words(field)

    def _compared(self, field: str | None, sign: str) -> Leaf:
        taken = self._take(_PHRASE) or self._take(_TERM)
        if taken is None:
            raise QuerySyntaxError(f"[{sign}] takes a value")
        value = _bound(taken[0])
        if sign.startswith(">"):
            return Leaf(Kind.RANGE, field=field, lower=value, include_lower=sign == ">=")
        return Leaf(Kind.RANGE, field=field, upper=value, include_upper=sign == "<=")

    def _words(self, field: str | None) -> Leaf:
        term = self._take(_TERM)
        if term is None:
            raise QuerySyntaxError(f"unexpected [{self.rest[:20]}] at position {self.position}")
        raw = term[0]
        if re.search(r"(?<!\\)(?:\\\\)*[*?]", raw):
            if raw == "*":
                return Leaf(Kind.EVERYTHING) if field is None else Leaf(Kind.EXISTS, field)
            return Leaf(Kind.WILDCARD, raw, field)
        fuzz = self._take(_FUZZ)
        if fuzz is not None:
            return Leaf(Kind.FUZZY, unescaped(raw), field, fuzz[1])
        return Leaf(Kind.WORDS, unescaped(raw), field)

    def _boosted(self, node: Node) -> Node:
        boost = self._take(_BOOST)
        return node if boost is None else replace(node, boost=float(boost[1]))


def _bound(text: str) -> str | None:
    if text == "*":
        return None
    return unescaped(text[1:-1] if text.startswith('"') and text.endswith('"') else text)
