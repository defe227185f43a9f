"""What this cluster tells one caller of its indices: their fields, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.exchange import Engine, IndexDescription, IndexSelection, Json
from isthmus.names import IndexName, IndicesOptions
from isthmus.remotes.questions import (
    FIELD_CAPS_ACTION,
    RESOLVE_INDEX_ACTION,
    IndexCapabilities,
    ResolvedAlias,
    ResolvedIndex,
    ResolveIndexAnswer,
)
from isthmus.search.field_capabilities import matching, visible_capabilities
from isthmus.search.local import SEARCH_ACTION, KnownIndices, LocalCluster
from isthmus.security.authorize import may_do_index_action, select_names, selection_of
from isthmus.security.principal import Principal


@dataclass(frozen=True, slots=True)
class LocalMetadata:
    """The indices of this cluster, as ``principal`` may know of them."""

    engine: Engine
    principal: Principal

    async def field_capabilities(
        self,
        expressions: tuple[str, ...],
        options: IndicesOptions,
        patterns: tuple[str, ...],
        index_filter: Json,
    ) -> tuple[IndexCapabilities, ...]:
        """Answer the fields that match a pattern, index by index, in the order of their names.

        With ``index_filter`` only of indices with a document that matches it. Raises 403 and 404 failures
        of choosing the indices.
        """
        local = LocalCluster(self.engine, self.principal)
        selections = local.select(FIELD_CAPS_ACTION, expressions, options)
        if index_filter is not None:
            selections = tuple([each for each in selections if await self._has_match(each, index_filter)])
        descriptions = self.engine.indices()
        return tuple(
            IndexCapabilities(
                index=selection.index,
                fields=matching(
                    visible_capabilities(descriptions[selection.index].mappings, selection.field_access),
                    patterns,
                ),
            )
            for selection in sorted(selections, key=lambda each: each.index)
            if selection.index in descriptions
        )

    async def _has_match(self, selection: IndexSelection, query: Json) -> bool:
        """Tell whether a document matches, of those that the caller may read.

        Whoever may only know of the fields learns nothing of the documents: then the index stays in.
        """
        if not may_do_index_action(self.principal, SEARCH_ACTION, selection.index):
            return True
        readable = selection_of(self.principal, SEARCH_ACTION, selection.index)
        return await self.engine.count([readable], query) > 0

    def resolve(self, expressions: tuple[str, ...], options: IndicesOptions) -> ResolveIndexAnswer:
        """Answer the indices and aliases that these expressions name, as ``_resolve/index`` does.

        An alias is named by itself or by a wildcard, and then does not make the indices behind it named.
        """
        descriptions = self.engine.indices()
        named = select_names(
            self.principal, RESOLVE_INDEX_ACTION, expressions, options, KnownIndices(descriptions)
        )
        return ResolveIndexAnswer(
            indices=tuple(_index(descriptions[name]) for name in named.indices),
            aliases=tuple(
                ResolvedAlias(name=alias, indices=tuple(_indices_of(alias, descriptions)))
                for alias in named.aliases
            ),
        )


def _index(description: IndexDescription) -> ResolvedIndex:
    attributes = ["closed" if description.closed else "open", *(["hidden"] if description.hidden else [])]
    return ResolvedIndex(
        name=description.name,
        aliases=tuple(sorted(description.aliases)),
        attributes=tuple(sorted(attributes)),
    )


def _indices_of(alias: str, descriptions: Mapping[IndexName, IndexDescription]) -> list[str]:
    return sorted(name for name, description in descriptions.items() if alias in description.aliases)
