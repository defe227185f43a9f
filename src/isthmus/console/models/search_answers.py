"""The *Search* page: hits as rows with their cluster, and how each cluster answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.names import split_expressions

#: what ``_clusters`` calls the cluster that was asked
LOCAL: Final = "(local)"
_NANOSECONDS_IN_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class HitRow:
    """One hit. ``index`` is without the cluster, which is ``(local)`` for the one that was asked."""

    cluster: str
    index: str
    id: str
    score: float | None
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """How one cluster answered; times are None where they are not known."""

    cluster: str
    status: str
    took_milliseconds: int | None
    failed_shards: int
    network_milliseconds: float | None
    remote_milliseconds: float | None
    problem: str


def expression(clusters: tuple[str, ...], indices: str) -> str:
    """Answer what to search for these indices, separated by commas, on each of the chosen clusters."""
    names = [name for name in split_expressions(indices) if name] or ["*"]
    return ",".join(
        name if cluster == LOCAL else f"{cluster}:{name}" for cluster in clusters for name in names
    )


def hit_rows(answer: Mapping[str, Any]) -> list[HitRow]:
    """Answer the hits in the order of the answer."""
    return [_hit(hit) for hit in answer["hits"]["hits"]]


def _hit(hit: Mapping[str, Any]) -> HitRow:
    cluster, separator, index = hit["_index"].rpartition(":")
    return HitRow(
        cluster if separator else LOCAL, index, hit["_id"], hit.get("_score"), hit.get("_source", {})
    )


def cluster_rows(answer: Mapping[str, Any]) -> list[ClusterRow]:
    """Answer the clusters; none where no remote cluster was asked."""
    details = answer.get("_clusters", {}).get("details", {})
    return [_cluster(name, detail) for name, detail in details.items()]


def _cluster(name: str, detail: Mapping[str, Any]) -> ClusterRow:
    hop = detail.get("hop", {})
    failures = detail.get("failures") or [{}]
    return ClusterRow(
        cluster=name,
        status=detail["status"],
        took_milliseconds=detail.get("took"),
        failed_shards=detail.get("_shards", {}).get("failed", 0),
        network_milliseconds=_milliseconds(hop.get("network_time_in_nanos")),
        remote_milliseconds=_milliseconds(hop.get("remote_time_in_nanos")),
        problem=failures[0].get("reason", {}).get("reason", ""),
    )


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / _NANOSECONDS_IN_MILLISECOND, 3)
