"""A write that was acknowledged is there, however often and whenever the node is killed."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from environments_support import Side, attempt, side_of

from isthmus.sandbox import Sandbox, SandboxOptions, SecurityModel

_KILLS = 2
_WRITERS = 3


@pytest.fixture(scope="module")
def side() -> Iterator[Side]:
    """Start an environment that nobody else uses. The pauses before restarts double with every kill."""
    with Sandbox(SandboxOptions(environments=1, model=SecurityModel.NONE)) as sandbox:
        yield side_of(sandbox, sandbox.fabric.environments[0])


@dataclass
class Journal:
    """What one writer was told: the last acknowledged version of each document, None for deleted.

    What was under way when the node was killed may or may not have happened: either is right.
    """

    acknowledged: dict[str, int | None] = field(default_factory=dict)
    uncertain: dict[str, set[int | None]] = field(default_factory=dict)


class Writer(threading.Thread):
    """Writes one request after the other until told to stop, and keeps the journal."""

    def __init__(self, side: Side, index: str, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.journal = Journal()
        self._side, self._index, self._number, self._ended = side, index, number, stop
        self._chance = random.Random(number)  # noqa: S311 - data, repeatable
        self._count = 0

    def run(self) -> None:
        """Write; a connection that breaks is opened anew."""
        client = self._side.another_client()
        while not self._ended.is_set():
            changes = self._some_changes()
            for key, value in changes.items():
                self.journal.uncertain.setdefault(key, set()).add(value)
            try:
                answer = client.call("POST", "/_bulk", content=self._body(changes))
            except Exception:  # noqa: BLE001 - killed in the middle: nothing was acknowledged
                client.close()
                time.sleep(0.02)
                continue
            for (key, value), item in zip(changes.items(), answer["items"], strict=True):
                (result,) = item.values()
                if result["status"] < 300 or (value is None and result["status"] == 404):
                    self.journal.acknowledged[key] = value
                    self.journal.uncertain.pop(key)
        client.close()

    def _some_changes(self) -> dict[str, int | None]:
        changes: dict[str, int | None] = {}
        for _ in range(self._chance.randint(1, 12)):
            self._count += 1
            key = f"{self._number}-{self._chance.randint(1, 120)}"
            changes[key] = None if self._chance.random() < 0.1 else self._count
        return changes

    def _body(self, changes: dict[str, int | None]) -> bytes:
        lines: list[dict[str, Any]] = []
        for key, value in changes.items():
            place = {"_index": self._index, "_id": key}
            lines += [{"delete": place}] if value is None else [{"index": place}, {"value": value}]
        return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _stored(side: Side, index: str) -> dict[str, int]:
    """Answer every document's value: as a search finds it, which must be as a get reads it."""
    side.client.call("POST", f"/{index}/_refresh")
    hits = side.client.call("POST", f"/{index}/_search", {"size": 10_000})["hits"]["hits"]
    found = {hit["_id"]: hit["_source"]["value"] for hit in hits}
    ids = {"ids": sorted(found)}
    got = side.client.call("POST", f"/{index}/_mget", ids)["docs"] if found else []
    assert {each["_id"]: each["_source"]["value"] for each in got} == found
    assert side.client.call("GET", f"/{index}/_count")["count"] == len(found)
    return found


def test_metadata_survives_a_kill(side: Side) -> None:
    """Indices, mappings, settings, aliases and deletions that were acknowledged just before the kill."""
    prefix = f"kept-{uuid.uuid4().hex[:8]}"
    kept, gone = f"{prefix}-here", f"{prefix}-gone"
    for name in (kept, gone):
        side.client.call("PUT", f"/{name}", {"settings": {"number_of_replicas": 0}})
    side.client.call("PUT", f"/{kept}/_mapping", {"properties": {"day": {"type": "date"}}})
    side.client.call("PUT", f"/{kept}/_settings", {"index": {"refresh_interval": "7s"}})
    side.client.call("PUT", f"/{kept}/_alias/{kept}-alias")
    side.client.call("PUT", f"/{kept}/_doc/1", {"day": "2024-02-29", "dynamic": "text"})
    side.client.call("DELETE", f"/{gone}")
    side.until_node_answers(side.kill_node())
    description = side.client.call("GET", f"/{kept}")[kept]
    assert description["aliases"] == {f"{kept}-alias": {}}
    assert description["settings"]["index"]["refresh_interval"] == "7s"
    properties = description["mappings"]["properties"]
    assert properties["day"] == {"type": "date"}
    assert properties["dynamic"]["fields"]["keyword"]["type"] == "keyword"
    assert attempt(side.client, "GET", f"/{gone}")[0] == 404
    assert side.client.call("GET", f"/{kept}/_doc/1")["_source"]["day"] == "2024-02-29"


def test_sequence_numbers_go_on_after_a_kill(side: Side) -> None:
    """No number is given twice, and a condition on the last one still holds."""
    index = f"numbered-{uuid.uuid4().hex[:8]}"
    answers = [side.client.call("PUT", f"/{index}/_doc/1", {"round": number}) for number in range(3)]
    side.until_node_answers(side.kill_node())
    last = answers[-1]
    condition = f"if_seq_no={last['_seq_no']}&if_primary_term={last['_primary_term']}"
    path = f"/{index}/_doc/1?{condition}"
    answers.append(side.client.call("PUT", path, {"round": -1}))
    assert attempt(side.client, "PUT", path, {"round": -2})[0] == 409
    assert [answer["_version"] for answer in answers] == [1, 2, 3, 4]
    numbers = [answer["_seq_no"] for answer in answers]
    assert numbers == sorted(set(numbers))


def test_acknowledged_writes_survive_kills(side: Side) -> None:
    """Writes, overwrites and deletions through the REST API while the node is killed again and again."""
    index = f"durable-{uuid.uuid4().hex[:8]}"
    side.client.call("PUT", f"/{index}", {"mappings": {"properties": {"value": {"type": "long"}}}})
    stop = threading.Event()
    writers = [Writer(side, index, number, stop) for number in range(_WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(_KILLS):
            time.sleep(0.4)  # the moment of the kill is what is random here
            killed = side.kill_node()
            side.until_node_answers(killed)
    finally:
        stop.set()
        for writer in writers:
            writer.join(60)
    stored = _stored(side, index)
    written = 0
    for writer in writers:
        journal = writer.journal
        written += len(journal.acknowledged)
        for key, value in journal.acknowledged.items():
            allowed = {value, *journal.uncertain.get(key, ())}
            assert stored.get(key) in allowed, f"{key}: {stored.get(key)} is none of {allowed}"
    assert written > 100
