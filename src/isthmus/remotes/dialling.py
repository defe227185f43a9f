"""Opening a connection that is ready for requests: connect, then introduce this node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from isthmus.clock import Clock, SystemClock
from isthmus.exchange import Record
from isthmus.remotes.address import Destination
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_dialling import open_by_certificate
from isthmus.remotes.certificate_failures import explain_end_after_certificate, explain_missing_key
from isthmus.remotes.connection import Connection, ConnectionLost, DialTimeouts, open_connection
from isthmus.remotes.handshake import (
    MAXIMUM_HANDSHAKE_BYTES,
    explain_silence,
    read_answer,
    require_common_version,
)
from isthmus.remotes.http_messages import Answer, BadAnswer, request_bytes
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import (
    AUTHORIZATION,
    CONTENT_TYPE,
    FEATURES,
    MAXIMUM_ANSWER_BYTES,
    ORIGIN_CLUSTER,
    Action,
    Decoders,
    Hello,
    NodesAnswer,
    NodesCall,
    Pong,
    Welcome,
    encode,
)
from isthmus.remotes.records import NodeIdentity, Revealable
from isthmus.remotes.signing import NoSigning, SignsRequests
from isthmus.remotes.tls_failures import (
    explain_wanted_certificate,
    wants_client_certificate,
)
from isthmus.remotes.transport_security import TransportSecurity
from isthmus.remotes.trust import TrustedAuthorities

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What all links of a node share. ``chance`` answers numbers in [0, 1)."""

    identity: NodeIdentity
    trust: TrustedAuthorities
    clock: Clock = field(default_factory=SystemClock)
    timeouts: DialTimeouts = field(default_factory=DialTimeouts)
    chance: Callable[[], float] = random.random
    decoders: Decoders = field(default_factory=Decoders)
    maximum_answer_bytes: int = MAXIMUM_ANSWER_BYTES
    #: None: links without a key cannot connect
    transport: TransportSecurity | None = None
    signing: SignsRequests = field(default_factory=NoSigning)


async def dial(
    destination: Destination, key: Revealable | None, context: LinkContext
) -> tuple[Connection, Welcome]:
    """Answer an open connection over which this node has introduced itself, and who is at its end.

    Without a key the certificate model is used. Raises
    :class:`isthmus.remotes.phases.PhaseFailure`; no connection is left open then.
    """
    if key is None:
        connection = await _open_without_key(destination, context)
    else:
        connection = await open_connection(
            destination,
            context.trust.for_server(destination.server_name),
            context.timeouts,
            MAXIMUM_HANDSHAKE_BYTES,
        )
    try:
        async with asyncio.timeout(context.timeouts.handshake_seconds):
            welcome = await send_hello(connection, destination, key, context)
    except TimeoutError:
        connection.abort()
        raise explain_silence("it took too long", destination) from None
    except BaseException:
        connection.abort()
        raise
    connection.allow_answers_of(context.maximum_answer_bytes)
    connection.node_id = welcome.node_id
    return connection, welcome


async def _open_without_key(destination: Destination, context: LinkContext) -> Connection:
    """Connect by certificate; where a remote cluster server is found instead, fail with what that says."""
    try:
        return await open_by_certificate(
            destination, context.transport, context.timeouts, MAXIMUM_HANDSHAKE_BYTES
        )
    except PhaseFailure as failure:
        if failure.cause is not Cause.NO_CREDENTIALS:
            raise
        said = await _asked_for_a_key(destination, context)
        if said is None:
            raise
        raise explain_missing_key(said, destination) from failure


async def _asked_for_a_key(destination: Destination, context: LinkContext) -> str | None:
    """Answer what a server that is trusted on links with keys says to somebody without one.

    None where there is no such server. Its certificate is verified, name and all, before anything is sent.
    """
    try:
        connection = await open_connection(
            destination,
            context.trust.for_server(destination.server_name),
            context.timeouts,
            MAXIMUM_HANDSHAKE_BYTES,
        )
    except PhaseFailure:
        return None
    try:
        async with asyncio.timeout(context.timeouts.handshake_seconds):
            await send_ping(connection, destination, None, context)
    except TimeoutError:
        return None
    except PhaseFailure as failure:
        return failure.reason if failure.phase is Phase.AUTHENTICATE else None
    finally:
        connection.abort()
    return None


async def send_hello(
    connection: Connection, destination: Destination, key: Revealable | None, context: LinkContext
) -> Welcome:
    """Introduce this node and answer who is there; raises PhaseFailure for everything but a welcome."""
    identity = context.identity
    hello = Hello(
        node_id=identity.node_id,
        cluster_id=identity.cluster_id,
        cluster_name=identity.cluster_name,
        software_version=identity.software_version,
        compatible_version=identity.compatible_version,
        features=FEATURES,
    )
    answer = await _ask(connection, destination, key, context, Action.HANDSHAKE, hello)
    welcome = _read(answer, Welcome, connection, destination, context)
    require_common_version(welcome, identity.software_version)
    return welcome


async def send_ping(
    connection: Connection, destination: Destination, key: Revealable | None, context: LinkContext
) -> Pong:
    """Answer what shows that the far side lives and takes the key; raises PhaseFailure otherwise."""
    answer = await _ask(connection, destination, key, context, Action.PING, Pong())
    return _read(answer, Pong, connection, destination, context)


async def ask_nodes(
    connection: Connection, destination: Destination, key: Revealable | None, context: LinkContext
) -> NodesAnswer:
    """Answer which nodes the far side has; raises PhaseFailure, also when that takes too long."""
    try:
        async with asyncio.timeout(context.timeouts.handshake_seconds):
            answer = await _ask(connection, destination, key, context, Action.NODES, NodesCall())
    except TimeoutError:
        raise explain_silence("it took too long to tell its nodes", destination) from None
    return _read(answer, NodesAnswer, connection, destination, context)


def _read(
    answer: Answer, kind: type[T], connection: Connection, destination: Destination, context: LinkContext
) -> T:
    try:
        return read_answer(answer, kind, destination, context.decoders)
    except PhaseFailure as failure:
        if connection.peer_chain and failure.phase is Phase.AUTHENTICATE:
            # Nobody has a key here: it is the certificate that was not taken.
            raise explain_end_after_certificate(failure.reason, destination, context.identity) from failure
        raise


async def _ask(
    connection: Connection,
    destination: Destination,
    key: Revealable | None,
    context: LinkContext,
    action: Action,
    record: Record,
) -> Answer:
    headers = [("content-type", CONTENT_TYPE), (ORIGIN_CLUSTER, context.identity.cluster_id)]
    body = encode(record)
    if key is not None:
        authorization = f"ApiKey {key.reveal()}"
        headers.append((AUTHORIZATION, authorization))
        headers += context.signing.headers(destination.alias, authorization, action.path, body)
    data = request_bytes(action.path, destination.server_name, headers, body)
    connection.key = key
    try:
        return await connection.request(data)
    except ConnectionLost as lost:
        if connection.peer_chain:
            raise explain_end_after_certificate(lost.reason, destination, context.identity) from lost
        if wants_client_certificate(lost.reason):
            raise explain_wanted_certificate(lost.reason, destination) from lost
        raise explain_silence(str(lost), destination) from lost
    except BadAnswer as error:
        raise explain_silence(str(error), destination) from error
