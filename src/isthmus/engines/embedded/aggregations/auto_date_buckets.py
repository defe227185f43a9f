"""Carries out ``auto_date_histogram``: a histogram of the unit that the first and the last date ask for."""

from __future__ import annotations

from typing import Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.date_range_buckets import formats_of, read_instant
from isthmus.engines.embedded.aggregations.fields import find_field
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.auto_date_histogram import UNITS, AutoDateHistogram
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.metrics import MetricField, Stats
from isthmus.search.aggregations.time_zone import UTC

_ENDS: Final = "ends"


def auto_date_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the buckets with documents, of the unit that ``interval`` names."""
    aggregation = node.aggregation
    if not isinstance(aggregation, AutoDateHistogram):
        raise TypeError(aggregation.kind)
    context = runner.index.context
    field = find_field(context, aggregation.field, aggregation.kind)
    missing: int | None = None
    if aggregation.missing is not None:
        formats = formats_of(field, None if aggregation.format is None else aggregation.format.text)
        zone = None if aggregation.zone == UTC else aggregation.zone.text
        missing = read_instant(str(aggregation.missing), formats, zone, context.now_milliseconds)
    ends = Node(_ENDS, Stats(MetricField(path=aggregation.field, missing=missing)))
    found = runner.run(query, [ends])[_ENDS]
    if not found["count"]:
        return {"buckets": [], "interval": f"1{UNITS[aggregation.least].letter}"}
    place = aggregation.place(round(found["min"]), round(found["max"]), aggregation.least)
    histogram = DateHistogram(
        field=aggregation.field,
        rounding=aggregation.rounding(place),
        interval={},
        min_doc_count=1,
        missing=missing,
        format=aggregation.format,
    )
    answer = runner.run(query, [Node(node.name, histogram, node.children)])[node.name]
    return {"buckets": answer["buckets"], "interval": f"1{UNITS[place].letter}"}
