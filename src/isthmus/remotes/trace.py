"""What lets an operator find one request again in another cluster.

Whoever asks something of this node may set ``X-Opaque-Id`` or ``traceparent``; every request to a remote
cluster that follows from it carries them on, and a request id with them: the caller's ``X-Request-Id`` or
one that is made here, the same in the logs and audit logs of every cluster on the way. The current
request's trace belongs to its task, as the request itself does, so that nothing in between has to pass
it along.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

import msgspec

from isthmus.remotes.protocol import OPAQUE_ID, REQUEST_ID, TRACE_PARENT


class Trace(msgspec.Struct, frozen=True):
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


#: what is taken as a request id from outside: something that names, not something that tells a story
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
#: 22 characters, as Elasticsearch's
_REQUEST_ID_BYTES: Final = 16

NO_TRACE: Final = Trace()
_CURRENT: Final[ContextVar[Trace]] = ContextVar("trace", default=NO_TRACE)


def trace_of(headers: Mapping[str, str]) -> Trace:
    """Answer what a request's headers (lower-case names) say, with a new request id where they give none."""
    request_id = headers.get(REQUEST_ID, "")
    if _REQUEST_ID.fullmatch(request_id) is None:
        request_id = secrets.token_urlsafe(_REQUEST_ID_BYTES)
    return Trace(request_id, headers.get(OPAQUE_ID), headers.get(TRACE_PARENT))


def begin_trace(headers: Mapping[str, str]) -> Trace:
    """Make this the trace of the current task and of the tasks that it starts from now on; answers it."""
    trace = trace_of(headers)
    _CURRENT.set(trace)
    return trace


def current_trace() -> Trace:
    """Answer the trace of the current task; an empty one where none was begun."""
    return _CURRENT.get()
