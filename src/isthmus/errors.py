"""The closed set of failures, independent of any wire format.

Every failure that may reach a caller is a :class:`Failure`: it has one
:class:`FailureKind` (what went wrong, mapped to a status once per dialect), the
``error_type`` that Elasticsearch's clients switch on, and whose doing it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final


class FailureKind(Enum):
    """What went wrong. Introduce a new member thoughtfully: every dialect must map it."""

    INVALID_REQUEST = "invalid request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    METHOD_NOT_ALLOWED = "method not allowed"
    NOT_ACCEPTABLE = "not acceptable"
    CONFLICT = "conflict"
    TOO_LARGE = "too large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported media type"
    TOO_MANY_REQUESTS = "too many requests"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"


class Fault(Enum):
    """Whose doing a failure was."""

    CALLER = "caller"
    HERE = "here"
    REMOTE = "remote"


_CALLER_KINDS: Final = frozenset(
    {
        FailureKind.INVALID_REQUEST,
        FailureKind.UNAUTHENTICATED,
        FailureKind.FORBIDDEN,
        FailureKind.NOT_FOUND,
        FailureKind.METHOD_NOT_ALLOWED,
        FailureKind.NOT_ACCEPTABLE,
        FailureKind.CONFLICT,
        FailureKind.TOO_LARGE,
        FailureKind.UNSUPPORTED_MEDIA_TYPE,
    }
)


class Failure(Exception):  # noqa: N818 - "failure" is this project's word, used everywhere
    """A failure that a caller may see.

    ``reason`` is shown to the caller and must never hold a secret. ``metadata`` becomes
    further members of the error object (``index``, ``line`` and the like). ``caused_by``
    is rendered as the error's cause. ``log_note`` is for logs here and is never shown to a caller; it must
    not hold a secret either.
    """

    def __init__(  # noqa: PLR0913 - two that every failure has to say, and what few have
        self,
        kind: FailureKind,
        error_type: str,
        reason: str,
        *,
        fault: Fault | None = None,
        metadata: Mapping[str, Any] | None = None,
        caused_by: Failure | None = None,
        log_note: str | None = None,
    ) -> None:
        super().__init__(f"{error_type}: {reason}")
        self.kind = kind
        self.error_type = error_type
        self.reason = reason
        self.fault = fault or (Fault.CALLER if kind in _CALLER_KINDS else Fault.HERE)
        self.metadata: Mapping[str, Any] = dict(metadata or {})
        self.caused_by = caused_by
        self.log_note = log_note


def illegal_argument(reason: str) -> Failure:
    """Answer the failure that Elasticsearch raises for a value that cannot be used (400)."""
    return Failure(FailureKind.INVALID_REQUEST, "illegal_argument_exception", reason)


def parsing_failure(reason: str) -> Failure:
    """Answer the failure for a body that is well-formed but not understood (400)."""
    return Failure(FailureKind.INVALID_REQUEST, "parsing_exception", reason)


def validation_failure(*problems: str) -> Failure:
    """Answer one failure that numbers every problem found, as Elasticsearch words it (400)."""
    listed = "".join(f"{number}: {problem};" for number, problem in enumerate(problems, start=1))
    return Failure(
        FailureKind.INVALID_REQUEST, "action_request_validation_exception", f"Validation Failed: {listed}"
    )


def index_not_found(name: str) -> Failure:
    """Answer the failure for an index that does not exist (404)."""
    return Failure(
        FailureKind.NOT_FOUND,
        "index_not_found_exception",
        f"no such index [{name}]",
        metadata={
            "resource.type": "index_or_alias",
            "resource.id": name,
            "index_uuid": "_na_",
            "index": name,
        },
    )


def index_closed(name: str, uuid: str = "_na_") -> Failure:
    """Answer the failure for the documents of an index that is closed (400)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "index_closed_exception",
        "closed",
        metadata={"index_uuid": uuid, "index": name},
    )


def security_failure(reason: str) -> Failure:
    """Answer the failure of an authenticated caller who may not do this (403)."""
    return Failure(FailureKind.FORBIDDEN, "security_exception", reason)
