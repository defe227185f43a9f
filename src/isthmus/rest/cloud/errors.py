"""Failures as Elastic Cloud's platform API words them: the one place where a kind becomes its status."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import Failure, FailureKind
from isthmus.rest.http import Response, json_response

#: status, and the code of a failure that brings none of this dialect's
_STATUS_AND_CODE_OF_KIND: Final = {
    FailureKind.INVALID_REQUEST: (400, "root.invalid_data"),
    FailureKind.UNAUTHENTICATED: (401, "root.unauthenticated"),
    FailureKind.FORBIDDEN: (403, "root.unauthorized"),
    FailureKind.NOT_FOUND: (404, "root.resource_not_found"),
    FailureKind.METHOD_NOT_ALLOWED: (405, "root.method_not_allowed"),
    FailureKind.NOT_ACCEPTABLE: (406, "root.not_acceptable"),
    FailureKind.CONFLICT: (409, "root.conflict"),
    FailureKind.TOO_LARGE: (413, "root.request_too_large"),
    FailureKind.UNSUPPORTED_MEDIA_TYPE: (415, "root.unsupported_media_type"),
    FailureKind.TOO_MANY_REQUESTS: (429, "root.too_many_requests"),
    FailureKind.INTERNAL: (500, "root.internal_error"),
    FailureKind.UNAVAILABLE: (503, "root.unavailable"),
    FailureKind.TIMED_OUT: (504, "root.timed_out"),
}
_CHALLENGE: Final = 'Basic realm="platform", charset="UTF-8"'


def cloud_failure_response(failure: Failure) -> Response:
    """Answer ``{"errors": [{"code", "message", "fields"}]}``."""
    status, general_code = _STATUS_AND_CODE_OF_KIND[failure.kind]
    # Codes of this dialect have a dot (deployments.deployment_not_found); Elasticsearch's types do not.
    code = failure.error_type if "." in failure.error_type else general_code
    error: dict[str, Any] = {"code": code, "message": failure.reason}
    if "fields" in failure.metadata:
        error["fields"] = failure.metadata["fields"]
    headers = [("x-cloud-error-codes", code)]
    if failure.kind is FailureKind.UNAUTHENTICATED:
        headers.append(("WWW-Authenticate", _CHALLENGE))
    return json_response({"errors": [error]}, status, tuple(headers))
