"""A synthetic corpus with the shape of log lines: words by Zipf's law, keywords, numbers, dates."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import orjson

VOCABULARY_SIZE: Final = 50_000
MAPPINGS: Final[dict[str, Any]] = {
    "properties": {
        "message": {"type": "text"},
        "tag": {"type": "keyword"},
        "user": {"type": "keyword"},
        "bytes": {"type": "long"},
        "price": {"type": "double"},
        "timestamp": {"type": "date"},
    }
}


def documents(count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Yield ``count`` documents, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - data, not a secret
    ranks = range(1, VOCABULARY_SIZE + 1)
    words = [f"w{rank}" for rank in ranks]
    cumulative = []
    total = 0.0
    for rank in ranks:
        total += 1.0 / rank
        cumulative.append(total)
    for number in range(count):
        yield {
            "message": " ".join(chance.choices(words, cum_weights=cumulative, k=20)),
            "tag": f"tag-{chance.randrange(100)}",
            "user": f"user-{chance.randrange(100_000)}",
            "bytes": chance.randrange(1_000_000),
            "price": round(chance.random() * 100, 2),
            "timestamp": 1_700_000_000_000 + number * 1000,
        }


def bulk_bodies(count: int, documents_a_body: int, seed: int = 7) -> Iterator[bytes]:
    """Yield ``_bulk`` bodies of that many documents each (the last may have fewer)."""
    lines: list[bytes] = []
    for document in documents(count, seed):
        lines.append(b'{"index":{}}')
        lines.append(orjson.dumps(document))
        if len(lines) >= 2 * documents_a_body:
            yield b"\n".join(lines) + b"\n"
            lines = []
    if lines:
        yield b"\n".join(lines) + b"\n"
