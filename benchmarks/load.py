"""A load generator: so many connections, each sending the next request when the last is answered.

Run as a process of its own, so that measuring does not share an interpreter with what is measured.
Prints one line of JSON: requests a second, p50 and p99 in milliseconds, failures.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import ssl
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

_OK = b"HTTP/1.1 200 "
_LENGTH = b"\r\ncontent-length: "


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; ``latencies`` holds the seconds of every answered request.

    Of an answer it looks at the status and the length only: what the load generator costs is taken from what
    it measures, where they share processors.
    """

    def __init__(self, request: bytes, deadline: float) -> None:
        self._request = request
        self._deadline = deadline
        self._received = b""
        #: the bytes of the whole answer; 0: not known yet
        self._expected = 0
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.latencies: list[float] = []
        self.failures = 0
        self.finished = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count an answer that is whole and send the next request, until the time is over."""
        received = self._received = self._received + data if self._received else data
        if not self._expected:
            head = received.find(b"\r\n\r\n")
            if head < 0:
                return
            begin = received[: head + 2].lower().index(_LENGTH) + len(_LENGTH)
            self._expected = head + 4 + int(received[begin : received.index(b"\r", begin)])
        if len(received) < self._expected:
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent_at)
        if not received.startswith(_OK):
            self.failures += 1
        self._received = b""
        self._expected = 0
        if now < self._deadline:
            self._send()
        elif not self.finished.done():
            self.finished.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.failures += 1
            self.finished.set_result(exc)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


async def _run(options: argparse.Namespace) -> dict[str, float]:
    parts = urlsplit(options.url)
    context = ssl.create_default_context(cafile=options.authority) if parts.scheme == "https" else None
    body = options.body.read_bytes()
    password = os.environ.get("LOAD_PASSWORD", "")
    token = base64.b64encode(f"{options.user}:{password}".encode()).decode()
    request = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    deadline = started + options.seconds
    connections = []
    for _ in range(options.connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(request, deadline), parts.hostname, parts.port, ssl=context
        )
        connections.append(connection)
    await asyncio.gather(*(connection.finished for connection in connections))
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    latencies = sorted(value for connection in connections for value in connection.latencies)
    return {
        "requests_per_second": len(latencies) / elapsed,
        "p50_milliseconds": 1000 * _percentile(latencies, 0.5),
        "p99_milliseconds": 1000 * _percentile(latencies, 0.99),
        "failures": sum(connection.failures for connection in connections),
    }


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--user", default="elastic", help="password in the variable LOAD_PASSWORD")
    parser.add_argument("--authority", help="PEM file of the authority to trust")
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    print(json.dumps(uvloop.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    main()
