"""Carries out ``composite``: source by source, as far as the page goes.

The values of the first source are gone through in order; within each, those of the second, and so on. A
page of a hundred buckets takes at most about as many searches, however many buckets there are in all.
"""

from __future__ import annotations

from collections.abc import Sequence

from tantivy import Query

from isthmus.engines.embedded.aggregations.composite_values import Found, SourceValues, Start
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import both
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.composite import KEY_TYPES, Composite
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.terms import ADDRESS_KEYS


def composite_page(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the first buckets, or the first after a key."""
    aggregation = node.aggregation
    if not isinstance(aggregation, Composite):
        raise TypeError(aggregation.kind)
    sources = [SourceValues(runner, source) for source in aggregation.sources]
    for source in sources:
        query = source.restrict(query)
    names = [source.name for source in aggregation.sources]
    page = _Page(sources, names, node.children)
    page.fill(query, (), aggregation.after, aggregation.size)
    types = [
        ADDRESS_KEYS if source.field is not None and source.field.type == "ip" else None for source in sources
    ]
    return {KEY_TYPES: types, "buckets": page.buckets}


class _Page:
    def __init__(
        self, sources: Sequence[SourceValues], names: Sequence[str], children: Sequence[Node]
    ) -> None:
        self._sources = sources
        self._names = names
        self._children = children
        self.buckets: list[JsonObject] = []

    def fill(self, query: Query, prefix: tuple[Json, ...], after: tuple[Json, ...] | None, size: int) -> None:
        """Add buckets whose keys begin with ``prefix`` and go on beyond ``after``, up to ``size`` in all."""
        place = len(prefix)
        source, is_last = self._sources[place], place + 1 == len(self._sources)
        start = None if after is None else Start(after[0], inclusive=not is_last)
        wanted = size - len(self.buckets)
        values = source.values(query, start, wanted)
        if is_last:
            self._add(query, prefix, source, [each for _, each in zip(range(wanted), values, strict=False)])
            return
        for each in values:
            is_first = after is not None and source.is_at(each, after[0])
            narrowed = both(query, source.query_for(each))
            self.fill(narrowed, (*prefix, each.key), after[1:] if after and is_first else None, size)
            if len(self.buckets) >= size:
                return

    def _add(
        self, query: Query, prefix: tuple[Json, ...], source: SourceValues, found: Sequence[Found]
    ) -> None:
        answers = source.answers(query, found, self._children) if self._children else [{}] * len(found)
        for each, answer in zip(found, answers, strict=True):
            key = dict(zip(self._names, (*prefix, each.key), strict=True))
            self.buckets.append({"key": key, "doc_count": each.count, **answer})
