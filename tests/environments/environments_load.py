"""Requests sent without a pause while something happens to the servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from environments_support import Side, attempt


@dataclass(frozen=True)
class Outcome:
    """One request that was answered; ``status`` 0 and the exception where it was not."""

    status: int
    answer: Any
    started: float
    seconds: float


@dataclass
class Load:
    """What came of the requests so far."""

    outcomes: list[Outcome] = field(default_factory=list)

    def since(self, moment: float) -> list[Outcome]:
        """Answer what was started after this moment (``time.monotonic``)."""
        return [outcome for outcome in self.outcomes if outcome.started > moment]

    def slowest_seconds(self) -> float:
        """Answer how long the slowest took."""
        return max(outcome.seconds for outcome in self.outcomes)


@contextmanager
def searching(side: Side, path: str, body: dict[str, Any], threads: int = 4) -> Iterator[Load]:
    """Search again and again from several clients; leaving waits for the last answers."""
    load = Load()
    stop = threading.Event()

    def search() -> None:
        client = side.another_client()
        while not stop.is_set():
            started = time.monotonic()
            try:
                status, answer = attempt(client, "POST", path, body)
            except Exception as error:  # noqa: BLE001 - the test tells what came instead of an answer
                status, answer = 0, error
            load.outcomes.append(Outcome(status, answer, started, time.monotonic() - started))
        client.close()

    running = [threading.Thread(target=search) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in running:
            thread.join(90)
