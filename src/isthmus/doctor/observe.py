"""Looks at one remote cluster over connections of its own. Decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import replace
from typing import Final

from isthmus.doctor.observations import Observations, ServerSeen, Trouble
from isthmus.doctor.talk import Patient, Talk, talk
from isthmus.remotes.address import Destination
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import certificate_facts_or_none
from isthmus.remotes.connection import DialTimeouts
from isthmus.remotes.dialling import LinkContext, dial
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import Welcome

#: short: an administrator waits, and whoever needs longer is found out just by that
TIMEOUTS: Final = DialTimeouts(
    resolve_seconds=3.0, connect_seconds=3.0, tls_seconds=3.0, handshake_seconds=5.0
)
#: a server name that no deployment has (RFC 2606)
_NAME_OF_NOBODY: Final = "isthmus-doctor.invalid"
#: where a second look would only take as long and fail as the first
_WITHOUT_CERTIFICATE: Final = (
    Cause.NOT_TLS,
    Cause.TLS_UNANSWERED,
    Cause.UNKNOWN_SERVER_NAME,
    Cause.TLS_FAILED,
)


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
        return await talk(seen, Talk(connection, patient, context, welcome.cluster_id))
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
