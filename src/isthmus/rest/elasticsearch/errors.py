"""Failures as Elasticsearch words them."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport
from isthmus.rest.http import Response, json_response
from isthmus.rest.statuses import STATUS_OF_KIND

#: what Elasticsearch offers a caller without (valid) credentials
CHALLENGES: Final = ('Basic realm="security", charset="UTF-8"', "ApiKey")


def failure_object(failure: Failure) -> dict[str, Any]:
    """Answer ``{"type", "reason", …}``: the form in which a failure stands inside a larger answer."""
    described: dict[str, Any] = {"type": failure.error_type, "reason": failure.reason}
    described.update(failure.metadata)
    if failure.caused_by is not None:
        described["caused_by"] = failure_object(failure.caused_by)
    return described


def failure_of(report: FailureReport) -> Failure:
    """Answer the failure that a report describes; one of a kind unknown here counts as internal."""
    try:
        kind = FailureKind[report.kind]
    except KeyError:
        kind = FailureKind.INTERNAL
    try:
        fault = Fault(report.fault)
    except ValueError:
        fault = None
    return Failure(
        kind,
        report.error_type,
        report.reason,
        fault=fault,
        metadata=report.metadata,
        caused_by=failure_of(report.caused_by) if report.caused_by is not None else None,
    )


def failure_body(failure: Failure) -> dict[str, Any]:
    """Answer a whole error as it stands in a body: ``{"error": {…, "root_cause": […]}, "status": n}``."""
    root = failure
    while root.caused_by is not None:
        root = root.caused_by
    root_cause = {name: value for name, value in failure_object(root).items() if name != "caused_by"}
    return {
        "error": {"root_cause": [root_cause], **failure_object(failure)},
        "status": STATUS_OF_KIND[failure.kind],
    }


def failure_response(failure: Failure) -> Response:
    """Answer the whole error response, with a challenge for a caller who is not authenticated."""
    headers: tuple[tuple[str, str], ...] = ()
    if failure.kind is FailureKind.UNAUTHENTICATED:
        headers = tuple(("WWW-Authenticate", challenge) for challenge in CHALLENGES)
    return json_response(failure_body(failure), STATUS_OF_KIND[failure.kind], headers)
