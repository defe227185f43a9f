"""Aliases: ``_alias`` and ``_aliases``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Engine, IndexDescription, JsonObject
from isthmus.names import IndexName, is_wildcard, wildcard_matches
from isthmus.names.date_math import resolve_date_math
from isthmus.rest.elasticsearch.aliases_parsing import (
    AliasAction,
    alias_exists_as_index,
    alias_parameters,
    parse_alias_actions,
)
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
    json_object,
)
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import require_index_action

_GET_PARAMETERS: Final = ("local", "master_timeout", *INDICES_OPTIONS_PARAMETERS)
_UPDATE_ACTION: Final = "indices:admin/aliases"
#: index -> alias -> its parameters, None to remove it
Changes = dict[IndexName, dict[str, JsonObject | None]]


def matching_aliases(description: IndexDescription, patterns: Sequence[str]) -> JsonObject:
    """Answer the aliases of an index that these names, wildcards and ``-exclusions`` choose."""
    if not patterns:
        return dict(description.aliases)
    chosen: JsonObject = {}
    for pattern in patterns:
        if pattern.startswith("-"):
            chosen = {
                name: value for name, value in chosen.items() if not wildcard_matches(pattern[1:], name)
            }
            continue
        for name, value in description.aliases.items():
            if pattern == "_all" or wildcard_matches(pattern, name):
                chosen[name] = value
    return chosen


def missing_names(patterns: Sequence[str], found: Collection[str]) -> list[str]:
    """Answer the names asked for that were not found, sorted.

    As in Elasticsearch, ``-name`` excludes only from the first wildcard on, and a name that is
    excluded later is not missed.
    """
    wildcards = [position for position, pattern in enumerate(patterns) if is_wildcard(pattern)]
    first_wildcard = wildcards[0] if wildcards else len(patterns)
    missing = set()
    for position, name in enumerate(patterns):
        excluding = position > first_wildcard and name.startswith("-")
        if name == "_all" or is_wildcard(name) or excluding or name in found:
            continue
        later = patterns[max(position + 1, first_wildcard) :]
        if not any(one.startswith("-") and wildcard_matches(one[1:], name) for one in later):
            missing.add(name)
    return sorted(missing)


def changes_of(
    actions: Sequence[tuple[AliasAction, Sequence[IndexName]]],
    descriptions: Mapping[IndexName, IndexDescription],
) -> tuple[Changes, list[IndexName]]:
    """Answer the changes to aliases and the indices to remove, all actions taken together, in order.

    Raises 404 for an alias to remove that is not there, 400 for one that has an index's name, and
    for a second write index of one alias.
    """
    changes: Changes = {}
    removed = [name for action, names in actions if action.kind == "remove_index" for name in names]
    for action, names in actions:
        if action.kind == "add":
            for alias in action.aliases:
                if alias in descriptions and alias not in removed:
                    raise alias_exists_as_index(alias)
                for name in names:
                    changes.setdefault(name, {})[alias] = action.parameters
        elif action.kind == "remove":
            _remove(action, names, descriptions, changes)
    for name in removed:
        changes.pop(name, None)
    _require_one_write_index(changes, removed, descriptions)
    return changes, removed


def _remove(
    action: AliasAction,
    names: Sequence[IndexName],
    descriptions: Mapping[IndexName, IndexDescription],
    changes: Changes,
) -> None:
    missing = []
    for pattern in action.aliases:
        found = False
        for name in names:
            current = {**descriptions[name].aliases, **changes.get(name, {})}
            for alias, parameters in current.items():
                if parameters is not None and (pattern == "_all" or wildcard_matches(pattern, alias)):
                    changes.setdefault(name, {})[alias] = None
                    found = True
        if not found:
            missing.append(pattern)
    if missing and action.must_exist is not False:
        raise aliases_missing(missing)


def aliases_missing(names: Sequence[str]) -> Failure:
    """Answer the failure of aliases that are not there (404)."""
    listed = ",".join(names)
    return Failure(
        FailureKind.NOT_FOUND,
        "aliases_not_found_exception",
        f"aliases [{listed}] missing",
        metadata={"resource.type": "aliases", "resource.id": listed},
    )


def _require_one_write_index(
    changes: Changes, removed: Sequence[IndexName], descriptions: Mapping[IndexName, IndexDescription]
) -> None:
    for alias in {alias for changed in changes.values() for alias in changed}:
        writers = []
        for name, description in descriptions.items():
            parameters = {**description.aliases, **changes.get(name, {})}.get(alias)
            if name not in removed and parameters and parameters.get("is_write_index"):
                writers.append(name)
        if len(writers) > 1:
            raise illegal_argument(
                f"alias [{alias}] has more than one write index [{','.join(sorted(writers))}]"
            )


class Aliases:
    """The handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, call: Call) -> Response:
        """Show aliases by index; 404 with what was found where a name is missing."""
        patterns = index_expressions(call, "name")
        options = indices_options(call, expand_wildcards="all" if patterns else "open,closed,hidden")
        selections = select(call, self._engine, "indices:admin/aliases/get", options)
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for description in described(self._engine, selections):
            chosen = matching_aliases(description, patterns)
            seen.update(chosen)
            if chosen or not patterns:
                found[str(description.name)] = {"aliases": chosen}
        missing = missing_names(patterns, seen)
        if not missing:
            return json_response(found)
        plural = "es" if len(missing) > 1 else ""
        text = f"alias{plural} [{','.join(missing)}] missing"
        return json_response({"error": text, "status": 404, **found}, 404)

    async def exists(self, call: Call) -> Response:
        """Answer 200 where one of the names is there, 404 otherwise."""
        options = indices_options(call, expand_wildcards="all")
        selections = select(call, self._engine, "indices:admin/aliases/get", options)
        patterns = index_expressions(call, "name")
        there = any(matching_aliases(one, patterns) for one in described(self._engine, selections))
        return Response(200 if there else 404)

    async def put(self, call: Call) -> Response:
        """Give indices an alias."""
        body = dict(json_object(call))
        indices = index_expressions(call) or tuple(str(body.pop("index", "")).split(","))
        alias = call.path.get("name") or str(body.pop("alias", ""))
        body = {name: value for name, value in body.items() if name not in {"index", "alias"}}
        alias = resolve_date_math(alias)
        return await self._apply(
            call, [AliasAction("add", tuple(indices), (alias,), alias_parameters(alias, body))]
        )

    async def delete(self, call: Call) -> Response:
        """Take aliases away from indices."""
        names = index_expressions(call, "name")
        return await self._apply(call, [AliasAction("remove", index_expressions(call), names)])

    async def update(self, call: Call) -> Response:
        """Apply several actions at once."""
        return await self._apply(call, parse_alias_actions(json_object(call)))

    async def _apply(self, call: Call, actions: Sequence[AliasAction]) -> Response:
        resolved = []
        options = indices_options(call, expand_wildcards="open,closed")
        for action in actions:
            required = "indices:admin/delete" if action.kind == "remove_index" else _UPDATE_ACTION
            selections = select(call, self._engine, required, options, action.indices)
            if action.kind == "add":
                require_index_action(call.principal, _UPDATE_ACTION, action.aliases)
            resolved.append((action, [selection.index for selection in selections]))
        changes, removed = changes_of(resolved, self._engine.indices())
        for name in removed:
            await self._engine.delete_index(name)
        if changes:
            await self._engine.update_aliases(changes)
        return json_response({"acknowledged": True, "errors": False})


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve the alias routes."""
    aliases = Aliases(engine)
    for template in ("/_alias", "/_alias/{name}", "/{index}/_alias", "/{index}/_alias/{name}"):
        router.add("GET", template, aliases.get, _GET_PARAMETERS)
        router.add("HEAD", template, aliases.exists, _GET_PARAMETERS)
    for word in ("_alias", "_aliases"):
        router.add("PUT POST", f"/{{index}}/{word}/{{name}}", aliases.put, CLUSTER_WAIT_PARAMETERS)
        router.add("DELETE", f"/{{index}}/{word}/{{name}}", aliases.delete, CLUSTER_WAIT_PARAMETERS)
    router.add("POST", "/_aliases", aliases.update, CLUSTER_WAIT_PARAMETERS)
