"""Looks at one remote cluster over connections of its own. Decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from isthmus.doctor.access import not_reached
from isthmus.doctor.observations import (
    AccessSeen,
    Observations,
    Refusal,
    SearchSeen,
    ServerSeen,
    Trouble,
)
from isthmus.errors import Failure
from isthmus.exchange import FailureReport, Record, SearchRequest, SearchResult
from isthmus.names import IndicesOptions
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import certificate_facts_or_none
from isthmus.remotes.cluster import SEARCH_ACTION
from isthmus.remotes.connection import Connection, ConnectionLost, DialTimeouts
from isthmus.remotes.dialling import LinkContext, dial, send_ping
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
    Welcome,
    decompressed,
    encode,
)
from isthmus.remotes.records import Revealable
from isthmus.remotes.tls_failures import Destination
from isthmus.security.certificate_caller import certificate_subject
from isthmus.security.principal import Principal
from isthmus.security.remote_caller import RemoteSubject, remote_subject

#: short: an administrator waits, and whoever needs longer is found out just by that
TIMEOUTS: Final = DialTimeouts(
    resolve_seconds=3.0, connect_seconds=3.0, tls_seconds=3.0, handshake_seconds=5.0
)
_PINGS: Final = 5
_REQUEST_TIMEOUT_SECONDS: Final = 10.0
_OK: Final = 200
#: counting and an answer without hits are small
_MAXIMUM_ANSWER_BYTES: Final = 1024 * 1024
#: a server name that no deployment has (RFC 2606)
_NAME_OF_NOBODY: Final = "isthmus-doctor.invalid"
#: where a second look would only take as long and fail as the first
_WITHOUT_CERTIFICATE: Final = (
    Cause.NOT_TLS,
    Cause.TLS_UNANSWERED,
    Cause.UNKNOWN_SERVER_NAME,
    Cause.TLS_FAILED,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom to look at, with which key (None: by certificate), and on whose behalf."""

    destination: Destination
    key: Revealable | None
    principal: Principal
    expressions: tuple[str, ...]


async def observe(seen: Observations, patient: Patient, context: LinkContext) -> Observations:
    """Answer what was known before, with what a fresh connection shows.

    Takes at most some twenty seconds, whatever the other side does; raises nothing but cancellation.
    """
    seen = replace(seen, addresses=await _addresses(patient.destination, context.timeouts))
    try:
        connection, welcome = await dial(patient.destination, patient.key, context)
    except PhaseFailure as failure:
        trouble = Trouble.of(failure)
        return replace(seen, trouble=trouble, server=await _look_after(trouble, patient, context))
    try:
        seen = replace(seen, welcome=welcome, skew_seconds=_skew_seconds(welcome, context))
        seen = replace(seen, server=await _look(patient.destination, context.timeouts))
        return await _talk(seen, _Talk(connection, patient, context))
    finally:
        connection.abort()


def _skew_seconds(welcome: Welcome, context: LinkContext) -> float | None:
    """Answer how far the remote's clock is ahead, to within the time that the answer took."""
    if welcome.now_milliseconds is None:
        return None
    return (welcome.now_milliseconds - context.clock.now_milliseconds()) / 1000


async def _addresses(destination: Destination, timeouts: DialTimeouts) -> tuple[str, ...]:
    """Answer what the host stands for; nothing where that cannot be found out, which connecting tells."""
    address = destination.address
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, UnicodeError):  # TimeoutError is an OSError
        async with asyncio.timeout(timeouts.resolve_seconds):
            found = await loop.getaddrinfo(address.host, address.port)
        return tuple(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))
    return ()


async def _look_after(trouble: Trouble, patient: Patient, context: LinkContext) -> ServerSeen | None:
    """Look again, without verifying, where that can tell more about what went wrong."""
    if trouble.cause is Cause.CLOSED_DURING_TLS:
        nobody = replace(patient.destination, server_name=_NAME_OF_NOBODY)
        return ServerSeen(tells_unknown_names_apart=await _is_name_refused(nobody, context.timeouts))
    if trouble.phase in (Phase.RESOLVE, Phase.CONNECT) or trouble.cause in _WITHOUT_CERTIFICATE:
        return None
    return await _look(patient.destination, context.timeouts)


async def _look(destination: Destination, timeouts: DialTimeouts) -> ServerSeen:
    """Answer what the server shows to anybody. Nothing is sent, and nothing of it is believed."""
    try:
        transport = await _unverified(destination, timeouts)
    except OSError:
        return ServerSeen()
    try:
        secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        der = secured.getpeercert(binary_form=True) if secured is not None else None
        return ServerSeen(
            certificate=certificate_facts_or_none(der) if der else None,
            tls_version=(secured.version() or "") if secured is not None else "",
        )
    finally:
        transport.abort()


async def _is_name_refused(destination: Destination, timeouts: DialTimeouts) -> bool:
    """Tell whether the server answers this name with "unrecognized name"."""
    try:
        transport = await _unverified(destination, timeouts)
    except ssl.SSLError as error:
        return "UNRECOGNIZED_NAME" in (error.reason or "")
    except OSError:
        return False
    transport.abort()
    return False


async def _unverified(destination: Destination, timeouts: DialTimeouts) -> asyncio.Transport:
    """Open TLS with whoever is there; raises OSError, of which ssl.SSLError and TimeoutError are two."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = destination.address
    async with asyncio.timeout(timeouts.connect_seconds + timeouts.tls_seconds):
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol,
            address.host,
            address.port,
            ssl=context,
            server_hostname=destination.server_name,
            ssl_handshake_timeout=timeouts.tls_seconds,
        )
    return transport


async def _talk(seen: Observations, talk: _Talk) -> Observations:
    """Ping, and ask on the user's behalf, as far as each answer allows."""
    try:
        seen = await talk.ping(seen)
        seen = await talk.count(seen)
        if seen.access is not None and seen.access.matching is not None:
            seen = replace(seen, search=await talk.search())
    except PhaseFailure as failure:
        return replace(seen, later_trouble=Trouble.of(failure))
    return seen


@dataclass(frozen=True, slots=True)
class _Talk:
    """Requests over one connection that has been introduced. Each raises PhaseFailure where it breaks."""

    connection: Connection
    patient: Patient
    context: LinkContext

    async def ping(self, seen: Observations) -> Observations:
        trips: list[float] = []
        try:
            for _ in range(_PINGS):
                started = self.context.clock.monotonic_seconds()
                async with asyncio.timeout(self.context.timeouts.handshake_seconds):
                    await send_ping(self.connection, self.patient.destination, self.patient.key, self.context)
                trips.append((self.context.clock.monotonic_seconds() - started) * 1000)
        except PhaseFailure as failure:
            trouble = Trouble.of(failure)
        except TimeoutError:
            trouble = Trouble.of(self._broken("a ping was not answered"))
        else:
            return replace(seen, round_trips_milliseconds=tuple(trips))
        return replace(seen, round_trips_milliseconds=tuple(trips), later_trouble=trouble)

    async def count(self, seen: Observations) -> Observations:
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

    async def _ask(self, action: Action, record: Record, answer_type: type[T]) -> T:
        """Answer the far side's answer; raises its Failure, PhaseFailure where the connection breaks."""
        destination, body = self.patient.destination, encode(record)
        headers = [
            ("content-type", CONTENT_TYPE),
            (ORIGIN_CLUSTER, self.context.identity.cluster_id),
            (TIMEOUT_MILLISECONDS, str(int(_REQUEST_TIMEOUT_SECONDS * 1000))),
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
