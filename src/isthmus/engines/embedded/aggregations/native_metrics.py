"""Metrics in the library's terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field, metadata_column
from isthmus.engines.embedded.aggregations.plans import Plan, Request
from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.extended_stats import ExtendedStats
from isthmus.search.aggregations.metrics import MetricField, SingleMetric, Stats, ValueCount

NumericMetric = SingleMetric | Stats | ExtendedStats


def plan_value_count(aggregation: ValueCount, context: QueryContext) -> Plan | None:
    """Plan a count of values; None where documents without a value count too."""
    path = aggregation.field.path
    column = metadata_column(path)
    field = None if column is not None else find_field(context, path, aggregation.kind)
    if aggregation.field.missing is not None and column is None:
        return None
    if field is not None:
        column = field.column
    if column is None:
        return Plan((), lambda _answers: {"value": 0})
    return Plan((Request({"value_count": {"field": column}}),), _read_count)


def plan_numeric(aggregation: NumericMetric, context: QueryContext) -> Plan:
    """Plan a metric over numbers."""
    given = aggregation.field
    field = find_field(context, given.path, aggregation.kind)
    if field is None:
        return _unmapped(aggregation)
    members: JsonObject = {"field": field.column}
    if given.missing is not None:
        members["missing"] = field.column_value(given.missing)
    kind = aggregation.kind

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        answer = answers[0]
        if isinstance(aggregation, SingleMetric):
            value = answer.get("value")
            return _shown({"value": 0.0 if value is None and kind == "sum" else value}, field, given)
        count = int(answer["count"])
        names = ("min", "max", "avg", "sum")
        values: JsonObject = {name: answer[name] if count else None for name in names}
        if not count:
            values["sum"] = 0.0
        shown = {"count": count, **_shown(values, field, given)}
        if isinstance(aggregation, ExtendedStats):
            shown["sum_of_squares"] = answer["sum_of_squares"] if count else None
            return aggregation.combine([shown], ())
        return shown

    return Plan((Request({kind: members}),), read)


def missing_number(given: MetricField) -> float:
    """Answer the number that stands for a missing value of a field that is not mapped."""
    try:
        return float(given.missing or 0)
    except ValueError:
        raise illegal_argument(f'For input string: "{given.missing}"') from None


def _read_count(answers: Sequence[JsonObject]) -> JsonObject:
    return {"value": int(answers[0].get("value") or 0)}


def _shown(values: JsonObject, field: AggregatedField, given: MetricField) -> JsonObject:
    numbers = {name: value for name, value in values.items() if value is not None}
    if field.kind is ColumnKind.KEYWORD:
        return values
    return {**values, **field.strings(numbers, given.format)}


def _unmapped(aggregation: NumericMetric) -> Plan:
    """Plan over a field that the index has not: no values, or the same for every document."""
    if aggregation.field.missing is None:
        return Plan((), lambda _answers: aggregation.combine((), ()))
    number = missing_number(aggregation.field)

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        count = int(answers[0].get("value") or 0)
        if not count:
            return aggregation.combine((), ())
        total = number * count
        part: dict[str, Any] = {"count": count, "min": number, "max": number, "sum": total}
        part["sum_of_squares"] = number * total
        part["value"] = total if aggregation.kind == "sum" else number
        return aggregation.combine([part], ())

    return Plan((Request({"value_count": {"field": SEQUENCE_COLUMN}}),), read)
