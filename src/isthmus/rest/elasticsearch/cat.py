"""``_cat``: tables for people."""

from __future__ import annotations

from typing import Final

from isthmus.clock import Clock
from isthmus.exchange import Engine
from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.aliases import matching_aliases
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
)
from isthmus.rest.elasticsearch.cat_table import TABLE_PARAMETERS, Table, rendered
from isthmus.rest.elasticsearch.cat_tables import (
    ALIASES_COLUMNS,
    COUNT_COLUMNS,
    HEALTH_COLUMNS,
    INDICES_COLUMNS,
    aliases_table,
    count_table,
    health_table,
    indices_table,
)
from isthmus.rest.elasticsearch.cluster_health import health_of, index_status, parse_status
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.http import Response, boolean_parameter
from isthmus.security.authorize import require_cluster_action

_INDICES_PARAMETERS: Final = (
    *TABLE_PARAMETERS,
    "health",
    "pri",
    "include_unloaded_segments",
    *INDICES_OPTIONS_PARAMETERS,
)
_LISTING: Final = (
    "=^.^=\n"
    "/_cat/aliases\n"
    "/_cat/aliases/{alias}\n"
    "/_cat/count\n"
    "/_cat/count/{index}\n"
    "/_cat/health\n"
    "/_cat/indices\n"
    "/_cat/indices/{index}\n"
    "/_cat/tasks\n"
)


class Tables:
    """The handlers."""

    def __init__(self, engine: Engine, identity: NodeIdentity, clock: Clock) -> None:
        self._engine = engine
        self._identity = identity
        self._clock = clock

    async def listing(self, call: Call) -> Response:
        """Say which tables there are."""
        boolean_parameter(call.parameters, "help", default=False)
        return Response(body=_LISTING.encode(), content_type="text/plain; charset=UTF-8")

    async def indices(self, call: Call) -> Response:
        """One row an index."""
        if _wants_help(call):
            return _rendered(Table(INDICES_COLUMNS), call)
        boolean_parameter(call.parameters, "pri", default=False)
        wanted = call.parameters.get("health")
        status = None if wanted is None else parse_status(wanted)
        options = indices_options(call, expand_wildcards="open,closed")
        selections = select(call, self._engine, "indices:monitor/settings/get", options)
        descriptions = [
            one for one in described(self._engine, selections) if status in {None, index_status(one)}
        ]
        counts = await self._engine.statistics([one.name for one in descriptions])
        return _rendered(indices_table(descriptions, counts), call)

    async def health(self, call: Call) -> Response:
        """One row for the deployment."""
        if _wants_help(call):
            return _rendered(Table(HEALTH_COLUMNS), call)
        require_cluster_action(call.principal, "cluster:monitor/health")
        table = health_table(
            self._identity.cluster_name,
            health_of(self._engine.indices().values()),
            self._clock.now_milliseconds(),
            with_moment=boolean_parameter(call.parameters, "ts", default=True),
        )
        return _rendered(table, call)

    async def count(self, call: Call) -> Response:
        """How many documents these indices have."""
        if _wants_help(call):
            return _rendered(Table(COUNT_COLUMNS), call)
        options = indices_options(call, forbid_closed=True)
        selections = select(call, self._engine, "indices:data/read/search", options)
        documents = await self._engine.count(selections, {"match_all": {}})
        return _rendered(count_table(documents, self._clock.now_milliseconds()), call)

    async def aliases(self, call: Call) -> Response:
        """One row for each index that an alias has."""
        if _wants_help(call):
            return _rendered(Table(ALIASES_COLUMNS), call)
        options = indices_options(call, expand_wildcards="all")
        selections = select(call, self._engine, "indices:admin/aliases/get", options, ())
        patterns = index_expressions(call, "name")
        chosen = [
            (one.name, alias, parameters)
            for one in described(self._engine, selections)
            for alias, parameters in matching_aliases(one, patterns).items()
        ]
        return _rendered(aliases_table(chosen), call)


def _wants_help(call: Call) -> bool:
    return boolean_parameter(call.parameters, "help", default=False)


def _rendered(table: Table, call: Call) -> Response:
    return rendered(table, call.parameters, call.request.headers.get("accept", ""))


def register(router: ElasticsearchRouter, engine: Engine, identity: NodeIdentity, clock: Clock) -> None:
    """Serve the tables."""
    tables = Tables(engine, identity, clock)
    router.add("GET", "/_cat", tables.listing, ("help", "v"))
    for template in ("/_cat/indices", "/_cat/indices/{index}"):
        router.add("GET", template, tables.indices, _INDICES_PARAMETERS)
    router.add("GET", "/_cat/health", tables.health, (*TABLE_PARAMETERS, "ts"))
    for template in ("/_cat/count", "/_cat/count/{index}"):
        router.add("GET", template, tables.count, (*TABLE_PARAMETERS, *INDICES_OPTIONS_PARAMETERS))
    for template in ("/_cat/aliases", "/_cat/aliases/{name}"):
        router.add("GET", template, tables.aliases, (*TABLE_PARAMETERS, "expand_wildcards"))
