"""Carries out metrics that go through every value of a field and keep a summary that combines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tantivy import Query

from isthmus.engines.embedded.aggregations.every_value import Values, every_value
from isthmus.engines.embedded.aggregations.fields import INDEX_FIELD, AggregatedField, find_field
from isthmus.engines.embedded.aggregations.native_metrics import missing_number
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.engines.embedded.field_types_values import ip_from_sortable
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.cardinality import Cardinality
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.distributed import OfDistribution
from isthmus.search.aggregations.metrics import MetricField
from isthmus.search.aggregations.shown import BOOLEAN, SHOWN, ValueFormat
from isthmus.search.aggregations.sketches.distinct import DistinctValues, hash_of, hashes_of
from isthmus.search.aggregations.string_stats import StringStats, summed_up


def distinct_values(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the combinable form of a ``cardinality``."""
    aggregation, index = node.aggregation, runner.index
    if not isinstance(aggregation, Cardinality):
        raise TypeError(f"no count of different values: {aggregation.kind}")
    path, missing = aggregation.path, aggregation.missing
    if path == INDEX_FIELD:
        return {"names": [str(index.context.index_name)] if index.count(query) else []}
    values = DistinctValues(aggregation.threshold)
    field = find_field(index.context, path, aggregation.kind)
    if field is not None:
        for found in every_value(index, query, field, missing):
            values.add(hashes_of(_comparable(field, found)))
    elif missing is not None and index.count(query):
        values.add([hash_of(missing)])
    return values.write()


def _comparable(field: AggregatedField, found: Values) -> Iterator[str | float]:
    """Answer values as they are the same in every cluster; only addresses are held in a form of ours."""
    if field.type == "ip":
        return (ip_from_sortable(value) for value, _ in found)
    return (value for value, _ in found)


def distribution(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the combinable form of a metric over how values are distributed.

    Raises an ``array_index_out_of_bounds_exception`` failure for negative values where only others
    have a place.
    """
    aggregation, index = node.aggregation, runner.index
    if not isinstance(aggregation, OfDistribution):
        raise TypeError(f"no distribution: {aggregation.kind}")
    steps = aggregation.method.steps
    values = aggregation.method.distribution()
    field = find_field(index.context, aggregation.field.path, aggregation.kind)
    for found in _numbers(index, query, field, aggregation.field):
        if steps is None:
            values.add(found)
            continue
        listed = list(found)
        if any(value < 0 for value, _ in listed):
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "array_index_out_of_bounds_exception",
                f"[hdr] has no place for the negative values of [{aggregation.field.path}]",
            )
        values.add((steps.floor(value), count) for value, count in listed)
    return {**values.write(), **shown_of(field, aggregation.field.format)}


def _numbers(
    index: AggregatedIndex, query: Query, field: AggregatedField | None, given: MetricField
) -> Iterator[Iterator[tuple[float, int]]]:
    if field is not None:
        for found in every_value(index, query, field, given.missing):
            yield ((float(value), count) for value, count in found)
    elif given.missing is not None and (number := index.count(query)):
        yield iter([(missing_number(given), number)])


def shown_of(field: AggregatedField | None, chosen: ValueFormat | None) -> JsonObject:
    """Answer how values of a field are shown as text, where they are; ``chosen`` is the request's format."""
    if field is None:
        return {}
    if field.is_date:
        return {SHOWN: field.date_format(chosen).text}
    return {SHOWN: BOOLEAN} if field.type == "boolean" else {}


def string_stats(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the combinable form of ``string_stats``."""
    aggregation, index = node.aggregation, runner.index
    if not isinstance(aggregation, StringStats):
        raise TypeError(f"no statistics of texts: {aggregation.kind}")
    missing = aggregation.missing
    field = find_field(index.context, aggregation.path, aggregation.kind)
    if field is None:
        number = index.count(query) if missing is not None else 0
        return summed_up([(str(missing), number)] if number else [])
    return summed_up(
        (_text_of(field, value), count)
        for found in every_value(index, query, field, missing)
        for value, count in found
    )


def _text_of(field: AggregatedField, value: Any) -> str:
    return str(field.key_members(value)["key"])
