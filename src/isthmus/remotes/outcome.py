"""The end of an attempt, for those who wait for it."""

from __future__ import annotations

import asyncio
import contextlib


class Outcome:
    """Waited for by any number of requests; each announcement frees all who wait at that moment."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    async def wait(self, timeout_seconds: float) -> None:
        """Return at the next announcement, or after this time."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await waiter

    def announce(self) -> None:
        """Free everybody who waits."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
