"""Carries out ``ip_range``: a search a range of addresses."""

from __future__ import annotations

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import both, either, without
from isthmus.engines.embedded.field_types_values import sortable_ip
from isthmus.engines.embedded.query.text_ranges import TextRange, text_range
from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.ip_ranges import AddressLimits, AddressRanges, address_members


def ip_range_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer one bucket a range, in their order."""
    aggregation = node.aggregation
    if not isinstance(aggregation, AddressRanges):
        raise TypeError(aggregation.kind)
    context = runner.index.context
    field = find_field(context, aggregation.field, aggregation.kind)
    if field is not None and field.type != "ip":
        raise illegal_argument(
            f"Field [{aggregation.field}] of type [{field.type}] is not supported for aggregation [ip_range]"
        )
    lacking = Query.all_query() if field is None else without(Query.all_query(), [context.exists(field.path)])
    buckets = []
    for limits in aggregation.ranges:
        held = Query.empty_query() if field is None else _within(runner, field, limits)
        if aggregation.missing is not None and _holds(limits, aggregation.missing):
            held = either(held, lacking)
        buckets.append({**address_members(limits), **runner.bucket(both(query, held), node.children)})
    return {"buckets": buckets}


def _within(runner: Runner, field: AggregatedField, limits: AddressLimits) -> Query:
    if limits.least is None and limits.most is None:
        return runner.index.context.exists(field.path)
    return text_range(runner.index.context, field.column, _range(limits), is_raw=True).query


def _holds(limits: AddressLimits, address: str) -> bool:
    return _range(limits).holds(sortable_ip(address))


def _range(limits: AddressLimits) -> TextRange:
    return TextRange(
        None if limits.least is None else sortable_ip(limits.least),
        None if limits.most is None else sortable_ip(limits.most),
        include_upper=False,
    )
