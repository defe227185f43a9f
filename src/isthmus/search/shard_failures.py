"""Failures of single shards, and what Elasticsearch makes of them for a whole search.

An index of Isthmus is one shard to its callers: failures name the index, the shard is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport, SearchResult
from isthmus.remotes.failure_reports import failure_of, report_of


def every_shard_failed(result: SearchResult, fault: Fault) -> Failure | None:
    """Answer the failure of a search that no shard could answer; None where any of them did.

    ``fault`` is HERE or REMOTE: whose shards they are.
    """
    if not 0 < result.shards.total <= result.shards.failed:
        return None
    return search_phase_failure("all shards failed", result.failures, fault)


def search_phase_failure(reason: str, reports: Sequence[FailureReport], fault: Fault) -> Failure:
    """Answer a ``search_phase_execution_exception`` with the status of the first shard's failure."""
    cause = failure_of(reports[0], fault=fault) if reports else None
    return _phase_failure(reason, cause, [shard_failure_object(report) for report in reports], fault)


def refused_by_index(cause: Failure, index: str) -> Failure:
    """Answer how a search that one index cannot carry out is refused: its shard failed, so all did."""
    return _phase_failure(
        "all shards failed", cause, [shard_failure_object(report_of(cause, index))], cause.fault
    )


def shard_failure_object(report: FailureReport) -> dict[str, Any]:
    """Answer an element of ``_shards.failures``; shard -1 is a whole cluster."""
    return {
        "shard": -1 if report.index is None else 0,
        "index": report.index,
        "reason": _reason_object(report),
    }


def _reason_object(report: FailureReport) -> dict[str, Any]:
    described: dict[str, Any] = {"type": report.error_type, "reason": report.reason, **report.metadata}
    if report.caused_by is not None:
        described["caused_by"] = _reason_object(report.caused_by)
    return described


def _phase_failure(
    reason: str, cause: Failure | None, failed_shards: list[dict[str, Any]], fault: Fault
) -> Failure:
    return Failure(
        FailureKind.UNAVAILABLE if cause is None else cause.kind,
        "search_phase_execution_exception",
        reason,
        fault=fault,
        metadata={"phase": "query", "grouped": True, "failed_shards": failed_shards},
        caused_by=cause,
    )
