"""A search's query string: index options, and what wins over the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument
from isthmus.names import IndicesOptions, parse_expand_wildcards, split_expressions
from isthmus.rest.elasticsearch.search_body import source_filter, terminate_after, track_total_hits
from isthmus.rest.elasticsearch.search_fields import fetch_of_parameters
from isthmus.rest.elasticsearch.search_sort import sort_of_parameter
from isthmus.rest.elasticsearch.search_uri import URI_QUERY_PARAMETERS, query_of_parameters
from isthmus.rest.elasticsearch.search_values import integer, not_negative, time_milliseconds, unsupported
from isthmus.rest.http import boolean_parameter

INDICES_PARAMETERS: Final = frozenset(
    {"ignore_unavailable", "allow_no_indices", "expand_wildcards", "ignore_throttled"}
)

#: Accepted and without effect here: they tune how Elasticsearch spreads one search over shards
#: and nodes and never change which hits are answered.
IGNORED_PARAMETERS: Final = frozenset(
    {
        "batched_reduce_size",
        "ccs_minimize_roundtrips",
        "max_concurrent_shard_requests",
        "pre_filter_shard_size",
        "preference",
        "request_cache",
        "routing",
    }
)

#: known to Elasticsearch and refused by name
_UNSUPPORTED: Final = (
    "suggest_field",
    "suggest_mode",
    "suggest_size",
    "suggest_text",
    "stats",
    "force_synthetic_source",
    "include_named_queries_score",
    "min_compatible_shard_node",
)
#: without effect here, and refused below what Elasticsearch takes
_AT_LEAST: Final = {
    "batched_reduce_size": (2, "batchedReduceSize"),
    "max_concurrent_shard_requests": (1, "maxConcurrentShardRequests"),
    "pre_filter_shard_size": (1, "preFilterShardSize"),
}
#: this project's own: search on without a cluster that fails (whatever its settings say), and tell where
#: the time of each remote cluster went
OWN_PARAMETERS: Final = frozenset({"skip_unavailable", "hops"})

SEARCH_PARAMETERS: Final = (
    INDICES_PARAMETERS
    | IGNORED_PARAMETERS
    | URI_QUERY_PARAMETERS
    | OWN_PARAMETERS
    | frozenset(_UNSUPPORTED)
    | frozenset(
        {
            "_source",
            "_source_excludes",
            "_source_includes",
            "allow_partial_search_results",
            "docvalue_fields",
            "explain",
            "from",
            "rest_total_hits_as_int",
            "scroll",
            "search_type",
            "seq_no_primary_term",
            "size",
            "sort",
            "stored_fields",
            "terminate_after",
            "timeout",
            "track_scores",
            "track_total_hits",
            "typed_keys",
            "version",
        }
    )
)
"""What ``_search`` takes in a query string, to refuse anything else."""

COUNT_PARAMETERS: Final = (
    INDICES_PARAMETERS
    | frozenset({"min_score", "preference", "routing", "terminate_after"})
    | URI_QUERY_PARAMETERS
    | OWN_PARAMETERS
)
"""What ``_count`` takes in a query string."""


def expressions_of(index: str | None) -> tuple[str, ...]:
    """Answer the expressions of a path's ``{index}``; none stands for everything here."""
    return split_expressions(index) if index else ()


def indices_options(parameters: Mapping[str, str]) -> IndicesOptions:
    """Answer how expressions are to be read, for what reads documents."""
    expand = parameters.get("expand_wildcards")
    boolean_parameter(parameters, "ignore_throttled", default=True)  # deprecated; there are no frozen indices
    return IndicesOptions(
        ignore_unavailable=boolean_parameter(parameters, "ignore_unavailable", default=False),
        allow_no_indices=boolean_parameter(parameters, "allow_no_indices", default=True),
        expand_wildcards=("open",) if expand is None else parse_expand_wildcards(expand),
        forbid_closed=True,
    )


def strict_boolean(parameters: Mapping[str, str], name: str) -> bool | None:
    """Read a flag that changes what a failure means: ``true`` or ``false``, nothing else; None without it."""
    value = parameters.get(name)
    if value is None:
        return None
    if value not in ("true", "false"):
        raise illegal_argument(
            f"Failed to parse value [{value[:100]}] of [{name}] as only [true] or [false] are allowed."
        )
    return value == "true"


def refuse_unsupported(parameters: Mapping[str, str]) -> None:
    """Raise a 400 failure for the first parameter that Elasticsearch knows and this does not."""
    for name in _UNSUPPORTED:
        if name in parameters:
            raise unsupported(name)
    boolean_parameter(parameters, "ccs_minimize_roundtrips", default=True)
    for name, (least, spoken) in _AT_LEAST.items():
        if name in parameters and integer(name, parameters[name]) < least:
            raise illegal_argument(f"{spoken} must be >= {least}")
    gathers_statistics(parameters)


def gathers_statistics(parameters: Mapping[str, str]) -> bool:
    """Tell whether scores are to be made of the statistics of all indices and clusters together."""
    search_type = parameters.get("search_type", "query_then_fetch")
    if search_type not in ("query_then_fetch", "dfs_query_then_fetch"):
        raise illegal_argument(f"No search type for [{search_type[:100]}]")
    return search_type == "dfs_query_then_fetch"


def members_of_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Answer the members of a ``SearchRequest`` that a query string sets; they win over the body."""
    members: dict[str, Any] = {}
    query = query_of_parameters(parameters)
    if query is not None:
        members["query"] = query
    for name, member, read in _READ:
        if name in parameters:
            try:
                members[member] = read(name, parameters[name])
            except Failure as failure:
                raise illegal_argument(failure.reason) from None
    for name in ("version", "seq_no_primary_term", "track_scores"):
        if name in parameters:
            members[name] = boolean_parameter(parameters, name, default=False)
    if "sort" in parameters:
        members["sort"] = sort_of_parameter(parameters["sort"])
    source = _source(parameters)
    if source is not None:
        members["source"] = source
    fetch = fetch_of_parameters(parameters)
    if fetch:
        members["fetch"] = fetch
    return members


_READ: Final = (
    ("from", "offset", not_negative),
    ("size", "size", not_negative),
    ("track_total_hits", "track_total_hits", track_total_hits),
    ("timeout", "timeout_milliseconds", time_milliseconds),
    ("terminate_after", "terminate_after", terminate_after),
)


def _source(parameters: Mapping[str, str]) -> Any:
    """Answer the source filter that a query string sets, None for none."""
    flag = parameters.get("_source")
    includes = parameters.get("_source_includes")
    excludes = parameters.get("_source_excludes")
    if flag == "false":
        return False
    if flag not in (None, "", "true"):
        includes = flag
    if includes is None and excludes is None:
        return None if flag is None else True
    patterns = {"includes": includes, "excludes": excludes}
    return source_filter("_source", {name: text.split(",") for name, text in patterns.items() if text})
