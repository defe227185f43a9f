"""Carries out aggregations that answer documents: each is a search among the documents of a bucket."""

from __future__ import annotations

import dataclasses
from typing import Any

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import constant, restricted
from isthmus.engines.embedded.ranking import LibraryRanking
from isthmus.engines.embedded.searching_index import IndexPart, search_index
from isthmus.engines.embedded.searching_results import hits_of, max_score_of, sort_kinds_of
from isthmus.engines.embedded.sorting import HeldValue, ResolvedKey, Sorted, resolve_keys
from isthmus.engines.embedded.sorting_values import FoundValues
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject, SearchRequest, SortKey
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.top_hits import TopHits, written
from isthmus.search.aggregations.top_metrics import TopMetrics


def top_hits(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the combinable form of ``top_hits``."""
    aggregation = node.aggregation
    if not isinstance(aggregation, TopHits):
        raise TypeError(f"no hits: {aggregation.kind}")
    request = aggregation.request()
    part = _found(runner.index, query, request)
    kinds = sort_kinds_of([part])
    return {
        "total": part.total,
        "max_score": max_score_of([part]),
        "addresses": [place for place, kind in enumerate(kinds) if kind == "ip"],
        "hits": written(hits_of([part], request, [], runner.index.check)),
    }


def top_metrics(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the combinable form of ``top_metrics``.

    Raises an ``illegal_argument_exception`` failure for a sort by texts.
    """
    aggregation, index = node.aggregation, runner.index
    if not isinstance(aggregation, TopMetrics):
        raise TypeError(f"no metrics of documents: {aggregation.kind}")
    context = index.context
    fields = [find_field(context, path, aggregation.kind) for path in aggregation.fields]
    (key,) = resolve_keys([aggregation.key], context)
    if key.sorted_by is Sorted.ID or (key.mapped and key.mapped.field_type.kind is ColumnKind.KEYWORD):
        kind = "_id" if key.mapped is None else key.mapped.type
        raise illegal_argument(
            f"error building sort for field [{key.name}] of type [{kind}] in index [{context.index_name}]: "
            "only supported on numeric fields"
        )
    part = _found(index, query, aggregation.request())
    if not part.rows:
        return {"top": []}
    addresses = [row.address for row in part.rows]
    found = FoundValues(
        index.searcher, index.schema, index.check, LibraryRanking(index.searcher, index.schema)
    )
    columns: list[list[Json]] = []
    for path, field in zip(aggregation.fields, fields, strict=True):
        if field is None:
            columns.append([None] * len(addresses))
            continue
        (smallest,) = resolve_keys([SortKey(field=path)], context)
        columns.append(
            [_shown(field, each) for each in found.values(addresses, smallest, part.searched.query)]
        )
    return {
        "top": [
            {
                "order": row.values[0],
                "sort": [_sorted_by(key, row.values[0])],
                "metrics": {
                    path: column[place] for path, column in zip(aggregation.fields, columns, strict=True)
                },
            }
            for place, row in enumerate(part.rows)
        ]
    }


def _found(index: AggregatedIndex, query: Query, request: SearchRequest) -> IndexPart:
    """Find documents among those of a bucket; they score as they do in the search."""
    searched = index.searched
    if searched is None:
        raise TypeError("finding documents takes an index that was searched")
    clause = searched.query
    if query is not index.query:
        clause = restricted(clause, constant(query, 0.0))
    narrowed = dataclasses.replace(
        searched, context=index.context, query=clause, post_filter=None, rescorers=()
    )
    return search_index(narrowed, request, index.check)


def _shown(field: AggregatedField, value: HeldValue) -> Json:
    """Answer a value as Elasticsearch shows it here: dates as text, booleans as such."""
    if value is None:
        return None
    if field.type == "boolean":
        return bool(value)
    members: dict[str, Any] = field.key_members(value)
    return members.get("key_as_string", members["key"])


def _sorted_by(key: ResolvedKey, value: HeldValue) -> Json:
    if value is None or key.mapped is None or key.sorted_by is not Sorted.FIELD:
        return value
    return _shown(AggregatedField(key.mapped, ""), value)
