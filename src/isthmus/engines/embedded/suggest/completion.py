"""The ``completion`` suggester: the heaviest inputs of a field that begin as a text does, one a document.

What begins alike, and how fuzzy matches are rated, follows Lucene's completion queries: a prefix scores the
weight of the input, a fuzzy one its weight times the number of bytes that the two have in common. Inputs of
a field are gone through term by term; documents are looked up for the best of them only.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from tantivy import DocAddress, Occur, Order, Query

from isthmus.engines.embedded.columns import ID_COLUMN, SEQUENCE_COLUMN
from isthmus.engines.embedded.completion_terms import RESERVED, CompletionForms, completion_of
from isthmus.engines.embedded.document import DocumentParser
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.engines.embedded.query.compiled import Extent
from isthmus.engines.embedded.searching_index import SearchedIndex
from isthmus.engines.embedded.sorting_numbers import as_single, shortest_single
from isthmus.engines.embedded.source_filter import parse_source_filter, shown_source
from isthmus.engines.embedded.store_records import SourceRow
from isthmus.engines.embedded.suggest.fuzzy_prefix import FuzzyPrefix
from isthmus.errors import illegal_argument
from isthmus.exchange import CompletionSuggester, Json
from isthmus.search.suggestions import as_entry

#: inputs of one index that are gone through
_MOST_TERMS: Final = 200_000
_TERMS_BETWEEN_CHECKS: Final = 10_000
#: documents with the same input that are looked up at once
_PAGE: Final = 50


class _Match(NamedTuple):
    """One input that begins as the text does; they are in the order in which they are suggested."""

    descending_score: float
    text: str
    term: str

    @property
    def rank(self) -> tuple[float, str]:
        """Answer what it is suggested by; documents of the same rank are in the order of their ids."""
        return self.descending_score, self.text


@dataclass(frozen=True, slots=True)
class CompletingIndex:
    """One index as it is completed from; ``source`` says what of a document is shown."""

    searched: SearchedIndex
    source: Json
    check: Callable[[], None]


def suggest_completions(index: CompletingIndex, suggester: CompletionSuggester) -> list[dict[str, Any]]:
    """Answer the one entry of the text, with at most ``size`` options, the best first.

    Only documents that the caller may see are suggested. Raises a 400 failure for a field that the index does
    not have, which is what a hidden one is, or that completes nothing.
    """
    return [as_entry(suggester.prefix, _Completer(index, suggester).options())]


class _Completer:
    """One run of :func:`suggest_completions`."""

    def __init__(self, index: CompletingIndex, suggester: CompletionSuggester) -> None:
        self._index = index
        self._suggester = suggester
        self._searched = index.searched
        snapshot = index.searched.snapshot
        self._snapshot = snapshot
        self._field = self._mapped(suggester.field)
        columns = snapshot.columns.get(suggester.field)
        self._column = "" if columns is None else columns.main
        self._parser = DocumentParser(snapshot.mapping, analyzers=snapshot.analyzers)
        filters = parse_source_filter(index.source)
        self._wanted = filters if snapshot.mapping.source_enabled else None

    def _mapped(self, path: str) -> FieldMapping:
        field = self._snapshot.mapping.field(path)
        if field is None or not self._searched.visible(path):
            raise illegal_argument(f"no mapping found for field [{path[:200]}]")
        if field.type != "completion":
            raise illegal_argument(f"Field [{path[:200]}] is not a completion suggest field")
        return field

    def options(self) -> list[dict[str, Any]]:
        """Answer the best options."""
        suggester = self._suggester
        matches = self._matches()
        waiting = list(matches.values())
        heapq.heapify(waiting)
        options: list[dict[str, Any]] = []
        while waiting and len(options) < suggester.size:
            match = heapq.heappop(waiting)
            # Weights may differ and score alike (a fuzzy match counts no weight as one): those are equals.
            equals = [match]
            while waiting and waiting[0].rank == match.rank:
                equals.append(heapq.heappop(waiting))
            if suggester.skip_duplicates and any(option["text"] == match.text for option in options):
                continue
            for found, document in heapq.merge(*map(self._found, equals), key=lambda pair: pair[1].id):
                if self._best_of(document, matches) != found:
                    continue
                options.append(self._option(found, document))
                if suggester.skip_duplicates or len(options) == suggester.size:
                    break
        return options

    def _found(self, match: _Match) -> Iterator[tuple[_Match, SourceRow]]:
        """Yield the documents with an input, in the order of their ids."""
        for document in self._documents(match.term):
            yield match, document

    def _matches(self) -> dict[str, _Match]:
        """Answer each input that begins as the text does, by its term."""
        text = self._suggester.prefix
        analyzer = self._suggester.analyzer or self._field.search_analyzer
        analyzers = self._snapshot.analyzers
        if analyzer not in analyzers:
            raise illegal_argument(f"analyzer [{analyzer[:100]}] doesn't exists")
        form = "" if RESERVED & set(text) else CompletionForms(self._field, analyzers, analyzer).of(text)
        if not form or not self._column or self._searched.limits.extent is Extent.NOTHING:
            return {}
        if self._suggester.fuzzy is None:
            exact: dict[str, _Match] = {}
            for term in self._terms(form):
                _, weight, text = completion_of(term)
                exact[term] = _Match(-as_single(weight), text, term)
            return exact
        near = FuzzyPrefix.of(form, self._suggester.fuzzy)
        common_with = cache(near.common_with)
        matches: dict[str, _Match] = {}
        for term in self._terms(near.exact):
            completed, weight, text = completion_of(term)
            common = common_with(completed[: near.longest])
            if common is not None:
                score = as_single(max(weight, 1) * common if common else weight)
                matches[term] = _Match(-score, text, term)
        return matches

    def _terms(self, prefix: str) -> Iterator[str]:
        found = self._snapshot.searcher.terms_with_prefix(self._column, prefix, limit=_MOST_TERMS + 1)
        if len(found) > _MOST_TERMS:
            raise illegal_argument(
                f"more than [{_MOST_TERMS}] inputs of field [{self._suggester.field}] begin like "
                f"[{self._suggester.prefix[:100]}]: a longer text makes them fewer"
            )
        for number, (term, _) in enumerate(found):
            if number % _TERMS_BETWEEN_CHECKS == 0:
                self._index.check()
            yield term

    def _documents(self, term: str) -> Iterator[SourceRow]:
        """Yield the documents with a term that the caller may see, in the order of their ids."""
        query = Query.term_query(self._searched.context.schema, self._column, term, index_option="basic")
        limits = self._searched.limits
        if limits.extent is not Extent.EVERYTHING:
            query = Query.boolean_query([(Occur.Must, query), (Occur.Must, limits.query)])
        searcher = self._snapshot.searcher
        offset = 0
        while True:
            self._index.check()
            found = searcher.search(
                query,
                limit=_PAGE,
                count=False,
                order_by_field=ID_COLUMN,
                offset=offset,
                order=Order.Asc,
            )
            addresses: list[DocAddress] = [address for _, address in found.hits]
            numbers = searcher.fast_field_values(SEQUENCE_COLUMN, addresses)
            yield from self._snapshot.source_by_seq([int(number or 0) for number in numbers])
            if len(addresses) < _PAGE:
                return
            offset += _PAGE

    def _best_of(self, document: SourceRow, matches: dict[str, _Match]) -> _Match | None:
        """Answer the input by which a document is suggested: it has one option, however many inputs."""
        terms = self._parser.parse(document.id, document.source).values.get(self._suggester.field, ())
        return min((matches[term] for term in map(str, terms) if term in matches), default=None)

    def _option(self, match: _Match, document: SourceRow) -> dict[str, Any]:
        option: dict[str, Any] = {
            "text": match.text,
            "_index": str(self._snapshot.name),
            "_id": document.id,
            "_score": shortest_single(as_single(-match.descending_score)),
        }
        if self._wanted is not None:
            option["_source"] = shown_source(document.source, self._wanted, self._searched.visible)
        return option
