"""How soon a node hears of what another one stored in PostgreSQL, and what a look-up there costs."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "environments"))

from postgresql_server import postgresql_or_none  # type: ignore[import-not-found]  # a helper of the tests

from isthmus.security.principal import RoleDescriptor
from isthmus.store.change_listener import ChangeListener
from isthmus.store.change_watch import Topic
from isthmus.store.database import Database, Line
from isthmus.store.security_records import SqlSecurityRecords

_CHANGES: Final = 50
_LOOK_UPS: Final = 300


async def measure(url: str) -> None:
    """Print the figures."""
    here, there = (Database.open(url, Line.NODE) for _ in range(2))
    heard = asyncio.Event()

    async def read_again(topic: Topic) -> None:
        if topic is Topic.SECURITY:
            heard.set()

    listening = asyncio.create_task(ChangeListener(there, "there", read_again).run())
    await heard.wait()
    await asyncio.sleep(0.5)
    stored, known = [], []
    for number in range(_CHANGES):
        heard.clear()
        started = time.perf_counter()
        await SqlSecurityRecords(here).put_role(RoleDescriptor(name=f"r{number}"))
        stored.append(time.perf_counter() - started)
        await heard.wait()
        known.append(time.perf_counter() - started)
    started = time.perf_counter()
    for _ in range(_LOOK_UPS):
        await SqlSecurityRecords(there).find_api_key("none")
    looked_up = (time.perf_counter() - started) / _LOOK_UPS
    print(f"stored, p50: {median(stored) * 1e3:.1f} ms")
    print(f"heard of, p50 and longest: {median(known) * 1e3:.1f}, {max(known) * 1e3:.1f} ms")
    print(f"looked up: {looked_up * 1e3:.1f} ms")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    for database in (here, there):
        database.close()


if __name__ == "__main__":
    with postgresql_or_none() as server:
        if server is None:
            sys.exit("PostgreSQL is not installed: scripts/install-postgresql")
        asyncio.run(measure(server.new_database()))
