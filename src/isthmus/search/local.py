"""This cluster as something to search, on behalf of one caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from isthmus.errors import illegal_argument
from isthmus.exchange import (
    Engine,
    IndexDescription,
    IndexSelection,
    Json,
    SearchRequest,
    SearchResult,
    TermStatistics,
)
from isthmus.names import IndexName, IndicesOptions, KnownIndex, alias_filters
from isthmus.search.shard_failures import refused_by_index
from isthmus.security.authorize import may_do_index_action, select_indices
from isthmus.security.principal import Principal

SEARCH_ACTION: Final = "indices:data/read/search"
RESOLVE_CLUSTER_ACTION: Final = "indices:admin/resolve/cluster"

#: Elasticsearch's default of ``index.max_result_window``
DEFAULT_RESULT_WINDOW: Final = 10_000


class LocalCluster(msgspec.Struct, frozen=True):
    """The indices of this cluster as ``principal`` may see them. A ``SearchTarget``.

    ``node_id`` is what profiles call this node.
    """

    engine: Engine
    principal: Principal
    node_id: str = ""

    async def search(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> SearchResult:
        """Search what these expressions name here.

        Raises 403 and 404 failures of choosing the indices, a 400 ``search_phase_execution_exception``
        for a window that an index does not allow, and what the engine refuses.
        """
        selections = self.select(SEARCH_ACTION, expressions, options)
        if request.indices_boost:
            selections = self._boosted(selections, options, request)
        descriptions = self.engine.indices()
        for selection in selections:
            require_result_window(request, descriptions[selection.index])
        result = await self.engine.search(selections, request)
        if not request.profile:
            return result
        profile = tuple({"node_id": self.node_id, **shard} for shard in result.profile)
        return msgspec.structs.replace(result, profile=profile)

    async def term_statistics(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> TermStatistics:
        """Answer what the scores of this search are made of, of what these expressions name here."""
        return await self.engine.term_statistics(self.select(SEARCH_ACTION, expressions, options), request)

    def has_matching_indices(self, expressions: tuple[str, ...], options: IndicesOptions) -> bool:
        """Say whether any open index here matches, for ``_resolve/cluster``.

        Raises 403 for a caller who may not know, 404 for an exact name that does not exist.
        """
        selections = self.select(RESOLVE_CLUSTER_ACTION, expressions, options)
        descriptions = self.engine.indices()
        return any(not descriptions[selection.index].closed for selection in selections)

    def select(
        self,
        action: str,
        expressions: tuple[str, ...],
        options: IndicesOptions,
        now_milliseconds: int | None = None,
    ) -> tuple[IndexSelection, ...]:
        """Answer the indices that the caller may use for this action, and what of them.

        An index that is reached only through filtered aliases shows only what they let through.
        ``now_milliseconds`` is for date math; None reads the system's clock.
        """
        known = KnownIndices(self.engine.indices())
        selections = select_indices(self.principal, action, expressions, options, known, now_milliseconds)
        may, now = self._may(action), now_milliseconds
        return tuple(
            [
                _filtered(selection, alias_filters(expressions, known[selection.index], may, now))
                for selection in selections
            ]
        )

    def _boosted(
        self, selections: tuple[IndexSelection, ...], options: IndicesOptions, request: SearchRequest
    ) -> tuple[IndexSelection, ...]:
        """Answer the selections with the boosts asked for: of an index the first that names it counts.

        Raises 404 for an exact name that does not exist, unless such names may be missing.
        """
        boosts: dict[str, float] = {}
        for expression, boost in request.indices_boost:
            for selection in self.select(SEARCH_ACTION, (expression,), options):
                boosts.setdefault(selection.index, boost)
        return tuple(
            msgspec.structs.replace(selection, boost=boosts.get(selection.index, 1.0))
            for selection in selections
        )

    def _may(self, action: str) -> Callable[[str], bool]:
        return lambda name: may_do_index_action(self.principal, action, name)


def _filtered(selection: IndexSelection, filters: Sequence[Json]) -> IndexSelection:
    """Answer the selection narrowed to documents that match at least one of these queries."""
    if not filters:
        return selection
    narrowed = filters[0] if len(filters) == 1 else {"bool": {"should": list(filters)}}
    return msgspec.structs.replace(selection, document_filters=(*selection.document_filters, narrowed))


class KnownIndices(Mapping[IndexName, KnownIndex]):
    """Descriptions seen as what resolving an expression needs; made only for those looked at."""

    def __init__(self, descriptions: Mapping[IndexName, IndexDescription]) -> None:
        self._descriptions = descriptions

    def __getitem__(self, name: IndexName) -> KnownIndex:
        description = self._descriptions[name]
        return KnownIndex(
            name=name, hidden=description.hidden, closed=description.closed, aliases=description.aliases
        )

    def __iter__(self) -> Iterator[IndexName]:
        return iter(self._descriptions)

    def __len__(self) -> int:
        return len(self._descriptions)


def require_result_window(
    request: SearchRequest, description: IndexDescription, *, in_batches: bool = False
) -> None:
    """Return if ``from + size`` fits the index's window; raises a 400 failure otherwise.

    ``in_batches``: worded for one page of a scroll.
    """
    asked = request.offset + request.size
    if asked <= DEFAULT_RESULT_WINDOW and "index.max_result_window" not in description.settings:
        return
    largest = _result_window(description)
    if asked > largest and in_batches:
        refusal = illegal_argument(
            f"Batch size is too large, size must be less than or equal to: [{largest}] but was [{asked}]. "
            "Scroll batch sizes cost as much memory as result windows so they are controlled by the "
            "[index.max_result_window] index level setting."
        )
        raise refused_by_index(refusal, description.name)
    if asked > largest:
        refusal = illegal_argument(
            "Result window is too large, from + size must be less than or equal to: "
            f"[{largest}] but was [{asked}]. See the scroll api for a more efficient way to request "
            "large data sets. This limit can be set by changing the [index.max_result_window] index "
            "level setting."
        )
        raise refused_by_index(refusal, description.name)


def _result_window(description: IndexDescription) -> int:
    value = description.settings.get("index.max_result_window", DEFAULT_RESULT_WINDOW)
    try:
        return int(value)
    except (TypeError, ValueError):
        return DEFAULT_RESULT_WINDOW
