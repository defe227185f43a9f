"""Ranges over the terms of a text column, exact for every character.

The library's query language has ranges over text, yet no way to write a bound that holds a space
or a bracket; such a bound becomes a regular expression. Terms are ordered by code point. The
expression looks at the first sixteen characters of a bound only (the library limits an
expression's depth and states); what agrees with the bound that far is enumerated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tantivy import Query

from isthmus.engines.embedded.query.compiled import Compiled, any_of, constant, everything, nothing
from isthmus.engines.embedded.query.context import QueryContext

_PREFIX_LENGTH: Final = 16
_MAXIMUM_ENUMERATED: Final = 65_536
_HIGHEST: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xDFFF)
_SAFE: Final = frozenset("._:@-")
_OPERATORS: Final = frozenset({"AND", "IN", "NOT", "OR", "TO"})
ANY_CHARACTER: Final = "(?s:.)"


@dataclass(frozen=True, slots=True)
class TextRange:
    """A range of terms; a bound of None is open."""

    lower: str | None = None
    upper: str | None = None
    include_lower: bool = True
    include_upper: bool = True

    def holds(self, term: str) -> bool:
        """Tell whether a term lies within. Python, too, orders text by code point."""
        if self.lower is not None and not (term >= self.lower if self.include_lower else term > self.lower):
            return False
        return self.upper is None or (term <= self.upper if self.include_upper else term < self.upper)


def text_range(context: QueryContext, column: str, wanted: TextRange, *, is_raw: bool) -> Compiled:
    """Answer the documents with a term in the range. ``is_raw``: the column is fast and not analysed."""
    if wanted.lower is None and wanted.upper is None:
        return everything()
    if is_raw and context.index is not None and _is_writable(wanted.lower) and _is_writable(wanted.upper):
        return constant(context.index.parse_query(f"{column}:{_written(wanted)}"))
    parts = []
    pattern = range_expression(wanted)
    if pattern is not None:
        parts.append(constant(Query.regex_query(context.schema, column, pattern)))
    parts.extend(
        _enumerated(context, column, wanted, bound[:_PREFIX_LENGTH])
        for bound in {wanted.lower, wanted.upper}
        if bound is not None and len(bound) > _PREFIX_LENGTH
    )
    return any_of(parts)


def _is_writable(bound: str | None) -> bool:
    """Tell whether the library's query language is sure to take this bound as it is."""
    return bound is None or (
        bound[:1].isalnum()
        and bound not in _OPERATORS
        and all(character.isalnum() or character in _SAFE for character in bound)
    )


def _written(wanted: TextRange) -> str:
    opening = "[" if wanted.include_lower or wanted.lower is None else "{"
    closing = "]" if wanted.include_upper or wanted.upper is None else "}"
    lower = "*" if wanted.lower is None else wanted.lower
    upper = "*" if wanted.upper is None else wanted.upper
    return f"{opening}{lower} TO {upper}{closing}"


def _enumerated(context: QueryContext, column: str, wanted: TextRange, prefix: str) -> Compiled:
    if context.searcher is None:
        return nothing()
    terms = context.searcher.terms_with_prefix(column, prefix, limit=_MAXIMUM_ENUMERATED + 1)
    if len(terms) > _MAXIMUM_ENUMERATED:
        raise context.failed_to_create(
            f"more than {_MAXIMUM_ENUMERATED} terms agree with the range's bound in its first "
            f"{_PREFIX_LENGTH} characters"
        )
    within = [term for term, _ in terms if wanted.holds(term)]
    if not within:
        return nothing()
    return constant(Query.term_set_query(context.schema, column, within))


def range_expression(wanted: TextRange) -> str | None:
    """Answer the regular expression for the terms in a range, or None where there are none.

    Terms that begin with the first sixteen characters of a longer bound are left out.
    """
    lower, upper = wanted.lower, wanted.upper
    above = _Bound(lower or "", include=wanted.include_lower or lower is None)
    if upper is None:
        return _from(above)
    below = _Bound(upper, include=wanted.include_upper)
    return _between(above, below)


@dataclass(frozen=True, slots=True)
class _Bound:
    """One end of a range, cut to the length that an expression looks at."""

    text: str
    include: bool
    position: int = 0

    @property
    def is_cut(self) -> bool:
        """Tell whether everything that continues from here is enumerated elsewhere."""
        return self.position == _PREFIX_LENGTH and len(self.text) > _PREFIX_LENGTH

    @property
    def is_at_end(self) -> bool:
        return self.position == len(self.text)

    @property
    def code(self) -> int:
        return ord(self.text[self.position])

    def next(self) -> _Bound:
        return _Bound(self.text, self.include, self.position + 1)


def _from(bound: _Bound) -> str | None:
    """Answer the continuations that are at or above what is left of a bound."""
    if bound.is_cut:
        return None
    if bound.is_at_end:
        return f"{ANY_CHARACTER}*" if bound.include else f"{ANY_CHARACTER}+"
    return _either(_then(bound.code, _from(bound.next())), _then_anything(bound.code + 1, _HIGHEST))


def _to(bound: _Bound) -> str | None:
    """Answer the continuations that are at or below what is left of a bound."""
    if bound.is_cut:
        return None
    if bound.is_at_end:
        return "" if bound.include else None
    return _either("", _then(bound.code, _to(bound.next())), _then_anything(0, bound.code - 1))


def _between(above: _Bound, below: _Bound) -> str | None:
    """Answer the continuations between what is left of two bounds that agreed so far."""
    if above.is_cut or below.is_cut:
        return None
    if above.is_at_end:
        upward = _to(below)
        if upward is None or above.include:
            return upward
        # the empty continuation is the lower bound itself, which is excluded
        if below.is_at_end:
            return None
        return _either(_then(below.code, _to(below.next())), _then_anything(0, below.code - 1))
    if below.is_at_end or above.code > below.code:
        return None
    if above.code == below.code:
        return _then(above.code, _between(above.next(), below.next()))
    return _either(
        _then(above.code, _from(above.next())),
        _then_anything(above.code + 1, below.code - 1),
        _then(below.code, _to(below.next())),
    )


def _either(*choices: str | None) -> str | None:
    possible = [choice for choice in choices if choice is not None]
    if not possible:
        return None
    return f"(?:{'|'.join(possible)})"


def _then(code: int, continuation: str | None) -> str | None:
    return None if continuation is None else f"\\x{{{code:X}}}{continuation}"


def _then_anything(lowest: int, highest: int) -> str | None:
    """Answer one character of a range of code points, then anything. Surrogates are no characters."""
    below = (lowest, min(highest, _SURROGATES[0] - 1))
    above = (max(lowest, _SURROGATES[1] + 1), highest)
    ranges = "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in (below, above) if low <= high)
    return f"[{ranges}]{ANY_CHARACTER}*" if ranges else None


def literal(text: str) -> str:
    """Answer the regular expression that matches just this text."""
    return "".join(
        character if character.isalnum() and character.isascii() else f"\\x{{{ord(character):X}}}"
        for character in text
    )
