"""Failures as data and back: what crosses between clusters instead of an exception."""

from __future__ import annotations

from typing import Final

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport

#: a chain of causes is cut here: a peer may not make us recurse without end
_MAXIMUM_CAUSES: Final = 10
_MAXIMUM_REASON_LENGTH: Final = 10_000


def report_of(failure: Failure, index: str | None = None) -> FailureReport:
    """Answer the failure as a record that can be sent."""
    return _report(failure, index, _MAXIMUM_CAUSES)


def failure_of(report: FailureReport, *, fault: Fault = Fault.REMOTE) -> Failure:
    """Answer the failure that a record describes.

    ``fault`` is the receiver's view: whatever the far side says of itself, seen from here it was the
    far side's. A kind that this version does not know becomes INTERNAL.
    """
    return _failure(report, fault, _MAXIMUM_CAUSES)


def _report(failure: Failure, index: str | None, depth: int) -> FailureReport:
    cause = failure.caused_by
    return FailureReport(
        kind=failure.kind.name,
        error_type=failure.error_type,
        reason=failure.reason,
        fault=failure.fault.value,
        metadata=dict(failure.metadata),
        caused_by=None if cause is None or depth == 0 else _report(cause, None, depth - 1),
        index=index,
    )


def _failure(report: FailureReport, fault: Fault, depth: int) -> Failure:
    kind = FailureKind.__members__.get(report.kind, FailureKind.INTERNAL)
    cause = report.caused_by
    return Failure(
        kind,
        report.error_type,
        report.reason[:_MAXIMUM_REASON_LENGTH],
        fault=fault,
        metadata={name: value for name, value in report.metadata.items() if name not in ("type", "reason")},
        caused_by=None if cause is None or depth == 0 else _failure(cause, fault, depth - 1),
    )
