"""What TLS costs a round trip: the event loop's own beside the one between nodes, and no TLS at all.

Run: ``.venv/bin/python benchmarks/tls.py``. Both ends in one process, 700 bytes there and 2,500 back, one
after the other; the best of several rounds. Figures are for comparing within a run.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import time
from typing import Final, cast

import trustme
import uvloop

from isthmus.remotes.tls_stream import start_tls

NAME: Final = "far.example.org"
QUESTION: Final = b"q" * 700
ANSWER: Final = b"a" * 2_500
ROUNDS: Final = 15
ROUND_TRIPS: Final = 500


class Server(asyncio.Protocol):
    """Answers whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)


class Client(asyncio.Protocol):
    """Asks, and waits for the whole answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count what has come."""
        self._left -= len(data)
        if self._left <= 0:
            self._answered.set_result(None)

    async def ask(self) -> None:
        """Make one round trip."""
        self._left = len(ANSWER)
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(QUESTION)
        await self._answered


async def microseconds(client: Client) -> float:
    """Answer the best mean of a round trip."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(ROUND_TRIPS):
            await client.ask()
        best = min(best, (time.perf_counter() - started) / ROUND_TRIPS)
    client.transport.abort()
    return best * 1_000_000


async def by_event_loop(server: ssl.SSLContext | None, client: ssl.SSLContext | None) -> float:
    """Answer the time of a round trip with the event loop's transports."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(Server, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    name = NAME if client else None
    _, asking = await loop.create_connection(Client, "127.0.0.1", port, ssl=client, server_hostname=name)
    listening.close()
    return await microseconds(asking)


async def by_tls_stream(server: ssl.SSLContext, client: ssl.SSLContext) -> float:
    """Answer the time of a round trip with the transport that connections between nodes have."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    for end in (ours, theirs):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asking, _ = await asyncio.gather(
        start_tls(ours, client, Client, server_hostname=NAME, handshake_seconds=5),
        start_tls(theirs, server, Server, server_side=True, handshake_seconds=5),
    )
    return await microseconds(asking)


async def measure() -> None:
    """Print all three."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    plain = await by_event_loop(None, None)
    loop = await by_event_loop(server, client)
    own = await by_tls_stream(server, client)
    print(f"no TLS                  {plain:6.0f} us")
    print(f"TLS of the event loop   {loop:6.0f} us")
    print(f"TLS straight on sockets {own:6.0f} us   {loop / own:.1f} times as quick")


if __name__ == "__main__":
    uvloop.run(measure())
    sys.exit(0)
