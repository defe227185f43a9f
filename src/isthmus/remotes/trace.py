"""What lets an operator find one request again in another cluster.

Whoever asks something of this node may set ``X-Opaque-Id`` or ``traceparent``; every request to a remote
cluster that follows from it carries them on. The current request's trace belongs to its task, as the
request itself does, so that nothing in between has to pass it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from isthmus.remotes.protocol import OPAQUE_ID, REQUEST_ID, TRACE_PARENT


@dataclass(frozen=True, slots=True)
class Trace:
    """The identifiers of one request. None: not given."""

    request_id: str | None = None
    opaque_id: str | None = None
    trace_parent: str | None = None

    def headers(self) -> list[tuple[str, str]]:
        """Answer the headers that carry this on."""
        given = (
            (REQUEST_ID, self.request_id),
            (OPAQUE_ID, self.opaque_id),
            (TRACE_PARENT, self.trace_parent),
        )
        return [(name, value) for name, value in given if value]


NO_TRACE: Final = Trace()
_CURRENT: Final[ContextVar[Trace]] = ContextVar("trace", default=NO_TRACE)


def trace_of(headers: Mapping[str, str]) -> Trace:
    """Answer what a request's headers (lower-case names) say."""
    return Trace(headers.get(REQUEST_ID), headers.get(OPAQUE_ID), headers.get(TRACE_PARENT))


def begin_trace(headers: Mapping[str, str]) -> None:
    """Make this the trace of the current task and of the tasks that it starts from now on."""
    _CURRENT.set(trace_of(headers))


def current_trace() -> Trace:
    """Answer the trace of the current task; an empty one where none was begun."""
    return _CURRENT.get()
