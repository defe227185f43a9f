"""The ``_clusters`` section: how each cluster answered, in Elasticsearch's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from isthmus.errors import Failure
from isthmus.exchange import FailureReport, JsonObject, ShardCounts
from isthmus.names import ClusterAlias
from isthmus.names.grouping import LOCAL_CLUSTER
from isthmus.remotes.failure_reports import report_of
from isthmus.search.outcome import Outcome
from isthmus.search.shard_failures import shard_failure_object


class ClusterStatus(Enum):
    """How a cluster took part, in the order in which Elasticsearch counts them."""

    # There is one of each: found by identity, which several times a search is worth it.
    __hash__ = object.__hash__

    SUCCESSFUL = "successful"
    SKIPPED = "skipped"
    RUNNING = "running"
    PARTIAL = "partial"
    FAILED = "failed"


_NAMES: Final = {status: status.value for status in ClusterStatus}


@dataclass(frozen=True, slots=True)
class Hop:
    """Where the time of a remote cluster's part went: in all, and of that over there.

    ``exact`` says that the other cluster told the second; otherwise it is what its engine counted, in
    whole milliseconds.
    """

    total_nanoseconds: int
    remote_nanoseconds: int
    exact: bool = True

    @property
    def network_nanoseconds(self) -> int:
        """What is left: on the way, and writing and reading what travels."""
        return max(0, self.total_nanoseconds - self.remote_nanoseconds)


class ClusterDetail(msgspec.Struct, frozen=True):
    """One cluster. ``took_milliseconds`` and ``shards`` are None where it never answered."""

    alias: ClusterAlias | None
    status: ClusterStatus
    expressions: tuple[str, ...]
    timed_out: bool = False
    took_milliseconds: int | None = None
    shards: ShardCounts | None = None
    failures: tuple[FailureReport, ...] = ()
    hop: Hop | None = None


def cluster_detail(outcome: Outcome, *, hops: bool = False) -> ClusterDetail:
    """Answer how this cluster answered; its shards' failures name ``alias:index``.

    With ``hops`` it tells where the time of a remote cluster went.
    """
    part, result = outcome.part, outcome.result
    failures: tuple[FailureReport, ...] = ()
    if result is not None and result.failures:
        failures = prefixed_failures(part.alias, result.failures)
    if outcome.failure is not None and not failures:
        failures = (report_of(outcome.failure),)
    return ClusterDetail(
        alias=part.alias,
        status=_status(outcome),
        expressions=part.expressions,
        timed_out=outcome.timed_out or (result is not None and result.timed_out),
        took_milliseconds=None if result is None else result.took_milliseconds,
        shards=None if result is None else result.shards,
        failures=failures,
        hop=_hop(outcome) if hops else None,
    )


def _hop(outcome: Outcome) -> Hop | None:
    result = outcome.result
    if result is None or outcome.part.alias is None:
        return None
    total = int(outcome.took_seconds * 1_000_000_000)
    served = result.served_nanoseconds
    if served is None:  # an older version over there does not tell
        return Hop(total, result.took_milliseconds * 1_000_000, exact=False)
    return Hop(total, served)


def _status(outcome: Outcome) -> ClusterStatus:
    result = outcome.result
    if outcome.failure is not None or result is None:
        return ClusterStatus.SKIPPED if outcome.part.may_be_skipped else ClusterStatus.FAILED
    if result.timed_out or result.shards.failed > 0:
        return ClusterStatus.PARTIAL
    return ClusterStatus.SUCCESSFUL  # also with no shard at all: nothing there matched the expression


def clusters_object(details: Sequence[ClusterDetail]) -> JsonObject:
    """Answer the section as it is rendered: counts that add up to ``total``, then each cluster."""
    counts = dict.fromkeys(_NAMES.values(), 0)
    for detail in details:
        counts[_NAMES[detail.status]] += 1
    return {
        "total": len(details),
        **counts,
        "details": {_name(detail.alias): _detail_object(detail) for detail in details},
    }


def shards_object(shards: ShardCounts, failures: Sequence[FailureReport] = ()) -> JsonObject:
    """Answer a ``_shards`` section; ``failures`` stands there only when there are any."""
    described: JsonObject = {
        "total": shards.total,
        "successful": shards.successful,
        "skipped": shards.skipped,
        "failed": shards.failed,
    }
    if failures:
        described["failures"] = [shard_failure_object(report) for report in failures]
    return described


def prefixed_failures(
    alias: ClusterAlias | None, failures: Iterable[FailureReport]
) -> tuple[FailureReport, ...]:
    """Answer the failures with their indices named as the caller has to name them."""
    if alias is None:
        return tuple(failures)
    return tuple(_prefixed(alias, report) for report in failures)


def _prefixed(alias: ClusterAlias, report: FailureReport) -> FailureReport:
    if report.index is None:
        return report
    index = f"{alias}:{report.index}"
    metadata = dict(report.metadata)
    if "index" in metadata:
        metadata["index"] = index
    return FailureReport(
        kind=report.kind,
        error_type=report.error_type,
        reason=report.reason,
        fault=report.fault,
        metadata=metadata,
        caused_by=report.caused_by,
        index=index,
    )


def wrapped_for_caller(alias: ClusterAlias | None, cause: Failure) -> Failure:
    """Answer the failure of a whole search because of one cluster, with the status of its cause."""
    if alias is None:
        return cause
    return Failure(
        cause.kind,
        "remote_transport_exception",
        f"error while communicating with remote cluster [{alias}]",
        fault=cause.fault,
        caused_by=cause,
    )


def _name(alias: ClusterAlias | None) -> str:
    return LOCAL_CLUSTER if alias is None else alias


def _detail_object(detail: ClusterDetail) -> JsonObject:
    described: JsonObject = {"status": _NAMES[detail.status], "indices": ",".join(detail.expressions)}
    if detail.took_milliseconds is not None:
        described["took"] = detail.took_milliseconds
    described["timed_out"] = detail.timed_out
    if detail.shards is not None:
        described["_shards"] = shards_object(detail.shards)
    if detail.failures:
        described["failures"] = [shard_failure_object(report) for report in detail.failures]
    if detail.hop is not None:
        described["hop"] = _hop_object(detail.hop)
    return described


def _hop_object(hop: Hop) -> JsonObject:
    described: JsonObject = {
        "total_time_in_nanos": hop.total_nanoseconds,
        "remote_time_in_nanos": hop.remote_nanoseconds,
        "network_time_in_nanos": hop.network_nanoseconds,
    }
    if not hop.exact:
        described["exact"] = False
    return described
