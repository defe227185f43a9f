"""Slow links for tests: a relay that counts round trips, and a namespace with a slow, lossy way into it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

#: there and back
ROUND_TRIP_SECONDS: Final = 0.1
#: what a segment that was lost costs: the sender notices after this at the earliest
_RETRANSMISSION_SECONDS: Final = 0.2
_LOSS: Final = 0.01
_ASKED, _ANSWERED = "asked", "answered"


class CountingRelay:
    """Passes bytes on between whoever connects to it and one address, and keeps who spoke when.

    A round trip is the asking side's speaking after the answering side's (or first of all). With ``slow``
    every piece arrives half a round trip later, and now and then another while: as over a lossy link.
    """

    def __init__(self, target: tuple[str, int], *, slow: bool) -> None:
        self._target = target
        self._slow = slow
        self._chance = random.Random(4)  # noqa: S311 - the same losses in every run
        self._last: dict[object, str] = {}
        self.round_trips = 0
        self.connections = 0

    def forget(self) -> None:
        """Count from now on."""
        self.round_trips = 0
        self.connections = 0
        self._last.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until either side ends it."""
        self.connections += 1
        connection = object()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.create_task(self._pass_on(connection, _ASKED, reader, far_writer)),
            asyncio.create_task(self._pass_on(connection, _ANSWERED, far_reader, writer)),
        ]
        try:
            # The end of the test is the end of the relay: nobody is to be told of it.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, far_writer):
                each.close()

    async def _pass_on(
        self, connection: object, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    if who is _ASKED and self._last.get(connection) != _ASKED:
                        self.round_trips += 1
                    self._last[connection] = who
                    waiting.put_nowait((loop.time() + self._delay_seconds(), data))
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    def _delay_seconds(self) -> float:
        if not self._slow:
            return 0.0
        lost = self._chance.random() < _LOSS
        return ROUND_TRIP_SECONDS / 2 + (_RETRANSMISSION_SECONDS if lost else 0.0)


@dataclass(frozen=True)
class SlowLink:
    """Where to connect to, and what counts what goes through."""

    address: str
    relay: CountingRelay


@contextmanager
def slow_relay(target: str) -> Iterator[SlowLink]:
    """Answer a way to an address on which everything takes 50 ms, both ways, and 1 % longer."""
    relay = CountingRelay(_split(target), slow=True)

    @contextlib.asynccontextmanager
    async def listening() -> AsyncIterator[str]:
        async with await asyncio.start_server(relay.serve, "127.0.0.1", 0) as server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    with _in_a_thread(listening()) as address:
        yield SlowLink(address, relay)


@contextmanager
def slow_namespace(target: str, folder: Path) -> Iterator[SlowLink]:
    """Answer a way to an address through a network namespace behind ``tc netem``: 100 ms, 1 % loss.

    Only the way into the namespace is slow: what listens there passes on over a Unix socket. Skips the test
    where no namespace can be made, or the kernel has no netem.
    """
    relay = CountingRelay(_split(target), slow=False)
    inside = folder / "relay.sock"

    @contextlib.asynccontextmanager
    async def listening() -> AsyncIterator[str]:
        async with await asyncio.start_unix_server(relay.serve, inside):
            yield str(inside)

    with _namespace() as (name, host), _in_a_thread(listening()):
        command = [sys.executable, __file__, host, str(inside)]
        process = subprocess.Popen(  # noqa: S603 - this very file
            [_program("ip"), "netns", "exec", name, *command], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield SlowLink(f"{host}:{process.stdout.readline().strip()}", relay)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _namespace() -> Iterator[tuple[str, str]]:
    """Answer the name of a namespace and its address on the slow way into it."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace can be made by root only")
    name = f"isthmus-{uuid.uuid4().hex[:6]}"
    outer, inner = f"{name[-6:]}-o", f"{name[-6:]}-i"
    # A network of four addresses of those that are kept for measuring devices (RFC 2544).
    network = f"198.18.{random.randrange(256)}"  # noqa: S311 - no secret
    half = f"{int(ROUND_TRIP_SECONDS * 500)}ms"
    try:
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _run("ip", "address", "add", f"{network}.1/30", "dev", outer)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "netns", "exec", name, "ip", "address", "add", f"{network}.2/30", "dev", inner)
        _run("ip", "netns", "exec", name, "ip", "link", "set", inner, "up")
        _run("tc", "qdisc", "add", "dev", outer, "root", "netem", "delay", half, "loss", "1%")
        slow = ("tc", "qdisc", "add", "dev", inner, "root", "netem", "delay", half, "loss", "1%")
        _run("ip", "netns", "exec", name, *slow)
        yield name, f"{network}.2"
    finally:
        subprocess.run([_program("ip"), "netns", "delete", name], check=False, capture_output=True)  # noqa: S603


def _run(*command: str) -> None:
    program, *arguments = command
    done = subprocess.run(  # noqa: S603 - programs of iproute2
        [_program(program), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no slow network namespace here: {' '.join(command)}: {done.stderr.strip()}")


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no slow network namespace here: {name} is not installed (Debian: iproute2)")
    return found


@contextmanager
def _in_a_thread(serving: contextlib.AbstractAsyncContextManager[str]) -> Iterator[str]:
    """Run an asynchronous context on an event loop of its own; answer what it answers."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def leave() -> None:
        await serving.__aexit__(None, None, None)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(30)
        asyncio.run_coroutine_threadsafe(leave(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


async def _serve_inside(host: str, path: str) -> None:
    """Listen in the namespace, pass everything on to a Unix socket, which is the same in every namespace."""

    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(path)

        async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(one_way(reader, far_writer), one_way(far_reader, writer))

    async with await asyncio.start_server(passing, host, 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - whoever started this reads it
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve_inside(*sys.argv[1:]))
