"""What is shown of the hits of one index besides their sources: the sections of :class:`Hit`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import tantivy
from tantivy import Occur, Query

from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.explain import Explainer
from isthmus.engines.embedded.fetch_fields import (
    Shown,
    doc_values_to_show,
    fields_to_show,
    in_column_order,
    leaves_of,
    stored_to_show,
    unmapped_values,
)
from isthmus.engines.embedded.highlighting.highlighter import Highlighter
from isthmus.engines.embedded.query.compiled import Compiled, Extent
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.source_filter import SourceFilter, VisibleFields, read_source, shown_source
from isthmus.engines.embedded.store_records import SourceRow
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import FetchRequest, Json

_EVERYTHING = SourceFilter()


@dataclass(frozen=True, slots=True)
class FetchedIndex:
    """One index as hits are fetched from it for one caller.

    ``asked`` is the caller's query without what limits it, ``query`` the same in JSON. ``named`` are the
    clauses that have a name. ``sees_everything`` says that no document is hidden from the caller.
    ``rescorers`` are the queries that changed the scores of the best hits.
    """

    snapshot: Snapshot
    context: QueryContext
    visible: VisibleFields
    query: Json
    asked: Compiled
    named: dict[str, Compiled]
    sees_everything: bool
    rescorers: tuple[Compiled, ...] = ()


class Fetcher:
    """Makes the sections of an index's hits.

    Making one raises the 400 failures of what this index cannot show.
    """

    def __init__(self, fetched: FetchedIndex, request: FetchRequest, check: Callable[[], None]) -> None:
        self._fetched = fetched
        self._request = request
        self._check = check
        snapshot = fetched.snapshot
        mapping, visible = snapshot.mapping, fetched.visible
        if not mapping.source_enabled:
            _require_nothing_of_the_source(request, snapshot.name)
        self._fields = fields_to_show(request.fields, mapping, visible)
        self._doc_values = doc_values_to_show(
            request.docvalue_fields, mapping, visible, snapshot.settings.max_docvalue_fields
        )
        self._stored = stored_to_show(request.stored_fields, mapping, visible)
        if self._stored and not mapping.source_enabled:
            raise _needs_the_source("stored_fields", snapshot.name)
        self._highlighter = (
            Highlighter(request.highlight, fetched.query, fetched.context) if request.highlight else None
        )
        self._completions = frozenset(
            [path for path, field in mapping.fields.items() if field.type == "completion"]
        )
        self._unmapped = tuple(each for each in request.fields if each.include_unmapped)
        self._explainer = (
            Explainer(
                (fetched.asked, *fetched.rescorers),
                snapshot.searcher,
                snapshot.columns,
                counts_hidden=not fetched.sees_everything,
            )
            if request.explain
            else None
        )

    def sections(
        self,
        addresses: Sequence[tantivy.DocAddress],
        documents: Sequence[SourceRow],
        scores: Sequence[float | None],
    ) -> list[dict[str, bytes] | None]:
        """Answer the sections of some documents, in their order; None where there is nothing to show."""
        matched = self._matched_queries(documents)
        reads_source = self._fetched.snapshot.mapping.source_enabled and (
            self._fields or self._doc_values or self._stored or self._highlighter or self._unmapped
        )
        answered: list[dict[str, bytes] | None] = []
        for address, document, score in zip(addresses, documents, scores, strict=True):
            self._check()
            sections: dict[str, bytes] = {}
            if reads_source:
                self._read_source(document, sections)
            names = matched.get(document.seq_no)
            if names:
                sections["matched_queries"] = orjson.dumps(names)
            if self._explainer is not None:
                sections["_explanation"] = orjson.dumps(self._explainer.explain(address, score))
            answered.append(sections or None)
        return answered

    def _read_source(self, document: SourceRow, sections: dict[str, bytes]) -> None:
        visible = self._fetched.visible
        whole = leaves_of(read_source(document.source), self._completions)
        # a multi-field may be visible whose parent is not: values of columns are read from everything
        seen = (
            whole
            if visible.are_all
            else leaves_of(
                read_source(shown_source(document.source, _EVERYTHING, visible)), self._completions
            )
        )
        fields: dict[str, list[Json]] = {}
        for shown in self._doc_values:
            _add(fields, shown, in_column_order(shown.field, shown.values(whole)))
        for shown in self._stored:
            _add(fields, shown, shown.values(whole))
        for shown in self._fields:
            fields.pop(shown.field.path, None)
            _add(fields, shown, shown.values(seen))
        if self._unmapped:
            mapping = self._fetched.snapshot.mapping
            fields |= unmapped_values(self._unmapped, mapping, visible, seen)
        if fields:
            sections["fields"] = _dumped(fields)
        if self._highlighter is not None:
            highlight = self._highlighter.section(document.id, seen)
            if highlight is not None:
                sections["highlight"] = highlight

    def _matched_queries(self, documents: Sequence[SourceRow]) -> dict[int, list[str]]:
        """Answer which named clauses match which documents, by sequence number."""
        matched: dict[int, list[str]] = {}
        numbers = [document.seq_no for document in documents]
        for name, clause in self._fetched.named.items():
            for number in _matching(clause, numbers, self._fetched):
                matched.setdefault(number, []).append(name)
        return matched


def _require_nothing_of_the_source(request: FetchRequest, index: str) -> None:
    """Raise a 400 failure for what would have to be read from a source that is not kept."""
    for name, asked in (
        ("fields", request.fields),
        ("docvalue_fields", request.docvalue_fields),
        ("highlight", request.highlight),
    ):
        if asked:
            raise _needs_the_source(name, index)


def _needs_the_source(name: str, index: str) -> Failure:
    return illegal_argument(
        f"Unable to retrieve the requested [{name}] since _source is disabled in the mappings "
        f"for index [{index}]"
    )


def _matching(clause: Compiled, numbers: Sequence[int], fetched: FetchedIndex) -> Sequence[int]:
    if clause.extent is Extent.NOTHING or not numbers:
        return ()
    if clause.extent is Extent.EVERYTHING:
        return numbers
    chosen = Query.term_set_query(fetched.context.schema, SEQUENCE_COLUMN, list(numbers))
    both = Query.boolean_query([(Occur.Must, chosen), (Occur.Must, clause.query)])
    found = fetched.snapshot.searcher.search(
        both, limit=len(numbers), count=False, order_by_field=SEQUENCE_COLUMN
    )
    return [int(number) for number, _ in found.hits]


def _add(fields: dict[str, list[Json]], shown: Shown, values: Sequence[Any]) -> None:
    if values:
        fields[shown.field.path] = [shown.write(value) for value in values]


def _dumped(value: Json) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
