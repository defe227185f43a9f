"""Opening a connection that is ready for requests: connect, then introduce this node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from isthmus.clock import Clock, SystemClock
from isthmus.exchange import Record
from isthmus.remotes.connection import Connection, ConnectionLost, DialTimeouts, open_connection
from isthmus.remotes.handshake import (
    MAXIMUM_HANDSHAKE_BYTES,
    explain_silence,
    read_answer,
    require_common_version,
)
from isthmus.remotes.http_messages import Answer, BadAnswer, request_bytes
from isthmus.remotes.protocol import (
    AUTHORIZATION,
    CONTENT_TYPE,
    MAXIMUM_ANSWER_BYTES,
    ZSTANDARD,
    Action,
    Decoders,
    Hello,
    Pong,
    Welcome,
    encode,
)
from isthmus.remotes.records import NodeIdentity, Revealable
from isthmus.remotes.tls_failures import Destination
from isthmus.remotes.trust import TrustedAuthorities


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


async def dial(destination: Destination, key: Revealable, context: LinkContext) -> tuple[Connection, Welcome]:
    """Answer an open connection over which this node has introduced itself, and who is at its end.

    Raises :class:`isthmus.remotes.phases.PhaseFailure`; no connection is left open then.
    """
    connection = await open_connection(destination, context.trust, context.timeouts, MAXIMUM_HANDSHAKE_BYTES)
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
    return connection, welcome


async def send_hello(
    connection: Connection, destination: Destination, key: Revealable, context: LinkContext
) -> Welcome:
    """Introduce this node and answer who is there; raises PhaseFailure for everything but a welcome."""
    identity = context.identity
    hello = Hello(
        node_id=identity.node_id,
        cluster_id=identity.cluster_id,
        cluster_name=identity.cluster_name,
        software_version=identity.software_version,
        compatible_version=identity.compatible_version,
        features=(ZSTANDARD,),
    )
    answer = await _ask(connection, destination, key, Action.HANDSHAKE, hello)
    welcome = read_answer(answer, Welcome, destination, context.decoders)
    require_common_version(welcome, identity.software_version)
    return welcome


async def send_ping(
    connection: Connection, destination: Destination, key: Revealable, context: LinkContext
) -> None:
    """Return when the far side has shown that it lives and takes the key; raises PhaseFailure otherwise."""
    answer = await _ask(connection, destination, key, Action.PING, Pong())
    read_answer(answer, Pong, destination, context.decoders)


async def _ask(
    connection: Connection, destination: Destination, key: Revealable, action: Action, record: Record
) -> Answer:
    headers = [("content-type", CONTENT_TYPE), (AUTHORIZATION, f"ApiKey {key.reveal()}")]
    data = request_bytes(action.path, destination.server_name, headers, encode(record))
    try:
        return await connection.request(data)
    except (ConnectionLost, BadAnswer) as error:
        raise explain_silence(str(error), destination) from error
