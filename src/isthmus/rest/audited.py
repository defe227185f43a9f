"""An application whose requests are written into the audit log: around either dialect, on either port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from isthmus.clock import Clock
from isthmus.errors import Failure
from isthmus.remotes.protocol import ORIGIN_CLUSTER, REQUEST_ID
from isthmus.remotes.trace import Trace, begin_trace
from isthmus.rest.http import HttpApplication, Request, Response
from isthmus.security.audit import TRANSPORT, Audit, AuditedRequest, Outcome
from isthmus.security.audit_notes import Notes, begin_notes


class AuditedApplication:
    """Lets an application answer, and has what it noted meanwhile written. An ``HttpApplication`` itself."""

    def __init__(self, application: HttpApplication, audit: Audit, layer: str, clock: Clock) -> None:
        self._application = application
        self._audit = audit
        self._layer = layer
        self._clock = clock

    async def handle(self, request: Request) -> Response:
        """Answer what the application answers; raises what it raises."""
        notes = begin_notes()
        trace = begin_trace(request.headers)
        started_seconds = self._clock.monotonic_seconds()
        status: int | None = None
        notes.writer = partial(self._writer, request, trace)
        try:
            response = await self._application.handle(_identified(request, trace))
            status = response.status
        finally:  # whoever goes away before the answer has still asked
            took_seconds = self._clock.monotonic_seconds() - started_seconds
            outcome = Outcome(status, int(took_seconds * 1000))
            # In the next turn of the loop: the answer leaves first.
            asyncio.get_running_loop().call_soon(self._ended, request, trace, notes, outcome)
        return response

    async def admit(self, head: Request) -> Response | None:
        """Answer why a body is not read; only a refusal is written, as what is admitted comes again."""
        notes = begin_notes()
        trace = begin_trace(head.headers)
        refusal = await self._application.admit(head)
        if refusal is not None:
            self._audit.request_ended(self._audited(head, trace), notes, Outcome(refusal.status, 0))
        return refusal

    def refuse(self, failure: Failure) -> Response:
        """Answer for a request that never became one."""
        return self._application.refuse(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Tell what the application tells."""
        return self._application.may_be_abandoned(method, path)

    def _ended(self, request: Request, trace: Trace, notes: Notes, outcome: Outcome) -> None:
        if self._audit.tells_of(self._layer, notes):
            self._audit.request_ended(self._audited(request, trace), notes, outcome)

    def _writer(self, request: Request, trace: Trace) -> Callable[[Notes], None]:
        """Answer what writes that which goes on after the request was answered."""
        audited = self._audited(request, trace)
        return lambda notes: self._audit.request_ended(audited, notes, Outcome(None, 0))

    def _audited(self, request: Request, trace: Trace) -> AuditedRequest:
        headers: Mapping[str, str] = request.headers
        return AuditedRequest(
            layer=self._layer,
            method=request.method,
            path=request.path,
            address=request.peer.address,
            # A claim, as in Elasticsearch: only where there is no address is it the door that makes it.
            forwarded_for=headers.get("x-forwarded-for"),
            request_id=trace.request_id,
            opaque_id=trace.opaque_id,
            trace_parent=trace.trace_parent,
            origin_cluster=headers.get(ORIGIN_CLUSTER) if self._layer == TRANSPORT else None,
            authorization=headers.get("authorization", ""),
        )


def _identified(request: Request, trace: Trace) -> Request:
    """Answer the request with the id that was made for it as its own."""
    request_id = trace.request_id or ""
    if request.headers.get(REQUEST_ID) == request_id:
        return request
    headers = {**request.headers, REQUEST_ID: request_id}
    return Request(request.method, request.path, request.parameters, headers, request.body, request.peer)
