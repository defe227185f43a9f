"""How fast a follower may read and write: Elasticsearch's follow parameters and their defaults."""

from __future__ import annotations

from typing import Final

from isthmus.exchange import Record

UNLIMITED_BYTES: Final = 2**63 - 1
"""Elasticsearch's ``9223372036854775807b``."""


class FollowParameters(Record, frozen=True):
    """The parameters of one follower. Bytes and milliseconds are whole numbers."""

    max_read_request_operation_count: int = 5120
    max_read_request_size: int = 32 << 20
    max_outstanding_read_requests: int = 12
    max_write_request_operation_count: int = 5120
    max_write_request_size: int = UNLIMITED_BYTES
    max_outstanding_write_requests: int = 9
    max_write_buffer_count: int = 2**31 - 1
    max_write_buffer_size: int = 512 << 20
    max_retry_delay: int = 500
    read_poll_timeout: int = 60_000
