"""Requests over a connection of the doctor's own: pings, and on a user's behalf a count and a search."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from isthmus.doctor.access import not_reached
from isthmus.doctor.observations import AccessSeen, Observations, Refusal, SearchSeen, Trouble
from isthmus.errors import Failure
from isthmus.exchange import FailureReport, Record, SearchRequest, SearchResult
from isthmus.names import IndicesOptions
from isthmus.remotes.address import Destination
from isthmus.remotes.body_encodings import decompressed
from isthmus.remotes.causes import Cause
from isthmus.remotes.cluster import SEARCH_ACTION
from isthmus.remotes.connection import Connection, ConnectionLost
from isthmus.remotes.dialling import LinkContext, send_ping
from isthmus.remotes.failure_reports import failure_of
from isthmus.remotes.handshake import is_protocol_answer
from isthmus.remotes.http_messages import BadAnswer, request_bytes
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import (
    AUTHORIZATION,
    CONTENT_TYPE,
    ORIGIN_CLUSTER,
    TIMEOUT_MILLISECONDS,
    Action,
    CountAnswer,
    CountCall,
    SearchCall,
    encode,
)
from isthmus.remotes.records import Revealable
from isthmus.remotes.trace import current_trace
from isthmus.security.audit_notes import SentRequest, note_sent
from isthmus.security.certificate_caller import certificate_subject
from isthmus.security.principal import Principal
from isthmus.security.remote_caller import RemoteSubject, remote_subject

_PINGS: Final = 5
_REQUEST_TIMEOUT_SECONDS: Final = 10.0
_OK: Final = 200
#: counting and an answer without hits are small
_MAXIMUM_ANSWER_BYTES: Final = 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom to look at, with which key (None: by certificate), and on whose behalf."""

    destination: Destination
    key: Revealable | None
    principal: Principal
    expressions: tuple[str, ...]


async def talk(seen: Observations, over: Talk) -> Observations:
    """Ping, and ask on the user's behalf, as far as each answer allows."""
    try:
        seen = await over.ping(seen)
        seen = await over.count(seen)
        if seen.access is not None and seen.access.matching is not None:
            seen = replace(seen, search=await over.search())
    except PhaseFailure as failure:
        return replace(seen, later_trouble=Trouble.of(failure))
    return seen


@dataclass(frozen=True, slots=True)
class Talk:
    """Requests over one connection that has been introduced. Each raises PhaseFailure where it breaks."""

    connection: Connection
    patient: Patient
    context: LinkContext
    cluster_id: str

    async def ping(self, seen: Observations) -> Observations:
        """Answer how long each of a few pings took."""
        trips: list[float] = []
        try:
            for _ in range(_PINGS):
                started = self.context.clock.monotonic_seconds()
                async with asyncio.timeout(self.context.timeouts.handshake_seconds):
                    await send_ping(self.connection, self.patient.destination, self.patient.key, self.context)
                trips.append((self.context.clock.monotonic_seconds() - started) * 1000)
        except PhaseFailure as failure:
            lost = failure.__cause__ if isinstance(failure.__cause__, ConnectionLost | BadAnswer) else None
            trouble = Trouble.of(failure if lost is None else self._broken(str(lost)))
        except TimeoutError:
            trouble = Trouble.of(self._broken("a ping was not answered"))
        else:
            return replace(seen, round_trips_milliseconds=tuple(trips))
        return replace(seen, round_trips_milliseconds=tuple(trips), later_trouble=trouble)

    async def count(self, seen: Observations) -> Observations:
        """Answer how many indices the user may search; asks nothing over a connection that broke."""
        if seen.later_trouble is not None:
            return seen
        access = AccessSeen(self.patient.expressions, self.patient.principal.username)
        try:
            subject = self._subject()
        except Failure as failure:
            return replace(seen, access=replace(access, denied_here=failure.reason))
        if self.patient.key is not None:
            access = replace(access, not_in_roles=not_reached(subject, self.patient.expressions))
        call = CountCall(caller=subject, expressions=self.patient.expressions, options=IndicesOptions())
        try:
            answer = await self._ask(Action.COUNT, call, CountAnswer)
        except Failure as failure:
            return replace(seen, access=replace(access, refusal=_refusal(failure)))
        return replace(seen, access=replace(access, matching=answer.indices))

    async def search(self) -> SearchSeen:
        """Search without wanting hits."""
        call = SearchCall(
            caller=self._subject(),
            expressions=self.patient.expressions,
            options=IndicesOptions(),
            request=SearchRequest(size=0),
        )
        started = self.context.clock.monotonic_seconds()
        refusal, result = None, None
        try:
            result = await self._ask(Action.SEARCH, call, SearchResult)
        except Failure as failure:
            refusal = _refusal(failure)
        elapsed = (self.context.clock.monotonic_seconds() - started) * 1000
        if result is None or result.total is None:
            return SearchSeen(elapsed, refusal=refusal)
        return SearchSeen(elapsed, result.total.value, total_is_exact=result.total.relation == "eq")

    def _subject(self) -> RemoteSubject:
        """Answer how the user is presented there; raises a 403 Failure where nothing is granted."""
        if self.patient.key is None:
            return certificate_subject(self.patient.principal)
        return remote_subject(self.patient.principal, self.patient.destination.alias, SEARCH_ACTION)

    async def _ask(self, action: Action, record: CountCall | SearchCall, answer_type: type[T]) -> T:
        """Answer the far side's answer; raises its Failure, PhaseFailure where the connection breaks.

        It is a request on a user's behalf like any other, so the audit log has it too.
        """
        started = self.context.clock.monotonic_seconds()
        error_type: str | None = "cancelled"
        try:
            answer = await self._exchange(action, record, answer_type)
            error_type = None
        except Failure as failure:
            error_type = failure.error_type
            raise
        except PhaseFailure:
            error_type = "node_disconnected_exception"
            raise
        finally:
            note_sent(
                SentRequest(
                    alias=self.patient.destination.alias,
                    cluster_id=self.cluster_id,
                    action=action.value,
                    indices=record.expressions,
                    took_milliseconds=int((self.context.clock.monotonic_seconds() - started) * 1000),
                    error_type=error_type,
                )
            )
        return answer

    async def _exchange(self, action: Action, record: Record, answer_type: type[T]) -> T:
        destination, body = self.patient.destination, encode(record)
        headers = [
            ("content-type", CONTENT_TYPE),
            (ORIGIN_CLUSTER, self.context.identity.cluster_id),
            (TIMEOUT_MILLISECONDS, str(int(_REQUEST_TIMEOUT_SECONDS * 1000))),
            *current_trace().headers(),
        ]
        if self.patient.key is not None:
            authorization = f"ApiKey {self.patient.key.reveal()}"
            headers.append((AUTHORIZATION, authorization))
            headers += self.context.signing.headers(destination.alias, authorization, action.path, body)
        data = request_bytes(action.path, destination.server_name, headers, body)
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS):
                answer = await self.connection.request(data)
        except TimeoutError:
            raise self._broken(f"no answer within {_REQUEST_TIMEOUT_SECONDS:g} s") from None
        except (ConnectionLost, BadAnswer) as error:
            raise self._broken(str(error)) from error
        if not is_protocol_answer(answer):
            raise self._broken(f"something in between answered with HTTP status [{answer.status}]")
        body = decompressed(answer.body, "", _MAXIMUM_ANSWER_BYTES)
        decoders = self.context.decoders
        if answer.status != _OK:
            raise failure_of(decoders.decode(FailureReport, body))
        return decoders.decode(answer_type, body)

    def _broken(self, reason: str) -> PhaseFailure:
        return PhaseFailure(
            Phase.CONNECT,
            f"the connection to [{self.patient.destination.address}] did not last: {reason}",
            "check the remote node, and that nothing on the way cuts connections",
            cause=Cause.CONNECTION_BREAKS,
        )


def _refusal(failure: Failure) -> Refusal:
    return Refusal(failure.kind, failure.error_type, failure.reason)
