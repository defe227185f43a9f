"""The HTTP status of each kind of failure: one table for clients and for other nodes.

Between nodes the receiver reads the record; the status is for what stands in between.
"""

from __future__ import annotations

from typing import Final

from isthmus.errors import FailureKind

STATUS_OF_KIND: Final = {
    FailureKind.INVALID_REQUEST: 400,
    FailureKind.UNAUTHENTICATED: 401,
    FailureKind.FORBIDDEN: 403,
    FailureKind.NOT_FOUND: 404,
    FailureKind.METHOD_NOT_ALLOWED: 405,
    FailureKind.NOT_ACCEPTABLE: 406,
    FailureKind.CONFLICT: 409,
    FailureKind.TOO_LARGE: 413,
    FailureKind.UNSUPPORTED_MEDIA_TYPE: 415,
    FailureKind.TOO_MANY_REQUESTS: 429,
    FailureKind.INTERNAL: 500,
    FailureKind.UNAVAILABLE: 503,
    FailureKind.TIMED_OUT: 504,
}
