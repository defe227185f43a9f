"""The same documents twice: split over two environments, and whole in one index."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from environments_support import Side, put_documents

from isthmus.sandbox.client import JsonClient

DOCUMENTS: Final = 600
_MAPPINGS: Final = {
    "properties": {
        "title": {"type": "text"},
        "genre": {"type": "keyword"},
        "pages": {"type": "integer"},
        "price": {"type": "double"},
        "published": {"type": "date"},
        "in_print": {"type": "boolean"},
        "rank": {"type": "integer"},
    }
}
_WORDS: Final = ("sea", "land", "bridge", "island", "harbour", "strait", "canal", "ferry", "coast", "tide")
_GENRES: Final = ("travel", "history", "novel", "poetry", "science", "cookery")


@dataclass(frozen=True)
class Corpus:
    """The same documents twice: split over both sides, and whole in one index here."""

    client: JsonClient
    name: str
    split: str
    whole: str
    alias: str

    def search(self, where: str, body: dict[str, Any]) -> dict[str, Any]:
        """Search and answer everything; nobody may have been skipped."""
        answer: dict[str, Any] = self.client.call("POST", f"/{where}/_search", body)
        assert answer["_shards"]["failed"] == 0
        if where == self.split:
            assert answer["_clusters"]["successful"] == 2
        return answer

    def both(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Answer the same question asked of the split and of the whole documents."""
        return self.search(self.split, body), self.search(self.whole, body)


def _documents() -> dict[str, dict[str, Any]]:
    # Prices are quarters, so that no order of adding them rounds.
    chance = random.Random(7)  # noqa: S311 - data, repeatable
    documents: dict[str, dict[str, Any]] = {}
    for number in range(DOCUMENTS):
        document: dict[str, Any] = {
            "title": " ".join(chance.choices(_WORDS, k=chance.randint(2, 9))),
            "genre": chance.choice(_GENRES),
            "pages": chance.randint(20, 900),
            "published": f"{chance.randint(1990, 2024)}-{chance.randint(1, 12):02}-15",
            "in_print": chance.random() < 0.4,
            "rank": number,
        }
        if chance.random() < 0.8:
            document["price"] = chance.randint(4, 400) / 4
        documents[f"d{number}"] = document
    return documents


@contextmanager
def loaded_corpus(local: Side, remote: Side) -> Iterator[Corpus]:
    """Load 600 documents, a third of them here and the others there, and all of them into one index."""
    name = f"books-{uuid.uuid4().hex[:8]}"
    whole = f"whole-{name}"
    documents = _documents()
    here = {key: value for key, value in documents.items() if value["rank"] % 3 == 0}
    there = {key: value for key, value in documents.items() if value["rank"] % 3}
    for client, index, some in (
        (local.client, name, here),
        (remote.client, name, there),
        (local.client, whole, documents),
    ):
        client.call("PUT", f"/{index}", {"mappings": _MAPPINGS})
        put_documents(client, index, some)
    yield Corpus(local.client, name, f"{name},{remote.alias}:{name}", whole, remote.alias)
    for client, index in ((local.client, name), (remote.client, name), (local.client, whole)):
        client.call("DELETE", f"/{index}")


def ids_of(answer: dict[str, Any]) -> list[str]:
    """Answer the ids of the hits, in order."""
    return [hit["_id"] for hit in answer["hits"]["hits"]]
