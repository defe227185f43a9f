"""The values of a field that begin with a text, in their order: what ``_terms_enum`` answers. Pure.

It is a search without hits: the values are found as a ``terms`` aggregation finds them, in every cluster, and
so are within what the caller may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject, SearchRequest
from isthmus.search.merge import SearchAnswer
from isthmus.search.progress import is_partial

_NAME: Final = "terms"
#: how much more is asked for where a page holds values that were seen
_GROWTH: Final = 4
#: more values than that are not gone through for one page
MOST_VALUES: Final = 50_000


@dataclass(frozen=True, slots=True)
class TermsQuestion:
    """Which values are asked for. ``after`` None: from the first one on."""

    field: str
    prefix: str = ""
    size: int = 10
    ignore_case: bool = False
    after: str | None = None
    index_filter: Json = None
    timeout_milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class FoundTerms:
    """The values, and whether they are all that were asked for."""

    terms: tuple[str, ...]
    complete: bool


def terms_request(question: TermsQuestion, values: int) -> SearchRequest:
    """Answer the search that finds this many values."""
    terms: JsonObject = {"field": question.field, "size": values, "order": {"_key": "asc"}}
    if question.prefix:
        terms["include"] = f"{_pattern(question.prefix, ignore_case=question.ignore_case)}.*"
    filters: list[JsonObject] = []
    if question.index_filter is not None:
        filters.append(question.index_filter)
    if question.after is not None:
        filters.append({"range": {question.field: {"gt": question.after}}})
    return SearchRequest(
        query={"bool": {"filter": filters}} if filters else None,
        size=0,
        track_total_hits=False,
        aggregations={_NAME: {"terms": terms}},
        timeout_milliseconds=question.timeout_milliseconds,
    )


def found_terms(question: TermsQuestion, answer: SearchAnswer, values: int) -> FoundTerms | int:
    """Answer the values, or of how many to ask instead: a document with several has some that come before.

    Raises a 400 failure for a field whose values are no text.
    """
    buckets: Sequence[Any] = answer.result.aggregations.get(_NAME, {}).get("buckets", ())
    keys = [bucket["key"] for bucket in buckets]
    if not all(isinstance(key, str) for key in keys):
        raise illegal_argument(
            f"[_terms_enum] of field [{question.field}] is not supported: its values are no text"
        )
    fresh = keys if question.after is None else [key for key in keys if key > question.after]
    whole = not is_partial(answer)
    if len(fresh) >= question.size or len(keys) < values:
        return FoundTerms(tuple(fresh[: question.size]), whole)
    if values >= MOST_VALUES:
        return FoundTerms(tuple(fresh), complete=False)
    return min(values * _GROWTH, MOST_VALUES)


def _pattern(prefix: str, *, ignore_case: bool) -> str:
    """Answer a regular expression, in Lucene's syntax, for just this text."""
    return "".join(_letter(letter, ignore_case=ignore_case) for letter in prefix)


def _letter(letter: str, *, ignore_case: bool) -> str:
    if letter.isalnum():
        cases = {letter.lower(), letter.upper()} if ignore_case else {letter}
        # A letter whose other case is more than one letter (ß) is only itself.
        single = sorted(case for case in cases if len(case) == 1) or [letter]
        return single[0] if len(single) == 1 else f"[{''.join(single)}]"
    return letter if letter.isspace() or ord(letter) > 127 else f"\\{letter}"  # noqa: PLR2004 - ASCII
