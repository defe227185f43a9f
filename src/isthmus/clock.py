"""Time as a dependency, so that no test sleeps and no rule reads the wall clock itself."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The two clocks that a program needs, and a way to wait."""

    def now_milliseconds(self) -> int:
        """Answer the wall clock: milliseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic_seconds(self) -> float:
        """Answer a clock that never goes back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that much monotonic time has passed."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def now_milliseconds(self) -> int:
        """Answer the wall clock in milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_seconds(self) -> float:
        """Answer the monotonic clock in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)
