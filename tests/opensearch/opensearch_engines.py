"""The same documents in engines of several kinds, and what they answer in one form."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from serve_attached import OneHost

from isthmus.engines.attached.dialect import read_dialect
from isthmus.engines.attached.engine import AttachedEngine
from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.exchange import Engine, IndexSelection, JsonObject, RefreshPolicy, WriteKind, WriteOperation
from isthmus.names import IndexName

MAPPINGS: Final[JsonObject] = {
    "properties": {
        "letter": {"type": "keyword"},
        "tags": {"type": "keyword"},
        "text": {"type": "text"},
        "whole": {"type": "long"},
        "small": {"type": "short"},
        "weight": {"type": "integer"},
        "price": {"type": "double"},
        "ratio": {"type": "half_float"},
        "at": {"type": "date"},
        "day": {"type": "date", "format": "yyyy-MM-dd"},
        "flag": {"type": "boolean"},
        "address": {"type": "ip"},
    }
}
_WORDS: Final = ("quick", "brown", "fox", "dog", "lazy")


def documents(number: int, seed: int) -> Iterator[JsonObject]:
    """Answer documents of which each field is missing in every tenth."""
    chance = random.Random(seed)  # noqa: S311 - data for tests
    for _ in range(number):
        document = {
            "letter": chance.choice("abcdefghijklmnopqrst"),
            "tags": chance.sample(["x", "y", "z"], k=chance.randrange(3)),
            "text": " ".join(chance.choices(_WORDS, k=4)),
            "whole": chance.randrange(40),
            "small": chance.randrange(3),
            "weight": chance.randrange(1, 5),
            "price": round(chance.uniform(-5, 100), 2),
            "ratio": chance.choice([0.5, 1.5]),
            "at": 1_700_000_000_000 + chance.randrange(400 * 86_400_000),
            "day": f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 28):02}",
            "flag": chance.random() < 0.5,
            "address": f"10.0.{chance.randrange(3)}.{chance.randrange(20)}",
        }
        yield {name: value for name, value in document.items() if chance.random() >= 0.1}


async def fill(
    engine: Engine, index: str, found: Sequence[JsonObject], *, first: int = 0, shards: int = 1
) -> tuple[IndexSelection, ...]:
    """Put documents into a new index; answer what to search."""
    name = IndexName(index)
    if name in engine.indices():
        await engine.delete_index(name)
    settings = {"index.number_of_shards": str(shards), "index.number_of_replicas": "0"}
    await engine.create_index(name, settings if isinstance(engine, AttachedEngine) else {}, MAPPINGS, {})
    operations = [
        WriteOperation(kind=WriteKind.INDEX, id=f"{first + place}", source=json.dumps(each).encode())
        for place, each in enumerate(found)
    ]
    outcomes = await engine.write(name, operations, RefreshPolicy.IMMEDIATE)
    assert not [outcome.failure for outcome in outcomes if outcome.failure]
    return (IndexSelection(index=name),)


@asynccontextmanager
async def attached(url: str) -> AsyncIterator[AttachedEngine]:
    """Attach to an engine, for one event loop."""
    host = OneHost(url)
    answer = await host.request("GET", "/")
    engine = AttachedEngine(host, read_dialect(orjson.loads(answer.body)))
    await engine.read_indices()
    running = asyncio.create_task(engine.run())
    try:
        yield engine
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await engine.close()
        await host.close()


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[EmbeddedEngine]:
    """Open an engine of our own."""
    engine = EmbeddedEngine(folder)
    try:
        yield engine
    finally:
        await engine.close()


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two answers are the same, but for the rounding of sums in another order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)
