"""A deliberately dumb second way to aggregate: document by document, value by value."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any

Document = dict[str, Any]


def values_of(document: Document, field: str) -> list[Any]:
    """Answer the values of a field."""
    value = document.get(field, [])
    return value if isinstance(value, list) else [value]


def aggregate(documents: Sequence[Document], requests: dict[str, Any]) -> dict[str, Any]:
    """Answer the final form of sibling aggregations over documents with plain values."""
    return {name: _one(documents, body) for name, body in requests.items()}


def _one(documents: Sequence[Document], body: dict[str, Any]) -> dict[str, Any]:
    kind = next(member for member in body if member != "aggs")
    parameters, below = body[kind], body.get("aggs", {})
    if kind in ("filter", "missing"):
        holds = (
            _matcher(body[kind])
            if kind == "filter"
            else lambda each: not values_of(each, body[kind]["field"])
        )
        return _bucket([each for each in documents if holds(each)], below)
    if kind == "filters":
        return _filters(documents, parameters, below)
    if kind in ("terms", "histogram", "date_histogram", "range"):
        return _BUCKETS[kind](documents, parameters, below)
    return _metric(kind, documents, parameters)


def _bucket(documents: Sequence[Document], below: dict[str, Any]) -> dict[str, Any]:
    return {"doc_count": len(documents), **aggregate(documents, below)}


def _matcher(query: dict[str, Any]) -> Callable[[Document], bool]:
    kind, body = next(iter(query.items()))
    field, value = next(iter(body.items()))
    if kind == "term":
        return lambda each: value in values_of(each, field)
    return lambda each: any(
        value.get("gte", -math.inf) <= held < value.get("lt", math.inf) for held in values_of(each, field)
    )


def _filters(documents: Sequence[Document], parameters: Any, below: Any) -> dict[str, Any]:
    matchers = {name: _matcher(query) for name, query in parameters["filters"].items()}
    buckets = {
        name: _bucket([each for each in documents if holds(each)], below) for name, holds in matchers.items()
    }
    if parameters.get("other_bucket"):
        rest = [each for each in documents if not any(holds(each) for holds in matchers.values())]
        buckets["_other_"] = _bucket(rest, below)
    return {"buckets": buckets}


def _metric(kind: str, documents: Sequence[Document], parameters: Any) -> dict[str, Any]:
    field, missing = parameters["field"], parameters.get("missing")
    values = []
    for each in documents:
        held = values_of(each, field)
        values += held or ([] if missing is None else [missing])
    if kind == "value_count":
        return {"value": len(values)}
    if kind == "cardinality":
        return {"value": len(set(values))}
    numbers = [float(value) for value in values]
    total = math.fsum(numbers)
    summary = {
        "count": len(numbers),
        "min": min(numbers, default=None),
        "max": max(numbers, default=None),
        "avg": total / len(numbers) if numbers else None,
        "sum": total,
    }
    return summary if kind == "stats" else {"value": summary[kind]}


def _number_of(path: str, bucket: dict[str, Any]) -> float:
    name, _, metric = path.partition(".")
    if metric:
        value = bucket[name][metric]
        return {"min": math.inf, "max": -math.inf}.get(metric, math.nan) if value is None else value
    if "value" not in bucket[name]:
        return float(bucket[name]["doc_count"])
    value = bucket[name]["value"]
    return math.nan if value is None else value


def _sorted(buckets: list[dict[str, Any]], order: Any) -> list[dict[str, Any]]:
    path, direction = next(iter(order.items()))
    sign = -1 if direction == "desc" else 1
    ordered = sorted(buckets, key=lambda each: each["key"])
    if path == "_key":
        return ordered[::sign]
    if path == "_count":
        return sorted(ordered, key=lambda each: sign * each["doc_count"])

    def rank(bucket: dict[str, Any]) -> tuple[bool, float]:
        number = _number_of(path, bucket)
        return (math.isnan(number), 0.0 if math.isnan(number) else sign * number)

    return sorted(ordered, key=rank)


def _terms(documents: Sequence[Document], parameters: Any, below: Any) -> dict[str, Any]:
    field, missing = parameters["field"], parameters.get("missing")
    groups: dict[Any, list[Document]] = {}
    for each in documents:
        for value in set(values_of(each, field) or ([] if missing is None else [missing])):
            groups.setdefault(value, []).append(each)
    least = parameters.get("min_doc_count", 1)
    buckets = []
    for key, held in groups.items():
        if len(held) >= least:
            buckets.append({**_key(key), **_bucket(held, below)})
    ordered = _sorted(buckets, parameters.get("order", {"_count": "desc"}))
    size = parameters.get("size", 10)
    return {
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": sum(bucket["doc_count"] for bucket in ordered[size:]),
        "buckets": ordered[:size],
    }


def _key(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": int(value), "key_as_string": str(value).lower()}
    return {"key": value}


def _histogram(documents: Sequence[Document], parameters: Any, below: Any) -> dict[str, Any]:
    interval, offset = parameters["interval"], parameters.get("offset", 0)
    missing = parameters.get("missing")
    groups: dict[int, list[Document]] = {}
    for each in documents:
        held = values_of(each, parameters["field"]) or ([] if missing is None else [missing])
        for number in {math.floor((value - offset) / interval) for value in held}:
            groups.setdefault(number, []).append(each)
    numbers: Sequence[int] = sorted(groups)
    least = parameters.get("min_doc_count", 0)
    if not least and groups:
        numbers = range(numbers[0], numbers[-1] + 1)
    buckets = [
        {"key": float(number * interval + offset), **_bucket(groups.get(number, []), below)}
        for number in numbers
    ]
    return {"buckets": [bucket for bucket in buckets if bucket["doc_count"] >= least]}


def _months(documents: Sequence[Document], parameters: Any, below: Any) -> dict[str, Any]:
    groups: dict[int, list[Document]] = {}
    for each in documents:
        for key in {_month_start(value) for value in values_of(each, parameters["field"])}:
            groups.setdefault(key, []).append(each)
    keys = sorted(groups)
    if not parameters.get("min_doc_count", 0) and keys:
        last, keys = keys[-1], keys[:1]
        while keys[-1] < last:
            keys.append(_month_start(keys[-1] + 32 * 86_400_000))
    return {
        "buckets": [
            {"key_as_string": text_of(key), "key": key, **_bucket(groups.get(key, []), below)} for key in keys
        ]
    }


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def _month_start(milliseconds: int) -> int:
    moment = _moment(milliseconds)
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (start - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def text_of(milliseconds: int) -> str:
    """Answer a date as Elasticsearch shows it."""
    return _moment(milliseconds).strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def _range(documents: Sequence[Document], parameters: Any, below: Any) -> dict[str, Any]:
    buckets = []
    entries = sorted(
        parameters["ranges"], key=lambda each: (each.get("from", -math.inf), each.get("to", math.inf))
    )
    for each in entries:
        least, most = each.get("from", -math.inf), each.get("to", math.inf)
        held = [
            document
            for document in documents
            if any(least <= value < most for value in values_of(document, parameters["field"]))
        ]
        ends = ["*" if end not in each else str(float(each[end])) for end in ("from", "to")]
        limits = {end: float(each[end]) for end in ("from", "to") if end in each}
        buckets.append({"key": "-".join(ends), **limits, **_bucket(held, below)})
    return {"buckets": buckets}


_BUCKETS: dict[str, Any] = {
    "terms": _terms,
    "histogram": _histogram,
    "date_histogram": _months,
    "range": _range,
}
