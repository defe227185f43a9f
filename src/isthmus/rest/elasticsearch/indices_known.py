"""Which indices a call is about: expressions, permission and what the engine has."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.exchange import Engine, IndexDescription, IndexSelection
from isthmus.names import IndicesOptions
from isthmus.rest.elasticsearch.call import Call, index_expressions
from isthmus.search.local import LocalCluster


def select(
    call: Call,
    engine: Engine,
    action: str,
    options: IndicesOptions,
    expressions: Sequence[str] | None = None,
) -> tuple[IndexSelection, ...]:
    """Answer the indices that the path's ``index`` names and the caller may see for this action."""
    if expressions is None:
        expressions = index_expressions(call)
    return LocalCluster(engine, call.principal).select(action, tuple(expressions), options)


def described(engine: Engine, selections: Sequence[IndexSelection]) -> list[IndexDescription]:
    """Answer the descriptions of the selected indices that are still there, by name."""
    descriptions = engine.indices()
    present = [descriptions.get(selection.index) for selection in selections]
    return sorted((one for one in present if one is not None), key=lambda one: one.name)
