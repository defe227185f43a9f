"""Highlighting the hits of one index: which fields, what is sought in each, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from isthmus.engines.embedded.fetch_fields import field_values, mapped_fields
from isthmus.engines.embedded.highlighting.boundaries import sentences, words
from isthmus.engines.embedded.highlighting.fragments import Fragment, fragments_of, good_end
from isthmus.engines.embedded.highlighting.occurrences import Finder, Occurrence, PlacedToken
from isthmus.engines.embedded.highlighting.passages import (
    MarkedValue,
    beginning_of,
    best,
    passages_of,
    whole_values,
)
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.engines.embedded.query.compiler import compile_query
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.sought import Sought
from isthmus.errors import illegal_argument
from isthmus.exchange import HighlightField, Json

_HTML: Final = str.maketrans(
    {'"': "&quot;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#x27;", "/": "&#x2F;"}
)


def what_is_sought(query: Json, context: QueryContext) -> list[Sought]:
    """Answer what a query looks for in the texts of one index, as far as the caller may see them.

    What it must not find is left out. Raises the failures of compiling the query.
    """
    sought: list[Sought] = []
    compile_query({"match_all": {}} if query is None else query, replace(context, sought=sought, named={}))
    return sought


@dataclass(frozen=True, slots=True)
class _FieldPlan:
    """One field to highlight: how, and what is sought in it."""

    field: FieldMapping
    options: HighlightField
    finder: Finder
    phrases: Finder


class Highlighter:
    """Highlights documents of one index for one search.

    ``context`` is the caller's: a field that is hidden from it is not shown, nor is a word that is
    sought in it. Raises the failures of compiling a ``highlight_query``.
    """

    def __init__(self, asked: Sequence[HighlightField], query: Json, context: QueryContext) -> None:
        self._context = context
        plans: dict[str, _FieldPlan] = {}
        of_search: list[Sought] | None = None
        for options in asked:
            fields = [
                field
                for field in mapped_fields(options.pattern, context.mapping, context.is_visible)
                if field.type in ("text", "keyword")
            ]
            if not fields:
                continue
            if options.query is not None:
                sought = what_is_sought(options.query, context)
            else:
                if of_search is None:
                    of_search = what_is_sought(query, context)
                sought = of_search
            for field in fields:
                plans[field.path] = _plan(field, options, sought)
        self._plans = list(plans.values())

    def section(self, document_id: str, leaves: dict[str, list[Json]]) -> bytes | None:
        """Answer the ``highlight`` of one document as JSON; None where there is nothing to show.

        Raises a 400 failure for a text that is longer than the index lets be analysed.
        """
        shown: dict[str, list[str]] = {}
        for plan in self._plans:
            values = [str(value) for value in field_values(plan.field, leaves)]
            if not values:
                continue
            self._require_length(plan, values, document_id)
            is_plain = plan.options.kind == "plain"
            parts = self._plain(plan, values) if is_plain else self._unified(plan, values)
            if parts:
                shown[plan.field.path] = parts
        return orjson.dumps(shown) if shown else None

    def _require_length(self, plan: _FieldPlan, values: Sequence[str], document_id: str) -> None:
        limit = self._context.settings.max_analyzed_offset
        asked = plan.options.max_analyzed_offset
        if asked is not None and asked <= limit:
            return
        if plan.options.kind == "unified" and _keeps_offsets(plan.field):
            return
        length = sum(len(value) for value in values) + len(values) - 1
        if length > limit:
            raise illegal_argument(
                f"The length [{length}] of field [{plan.field.path}] in doc[{document_id}]/index"
                f"[{self._context.index_name}] exceeds the [index.highlight.max_analyzed_offset] limit "
                f"[{limit}]. To avoid this error, set the query parameter [max_analyzed_offset] to a value "
                f"less than index setting [{limit}] and this will tolerate long field values by truncating "
                "them."
            )

    def _tokens(self, plan: _FieldPlan, text: str) -> list[PlacedToken]:
        if plan.field.type == "keyword":
            return [PlacedToken(text, 0, 0, len(text))] if text else []
        limit = plan.options.max_analyzed_offset
        analysed = self._context.analyzers.get(plan.field.analyzer).pre_tokenize(
            text if limit is None else text[:limit]
        )
        return [
            PlacedToken(token.text, token.position, token.char_offset_from, token.char_offset_to)
            for token in analysed.tokens
        ]

    def _unified(self, plan: _FieldPlan, values: Sequence[str]) -> list[str]:
        options = plan.options
        marked = [MarkedValue(text, plan.finder.find(self._tokens(plan, text))) for text in values]
        if options.fragments == 0:
            passages = sorted(whole_values(marked), key=lambda passage: passage.place)
            if options.by_score:
                passages = best(passages, len(passages), by_score=True)
        else:
            boundaries = words if options.boundary == "word" else sentences
            passages = best(
                passages_of(marked, boundaries, options.fragment_size),
                options.fragments,
                by_score=options.by_score,
            )
        if passages:
            return [
                _marked(passage.value.text, passage.start, passage.end, passage.occurrences, options).strip()
                for passage in passages
            ]
        first = next((text for text in values if text), None)
        if options.no_match_size == 0 or first is None:
            return []
        beginning = beginning_of(first, options.no_match_size)
        return [_escaped(beginning, options).strip()]

    def _plain(self, plan: _FieldPlan, values: Sequence[str]) -> list[str]:
        options = plan.options
        size = options.fragment_size if options.fragments else 0
        found: list[tuple[str, Fragment]] = []
        for text in values:
            tokens = self._tokens(plan, text)
            occurrences = plan.finder.find(tokens)
            if occurrences:
                phrases = plan.phrases.find(tokens) if options.fragmenter == "span" else None
                fragments = fragments_of(text, tokens, occurrences, size, phrases)
                # of one value the library that is followed here answers no more than asked
                found.extend((text, fragment) for fragment in fragments[: options.fragments or None])
        if options.by_score:
            found.sort(key=lambda each: -each[1].score)
        if found:
            return [
                _marked(text, fragment.start, fragment.end, fragment.occurrences, options)
                for text, fragment in found[: options.fragments or None]
            ]
        if options.no_match_size == 0:
            return []
        end = good_end(self._tokens(plan, values[0]), values[0], options.no_match_size)
        return [_escaped(values[0][:end], options)] if end else []


def _keeps_offsets(field: FieldMapping) -> bool:
    """Tell whether the mapping asks for offsets: Elasticsearch need not analyse such a text again."""
    return field.explicit.get("index_options") == "offsets" or "offsets" in str(
        field.explicit.get("term_vector", "")
    )


def _plan(field: FieldMapping, options: HighlightField, sought: Sequence[Sought]) -> _FieldPlan:
    own = [each for each in sought if not options.require_field_match or each.path == field.path]
    # a phrase is marked as a whole, unless it was sought in another field
    whole = options.kind == "unified" and options.require_field_match
    phrases = [each for each in own if len(each.words) > 1]
    return _FieldPlan(
        field,
        options,
        Finder(own, whole_phrases=whole),
        Finder(phrases, whole_phrases=True),
    )


def _marked(
    text: str, start: int, end: int, occurrences: Sequence[Occurrence], options: HighlightField
) -> str:
    """Answer a part of a text with the tags around what was found; what overlaps is marked as one."""
    parts: list[str] = []
    at = start
    for first, last in _joined(occurrences):
        until = min(last, end)
        parts.append(_escaped(text[at:first], options))
        parts.append(options.opening)
        parts.append(_escaped(text[first:until], options))
        parts.append(options.closing)
        at = until
    parts.append(_escaped(text[at:end], options))
    return "".join(parts)


def _joined(occurrences: Sequence[Occurrence]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for occurrence in occurrences:
        if spans and occurrence.start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], occurrence.end))
        else:
            spans.append((occurrence.start, occurrence.end))
    return spans


def _escaped(text: str, options: HighlightField) -> str:
    return text.translate(_HTML) if options.escape_html else text
