"""Indices: create, show, exists, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Engine
from isthmus.names import KnownIndex, parse_index_name
from isthmus.names.date_math import resolve_date_math
from isthmus.rest.elasticsearch.aliases_parsing import alias_exists_as_index, alias_parameters
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
    json_object,
)
from isthmus.rest.elasticsearch.index_settings import flat_settings, settings_object
from isthmus.rest.elasticsearch.indices_destructive import require_names
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.elasticsearch.mappings import visible_mappings
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import require_index_action, select_indices

_CREATE_PARAMETERS: Final = ("wait_for_active_shards", *CLUSTER_WAIT_PARAMETERS)
_GET_PARAMETERS: Final = (
    "features",
    "flat_settings",
    "include_defaults",
    "local",
    "master_timeout",
    *INDICES_OPTIONS_PARAMETERS,
)
_EXISTS_PARAMETERS: Final = ("flat_settings", "include_defaults", "local", *INDICES_OPTIONS_PARAMETERS)
_DELETE_PARAMETERS: Final = (*CLUSTER_WAIT_PARAMETERS, *INDICES_OPTIONS_PARAMETERS)
_FEATURES: Final = ("aliases", "mappings", "settings")


def parse_create_index(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Answer settings (flat), mappings and aliases; raises a 400 failure for anything else.

    As in Elasticsearch, a body without any of the three is taken as settings.
    """
    known = {"settings", "mappings", "aliases"}
    if body and known.isdisjoint(body):
        return flat_settings(body), {}, {}
    for name in body:
        if name not in known:
            raise Failure(
                FailureKind.INVALID_REQUEST, "parse_exception", f"unknown key [{name[:100]}] for create index"
            )
    mappings, aliases = _object(body, "mappings"), _object(body, "aliases")
    if "_doc" in mappings:
        raise illegal_argument(
            "The mapping definition cannot be nested under a type [_doc] unless include_type_name is set to "
            "true."
        )
    parsed = {resolve_date_math(alias): alias_parameters(alias, value) for alias, value in aliases.items()}
    return flat_settings(body.get("settings")), mappings, parsed


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Failure(FailureKind.INVALID_REQUEST, "parse_exception", f"key [{name}] must be an object")
    return value


def features_of(call: Call) -> tuple[str, ...]:
    """Read the parameter ``features``: which members of an index's description are wanted."""
    text = call.parameters.get("features")
    if not text:
        return _FEATURES
    wanted = tuple(text.split(","))
    for name in wanted:
        if name not in _FEATURES:
            raise illegal_argument(f"No enum constant for feature [{name[:100]}]")
    return tuple(feature for feature in _FEATURES if feature in wanted)


class Indices:
    """The handlers. ``destructive_requires_name``: the cluster setting of that name, as it is now."""

    def __init__(self, engine: Engine, destructive_requires_name: Callable[[], bool]) -> None:
        self._engine = engine
        self._destructive_requires_name = destructive_requires_name

    async def create(self, call: Call) -> Response:
        """Make an index."""
        name = parse_index_name(resolve_date_math(call.path["index"]))
        require_index_action(call.principal, "indices:admin/create", (name,))
        settings, mappings, aliases = parse_create_index(json_object(call))
        if aliases:
            require_index_action(call.principal, "indices:admin/aliases", (name, *aliases))
        for alias in aliases:
            if alias in self._engine.indices() or alias == name:
                raise alias_exists_as_index(alias)
        taken = [other for other, known in self._engine.indices().items() if name in known.aliases]
        if taken:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "invalid_index_name_exception",
                f"Invalid index name [{name}], already exists as alias",
                metadata={"index_uuid": "_na_", "index": name},
            )
        await self._engine.create_index(name, settings, mappings, aliases)
        return json_response({"acknowledged": True, "shards_acknowledged": True, "index": name})

    async def get(self, call: Call) -> Response:
        """Show indices: aliases, mappings, settings."""
        selections = select(call, self._engine, "indices:admin/get", indices_options(call))
        features = features_of(call)
        access = {one.index: one.field_access for one in selections}
        answer = {}
        for description in described(self._engine, selections):
            shown: dict[str, Any] = {}
            if "aliases" in features:
                shown["aliases"] = description.aliases
            if "mappings" in features:
                shown["mappings"] = visible_mappings(description.mappings, access[description.name])
            if "settings" in features:
                shown.update(settings_object(description, call))
            answer[str(description.name)] = shown
        return json_response(answer)

    async def exists(self, call: Call) -> Response:
        """Answer 200 where every name exists, 404 otherwise."""
        select(call, self._engine, "indices:admin/get", indices_options(call))
        return Response()

    async def delete(self, call: Call) -> Response:
        """Remove indices: by name, or by wildcard where that is allowed."""
        expressions = index_expressions(call)
        require_names(expressions, needed=self._destructive_requires_name())
        descriptions = self._engine.indices()
        options = indices_options(call, expand_wildcards="open,closed")
        for expression in expressions:
            named = resolve_date_math(expression)
            is_alias = named not in descriptions and any(
                named in one.aliases for one in descriptions.values()
            )
            if is_alias and not options.ignore_unavailable:
                raise illegal_argument(
                    f"The provided expression [{named}] matches an alias, specify the corresponding concrete "
                    "indices instead."
                )
        # An alias never leads to a deletion, not even by wildcard: here indices have only their own names.
        known = {name: KnownIndex(name, one.hidden, one.closed) for name, one in descriptions.items()}
        for selection in select_indices(call.principal, "indices:admin/delete", expressions, options, known):
            if selection.index in self._engine.indices():
                await self._engine.delete_index(selection.index)
        return json_response({"acknowledged": True})


def register(
    router: ElasticsearchRouter, engine: Engine, destructive_requires_name: Callable[[], bool]
) -> None:
    """Serve the index routes."""
    indices = Indices(engine, destructive_requires_name)
    router.add("PUT", "/{index}", indices.create, _CREATE_PARAMETERS)
    router.add("GET", "/{index}", indices.get, _GET_PARAMETERS)
    router.add("HEAD", "/{index}", indices.exists, _EXISTS_PARAMETERS)
    router.add("DELETE", "/{index}", indices.delete, _DELETE_PARAMETERS)
