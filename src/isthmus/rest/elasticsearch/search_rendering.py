"""Answers of searches as Elasticsearch writes them. The hot path: each hit becomes one dict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from isthmus.exchange import Hit, JsonObject, SearchResult
from isthmus.search.clusters import clusters_object, shards_object
from isthmus.search.merge import SearchAnswer


def search_object(answer: SearchAnswer, *, total_as_integer: bool = False) -> dict[str, Any]:
    """Answer a search's response body, its members in Elasticsearch's order.

    ``total_as_integer`` writes ``hits.total`` as a number (``rest_total_hits_as_int``; -1 where
    it was not tracked).
    """
    result = answer.result
    described: dict[str, Any] = {"took": result.took_milliseconds, "timed_out": result.timed_out}
    if result.terminated_early is not None:
        described["terminated_early"] = result.terminated_early
    if answer.reduce_phases != 1:
        described["num_reduce_phases"] = answer.reduce_phases
    described["_shards"] = shards_object(result.shards, result.failures)
    if answer.clusters:
        described["_clusters"] = clusters_object(answer.clusters)
    described["hits"] = _hits_object(result, total_as_integer=total_as_integer)
    if answer.inner_hits:
        _add_inner_hits(described["hits"]["hits"], answer, total_as_integer=total_as_integer)
    if result.aggregations:
        described["aggregations"] = result.aggregations
    if result.suggestions:
        described["suggest"] = suggestions_object(result.suggestions)
    if result.profile:
        described["profile"] = {"shards": result.profile}
    return described


def suggestions_object(suggestions: JsonObject) -> dict[str, Any]:
    """Answer suggestions by name; the sources of documents that they name are written as they are."""
    return {
        name: [{**entry, "options": [_option(option) for option in entry["options"]]} for entry in entries]
        for name, entries in sorted(suggestions.items())
    }


def _option(option: dict[str, Any]) -> dict[str, Any]:
    source = option.get("_source")
    return option if source is None else {**option, "_source": orjson.Fragment(source)}


def count_object(answer: SearchAnswer) -> dict[str, Any]:
    """Answer a count's response body; over several clusters it tells which of them were counted."""
    result = answer.result
    described: dict[str, Any] = {"count": 0 if result.total is None else result.total.value}
    if result.terminated_early is not None:
        described["terminated_early"] = result.terminated_early
    described["_shards"] = shards_object(result.shards, result.failures)
    if answer.clusters:
        described["_clusters"] = clusters_object(answer.clusters)
    return described


def _hits_object(result: SearchResult, *, total_as_integer: bool) -> dict[str, Any]:
    described: dict[str, Any] = {}
    total = result.total
    if total_as_integer:
        described["total"] = -1 if total is None else total.value
    elif total is not None:
        described["total"] = {"value": total.value, "relation": total.relation}
    described["max_score"] = result.max_score
    described["hits"] = _hit_objects(result.hits)
    return described


def _add_inner_hits(
    rendered: Sequence[dict[str, Any]], answer: SearchAnswer, *, total_as_integer: bool
) -> None:
    """Add to each hit what else is in its group."""
    for described, groups in zip(rendered, answer.inner_hits, strict=True):
        described["inner_hits"] = {
            name: {"hits": _hits_object(inner.result, total_as_integer=total_as_integer)}
            for name, inner in groups.items()
        }


def sections_before_sort(sections: dict[str, bytes]) -> dict[str, Any]:
    """Answer the sections of a hit that stand before its sort values."""
    return {name: orjson.Fragment(sections[name]) for name in ("fields", "highlight") if name in sections}


def sections_after_sort(sections: dict[str, bytes]) -> dict[str, Any]:
    """Answer the sections of a hit that stand after its sort values."""
    return {
        name: orjson.Fragment(sections[name])
        for name in ("matched_queries", "_explanation")
        if name in sections
    }


def _hit_objects(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    fragment = orjson.Fragment
    rendered = []
    for hit in hits:
        described: dict[str, Any] = {"_index": hit.index, "_id": hit.id}
        sections = hit.sections
        if hit.version is not None:
            described["_version"] = hit.version
        if hit.seq_no is not None:
            described["_seq_no"] = hit.seq_no
            described["_primary_term"] = hit.primary_term
        described["_score"] = hit.score
        if hit.source is not None:
            described["_source"] = fragment(hit.source)
        if sections is not None:
            described |= sections_before_sort(sections)
        if hit.sort is not None:
            described["sort"] = hit.sort
        if sections is not None:
            described |= sections_after_sort(sections)
            if "_explanation" in sections:
                described = {"_shard": f"[{hit.index}][0]", **described}
        if not hit.id:
            del described["_id"]
        rendered.append(described)
    return rendered
