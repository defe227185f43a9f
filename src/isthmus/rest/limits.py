"""How much one caller may ask of a node, before anything is known about the caller."""

from __future__ import annotations

from typing import Final

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Record

KIBIBYTE: Final = 1024
MEBIBYTE: Final = 1024 * KIBIBYTE


class HttpLimits(Record, frozen=True, kw_only=True):
    """The limits of an HTTP port; the defaults are Elasticsearch's where it has such a setting."""

    #: ``http.max_content_length``, also of a compressed body once it is unpacked
    max_content_bytes: int = 100 * MEBIBYTE
    #: ``http.max_initial_line_length``
    max_request_line_bytes: int = 4 * KIBIBYTE
    #: ``http.max_header_size``
    max_header_bytes: int = 16 * KIBIBYTE
    #: what all bodies being received or handled may hold together (Elasticsearch: in-flight requests)
    max_buffered_bytes: int = 512 * MEBIBYTE
    #: from this size on, the application is asked before a body is read
    admission_bytes: int = MEBIBYTE
    #: how much of a refused body is read and dropped so that the caller gets to see the answer
    max_discarded_bytes: int = 400 * MEBIBYTE
    max_connections: int = 4096
    handshake_seconds: float = 10
    #: from the first byte of a request to the end of its headers
    head_seconds: float = 30
    #: the longest silence in the middle of a body, or while an answer is not read
    body_idle_seconds: float = 60
    #: the longest silence between two requests
    keep_alive_seconds: float = 75
    #: answers above this size are compressed for callers that take it (Elasticsearch: 1 KiB)
    compress_from_bytes: int = KIBIBYTE
    #: over TLS compressed answers can leak secrets (BREACH): ``http.compression`` is off there
    compress_encrypted: bool = False


class BufferedBytes:
    """The bytes that request bodies hold in memory now, over all connections."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limit = limits.max_buffered_bytes
        self.held = 0

    def reserve(self, size: int) -> None:
        """Count ``size`` more bytes; raises a 429 failure, counting nothing, where it is too much."""
        wanted = self.held + size
        if wanted > self._limit:
            raise Failure(
                FailureKind.TOO_MANY_REQUESTS,
                "circuit_breaking_exception",
                f"[in_flight_requests] Data too large, data for [<http_request>] would be [{wanted}b], "
                f"which is larger than the limit of [{self._limit}b]",
                metadata={"bytes_wanted": wanted, "bytes_limit": self._limit, "durability": "TRANSIENT"},
            )
        self.held = wanted

    def release(self, size: int) -> None:
        """Give back what was reserved."""
        self.held -= size


def content_too_large(limits: HttpLimits) -> Failure:
    """Answer the failure of a body that is larger than allowed (413)."""
    return Failure(
        FailureKind.TOO_LARGE,
        "content_too_long_exception",
        f"the request's body is larger than http.max_content_length [{limits.max_content_bytes}b]; "
        "send it in smaller parts",
    )


def header_too_large(limits: HttpLimits) -> Failure:
    """Answer the failure of headers that are larger than allowed (400)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "too_long_http_header_exception",
        f"HTTP header is larger than {limits.max_header_bytes} bytes.",
    )


def request_line_too_large(limits: HttpLimits) -> Failure:
    """Answer the failure of a request line that is larger than allowed (400)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "too_long_http_line_exception",
        f"An HTTP line is larger than {limits.max_request_line_bytes} bytes.",
    )


def malformed_request() -> Failure:
    """Answer the failure of bytes that are not an HTTP/1.1 request (400)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "bad_parameter_exception",
        "the request is not well-formed HTTP/1.1",
    )


def too_many_connections() -> Failure:
    """Answer the failure of a connection above the limit (503)."""
    return Failure(
        FailureKind.UNAVAILABLE, "too_many_connections_exception", "too many connections, try again later"
    )
