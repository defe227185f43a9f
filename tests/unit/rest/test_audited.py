"""Requests around which an audit log is kept: one id from begin to end, and a line however they end."""

from __future__ import annotations

import asyncio

import pytest

from isthmus.clock import SystemClock
from isthmus.errors import Failure, security_failure
from isthmus.exchange import JsonObject
from isthmus.remotes.protocol import REQUEST_ID
from isthmus.remotes.trace import begin_trace, current_trace
from isthmus.rest.audited import AuditedApplication
from isthmus.rest.http import Request, Response
from isthmus.security.audit import REST, TRANSPORT, Audit
from isthmus.security.audit_notes import (
    SentRequest,
    continue_notes,
    note_denied,
    note_principal,
    note_sent,
)
from isthmus.security.principal import Principal


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[JsonObject] = []

    def write(self, line: JsonObject) -> None:
        self.lines.append(line)


class Application:
    """Denies, asks another cluster in a task of its own, and may take for ever."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def handle(self, request: Request) -> Response:
        begin_trace(request.headers)  # as every dialect does
        self.seen.append(current_trace().request_id)
        note_denied("indices:data/read/search", ["logs"])
        await asyncio.create_task(self._ask())
        await self.hold.wait()
        return Response(403)

    async def admit(self, head: Request) -> Response | None:
        if head.path == "/refused":
            note_denied("cluster:monitor/main")
            return Response(403)
        return None

    def refuse(self, failure: Failure) -> Response:
        return Response(400, failure.reason.encode())

    def may_be_abandoned(self, method: str, path: str) -> bool:
        return method == "GET" and bool(path)

    async def _ask(self) -> None:
        self.seen.append(current_trace().request_id)
        note_sent(SentRequest("eu", "b", "search", ("logs",), 1))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("job:7/part-2", True),
        (None, False),
        ("", False),
        ("two words", False),
        ("x" * 129, False),
        ("a\r\nb", False),
        ("ü", False),
    ],
)
async def test_a_request_has_one_id(given: str | None, kept: bool) -> None:
    """What names a request is kept, anything else is replaced, and it is the same everywhere."""
    sink, application = Sink(), Application()
    audited = AuditedApplication(application, Audit(sink, {}, SystemClock()), REST, SystemClock())
    headers = {} if given is None else {REQUEST_ID: given}
    await audited.handle(Request("GET", "/logs/_search", headers=headers))
    await asyncio.sleep(0)  # lines are made once the answer is on its way
    ids = {*application.seen, *(line["request.id"] for line in sink.lines)}
    assert len(ids) == 1
    assert (ids == {given}) is kept
    assert [line["event.action"] for line in sink.lines] == ["access_denied", "cross_cluster_request_sent"]


async def test_requests_at_the_same_time_do_not_mix() -> None:
    """Each request's notes are its own."""
    sink, application = Sink(), Application()
    audited = AuditedApplication(application, Audit(sink, {}, SystemClock()), REST, SystemClock())
    await asyncio.gather(
        *(
            asyncio.create_task(audited.handle(Request("GET", "/", headers={REQUEST_ID: f"r{number}"})))
            for number in range(20)
        )
    )
    assert len(sink.lines) == 40
    assert len({line["request.id"] for line in sink.lines}) == 20


async def test_who_goes_away_has_still_asked() -> None:
    """A request that is given up leaves its lines."""
    sink, application = Sink(), Application()
    application.hold.clear()
    audited = AuditedApplication(application, Audit(sink, {}, SystemClock()), TRANSPORT, SystemClock())
    task = asyncio.create_task(audited.handle(Request("POST", "/_isthmus/v1/search")))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "access_denied" in [line["event.action"] for line in sink.lines]


async def test_only_refusals_are_written_before_a_body_is_read() -> None:
    """What is admitted comes again with its body; what is refused does not."""
    sink = Sink()
    audited = AuditedApplication(Application(), Audit(sink, {}, SystemClock()), REST, SystemClock())
    assert await audited.admit(Request("PUT", "/fine")) is None
    assert sink.lines == []
    assert await audited.admit(Request("PUT", "/refused")) is not None
    assert [line["event.action"] for line in sink.lines] == ["access_denied"]
    assert audited.refuse(security_failure("no")).body == b"no"
    assert audited.may_be_abandoned("GET", "/")


async def test_work_that_goes_on_after_its_request_is_written_when_it_ends() -> None:
    """As the request's, by the caller of the request, and without another authentication."""
    sink = Sink()
    caller = Principal("ann", (), (), "native1", "native")
    gate = asyncio.Event()
    works: list[asyncio.Task[None]] = []

    async def work() -> None:
        write_notes = continue_notes()
        await gate.wait()
        note_sent(SentRequest("eu", "b", "search", ("logs",), 1))
        note_denied("indices:data/read/search", ["logs"])
        write_notes()

    class Submitting(Application):
        async def handle(self, request: Request) -> Response:
            begin_trace(request.headers)
            note_principal(caller)
            works.append(asyncio.create_task(work()))
            await asyncio.sleep(0)
            note_denied("cluster:monitor/main")
            return Response(200)

    audit = Audit(sink, {}, SystemClock())
    audit.apply({"xpack.security.audit.enabled": "true"})
    audited = AuditedApplication(Submitting(), audit, REST, SystemClock())
    await audited.handle(Request("POST", "/_async_search", headers={REQUEST_ID: "r1"}))
    await asyncio.sleep(0)
    before = [line["event.action"] for line in sink.lines]
    gate.set()
    await asyncio.gather(*works)
    after = sink.lines[len(before) :]
    assert "access_denied" in before
    assert sorted(line["event.action"] for line in after) == ["access_denied", "cross_cluster_request_sent"]
    assert {(line["request.id"], line["user.name"]) for line in after} == {("r1", "ann")}
