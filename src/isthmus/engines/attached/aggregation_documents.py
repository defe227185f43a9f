"""Documents inside of aggregations, as an engine answers them. Pure."""

from __future__ import annotations

import json
from typing import Final

import orjson

from isthmus.engines.attached.field_types import FieldType, FieldTypes
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.sorting import read_values, sort_kinds
from isthmus.engines.embedded.source_filter import SourceFilter, shown_source
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Hit, Json, JsonObject
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.top_hits import TopHits, written
from isthmus.search.aggregations.top_metrics import TopMetrics

_EVERYTHING: Final = SourceFilter()


def top_hits(aggregation: TopHits, answer: JsonObject, limits: Limits, types: FieldTypes) -> JsonObject:
    """Answer the combinable form of ``top_hits``."""
    given = answer["hits"]
    total = given["total"]
    return {
        "total": total["value"] if isinstance(total, dict) else total,
        "max_score": given["max_score"],
        "addresses": [
            place for place, kind in enumerate(sort_kinds(aggregation.keys, types)) if kind == "ip"
        ],
        "hits": written(_hit(aggregation, hit, limits, types) for hit in given["hits"]),
    }


def _hit(aggregation: TopHits, hit: JsonObject, limits: Limits, types: FieldTypes) -> Hit:
    source = None
    if "_source" in hit:
        source = _dumped(hit["_source"])
        if limits.hides_fields:
            source = shown_source(source, _EVERYTHING, limits.visible)
    return Hit(
        hit["_index"],
        hit["_id"],
        hit.get("_score"),
        source,
        read_values(aggregation.keys, hit["sort"], types) if aggregation.keys else None,
        hit.get("_version"),
        hit.get("_seq_no"),
        hit.get("_primary_term"),
    )


def _dumped(source: Json) -> bytes:
    try:
        return orjson.dumps(source)
    except TypeError:  # a whole number of more than 64 bits
        return json.dumps(source, ensure_ascii=False, separators=(",", ":")).encode()


def top_metrics(aggregation: TopMetrics, answer: JsonObject, limits: Limits, types: FieldTypes) -> JsonObject:
    """Answer the combinable form of ``top_metrics``, which was asked for as ``top_hits``.

    Raises an ``illegal_argument_exception`` failure for a sort by texts.
    """
    key = aggregation.key
    top = []
    for hit in answer["hits"]["hits"]:
        (order,) = read_values((key,), hit["sort"], types)
        if isinstance(order, str):
            raise illegal_argument(
                f"error building sort for field [{key.field}]: only supported on numeric fields"
            )
        fields = hit.get("fields", {})
        top.append(
            {
                "order": order,
                "sort": [_shown(types.get(key.field), order)],
                "metrics": {path: _first(fields.get(limits.field(path))) for path in aggregation.fields},
            }
        )
    return {"top": top}


def _first(values: Json) -> Json:
    return values[0] if values else None


def _shown(known: FieldType | None, value: Json) -> Json:
    """Answer a value as Elasticsearch shows it here: dates as text, booleans as such."""
    if value is None or known is None:
        return value
    if known.is_date:
        try:
            shown = DateFormat.parse(known.date_format)
        except Failure:
            shown = DEFAULT_DATE_FORMAT
        return shown.render(value)
    return bool(value) if known.type == "boolean" else value
