"""The whole engine: indices made and removed, aliases, a crash at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.engines.embedded.metadata import METADATA_FILE
from isthmus.engines.embedded.metadata_aliases import write_alias_journal
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import IndexSelection, RefreshPolicy, SearchRequest, WriteKind, WriteOperation
from isthmus.names import IndexName

LOGS = IndexName("logs")
OTHER = IndexName("other")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    """Open an engine on an empty directory."""
    opened = EmbeddedEngine(tmp_path)
    yield opened
    await opened.close()


def directories(path: Path) -> list[str]:
    """Answer the directories in a directory."""
    return [each.name for each in path.iterdir() if each.is_dir()]


def metadata_files(path: Path) -> list[Path]:
    """Answer the metadata files of the indices of an engine."""
    return list(path.glob(f"*/{METADATA_FILE}"))


def put(document_id: str | None, source: bytes) -> WriteOperation:
    """Index a document."""
    return WriteOperation(kind=WriteKind.INDEX, id=document_id, source=source)


async def test_an_index_is_made_described_and_removed(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """What was asked for is shown, with what Elasticsearch adds; removing leaves no file."""
    await engine.create_index(
        LOGS,
        {"number_of_shards": 2},
        {"properties": {"n": {"type": "long"}}},
        {"all": {"filter": {"term": {"n": 1}}, "routing": "r"}},
    )
    description = engine.indices()[LOGS]
    assert len(description.uuid) == 22
    assert description.settings["index.number_of_shards"] == "2"
    assert description.settings["index.uuid"] == description.uuid
    assert description.settings["index.version.created"] == "9020099"
    assert description.mappings == {"properties": {"n": {"type": "long"}}}
    assert description.aliases == {
        "all": {"filter": {"term": {"n": 1}}, "index_routing": "r", "search_routing": "r"}
    }
    await engine.delete_index(LOGS)
    assert engine.indices() == {}
    assert directories(tmp_path) == []
    with pytest.raises(Failure, match=r"no such index \[logs\]"):
        await engine.get(LOGS, "1")


async def test_names_are_taken_once(engine: EmbeddedEngine) -> None:
    """An index or alias of the same name is refused in Elasticsearch's words."""
    await engine.create_index(LOGS, {}, {}, {"all": {}})
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("logs", {}, "resource_already_exists_exception"),
        ("all", {}, "invalid_index_name_exception"),
        ("new", {"logs": {}}, "invalid_alias_name_exception"),
        ("new", {"new": {}}, "invalid_alias_name_exception"),
        ("new", {"a": {"strange": 1}}, "illegal_argument_exception"),
        ("new", {"a": 1}, "illegal_argument_exception"),
    ]
    for name, aliases, error_type in cases:
        with pytest.raises(Failure) as caught:
            await engine.create_index(IndexName(name), {}, {}, aliases)
        assert (caught.value.kind, caught.value.error_type) == (FailureKind.INVALID_REQUEST, error_type)
    assert list(engine.indices()) == [LOGS]


async def test_a_failed_creation_leaves_nothing(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """A wrong mapping, setting or analyzer makes no index and no directory."""
    for settings, mappings in (
        ({"strange": 1}, {}),
        ({"analysis.analyzer.a.tokenizer": "icu"}, {}),
        ({}, {"properties": {"a": {"type": "nested"}}}),
        ({"mapping.total_fields.limit": 1}, {"properties": {"a": {"type": "long"}, "b": {"type": "long"}}}),
    ):
        with pytest.raises(Failure):
            await engine.create_index(LOGS, settings, mappings, {})
    assert engine.indices() == {}
    assert directories(tmp_path) == []


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Documents, mapping, settings and aliases survive; a half-made index does not appear."""
    engine = EmbeddedEngine(tmp_path)
    await engine.create_index(LOGS, {"refresh_interval": "-1"}, {}, {"all": {}})
    await engine.write(LOGS, [put("1", b'{"title":"Hello"}')], RefreshPolicy.NONE)
    await engine.put_mapping(LOGS, {"properties": {"n": {"type": "long"}}})
    await engine.put_settings(LOGS, {"index.max_result_window": 77})
    await engine.update_aliases({LOGS: {"all": None, "new": {"is_write_index": True}}})
    before = engine.indices()
    await engine.close()
    (tmp_path / "half-made" / "store").mkdir(parents=True)

    again = EmbeddedEngine(tmp_path)
    assert again.indices() == before
    assert not (tmp_path / "half-made").exists()
    stored = await again.get(LOGS, "1")
    assert stored is not None
    assert (stored.source, stored.version, stored.seq_no) == (b'{"title":"Hello"}', 1, 0)
    assert await again.count([IndexSelection(index=LOGS)], {"match": {"title": "hello"}}) == 1
    statistics = (await again.statistics([LOGS]))[LOGS]
    assert (statistics.documents, statistics.max_seq_no) == (1, 0)
    assert statistics.size_bytes > 0
    await again.close()


async def test_a_search_finds_what_was_written(engine: EmbeddedEngine) -> None:
    """Writes of several indices are found together, sorted and counted."""
    for name in (LOGS, OTHER):
        await engine.create_index(name, {}, {}, {})
    await engine.write(LOGS, [put("1", b'{"n":3}'), put("2", b'{"n":1}')], RefreshPolicy.IMMEDIATE)
    await engine.write(OTHER, [put("1", b'{"n":2}')], RefreshPolicy.WAIT_UNTIL)
    selections = [IndexSelection(index=LOGS), IndexSelection(index=OTHER)]
    result = await engine.search(selections, SearchRequest(query={"range": {"n": {"gte": 2}}}))
    assert sorted((hit.index, hit.id) for hit in result.hits) == [("logs", "1"), ("other", "1")]
    assert await engine.count(selections, None) == 3


async def test_aliases_change_together_or_not_at_all(engine: EmbeddedEngine) -> None:
    """A change that one index refuses changes none."""
    for name in (LOGS, OTHER):
        await engine.create_index(name, {}, {}, {})
    await engine.update_aliases({LOGS: {"a": {"is_write_index": True}}, OTHER: {"a": {}, "b": {}}})
    before = engine.indices()
    assert before[OTHER].aliases == {"a": {}, "b": {}}
    for changes, reason in (
        ({LOGS: {"a": None}, OTHER: {"logs": {}}}, "exists with the same name as the alias"),
        ({LOGS: {"b": {}}, OTHER: {"a": {"is_write_index": True}}}, r"one write index \[logs,other\]"),
        ({LOGS: {"a": None}, IndexName("no"): {"a": {}}}, r"no such index \[no\]"),
    ):
        with pytest.raises(Failure, match=reason):
            await engine.update_aliases(changes)
        assert engine.indices() == before


async def test_an_alias_change_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """What was written down before the crash is done after it."""
    engine = EmbeddedEngine(tmp_path)
    for name in (LOGS, OTHER):
        await engine.create_index(name, {}, {}, {"old": {}})
    await engine.close()
    write_alias_journal(tmp_path, {LOGS: {"new": {}}, OTHER: {"new": {}}})
    for _ in range(2):
        again = EmbeddedEngine(tmp_path)
        assert [each.aliases for each in again.indices().values()] == [{"new": {}}, {"new": {}}]
        await again.close()


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second engine on the same directory is refused, and let in when the first has closed."""
    first = EmbeddedEngine(tmp_path)
    with pytest.raises(RuntimeError, match="another process uses"):
        EmbeddedEngine(tmp_path)
    await first.close()
    await EmbeddedEngine(tmp_path).close()


async def test_files_of_a_later_release_are_not_touched(tmp_path: Path) -> None:
    """Metadata of another format stops the start instead of being read wrongly."""
    engine = EmbeddedEngine(tmp_path)
    await engine.create_index(LOGS, {}, {}, {})
    await engine.close()
    (path,) = metadata_files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"format_version":1', b'"format_version":99'))
    with pytest.raises(ValueError, match="format version 99"):
        EmbeddedEngine(tmp_path)


WRITER = textwrap.dedent(
    """
    import asyncio, random, sys
    from pathlib import Path
    from isthmus.engines.embedded.engine import EmbeddedEngine
    from isthmus.exchange import RefreshPolicy, WriteKind, WriteOperation

    async def main(path, start):
        engine = EmbeddedEngine(Path(path))
        if not engine.indices():
            await engine.create_index("logs", {"refresh_interval": "20ms"}, {}, {})
        print("ready", flush=True)
        number = start
        while True:
            batch = [
                WriteOperation(
                    kind=WriteKind.INDEX,
                    id=str(each),
                    source=b'{"n":%d,"f%d":"word %d"}' % (each, each % 40, each),
                )
                for each in range(number, number + random.randrange(1, 200))
            ]
            batch.append(WriteOperation(kind=WriteKind.INDEX, id="counter", source=b'{"n":%d}' % number))
            outcomes = await engine.write("logs", batch, RefreshPolicy.NONE)
            assert all(each.failure is None for each in outcomes)
            number += len(batch) - 1
            print(number, flush=True)

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    """
)


def killed_writer(path: Path, start: int, seconds: float) -> int:
    """Let a process write until it is killed; answer how far it acknowledged."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", WRITER, str(path), str(start)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        lines = process.stdout.read().split("\n")
    # the last line may be cut short; what is complete was acknowledged
    complete = [int(line) for line in lines[:-1]]
    return complete[-1] if complete else start


async def test_an_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    """A writer killed at any moment, again and again, never loses what it acknowledged."""
    chance = random.Random(7)  # noqa: S311 - a test's dice
    acknowledged = 0
    for _ in range(5):
        acknowledged = killed_writer(tmp_path, acknowledged, chance.uniform(0.05, 0.6))
        engine = EmbeddedEngine(tmp_path)
        selection = [IndexSelection(index=LOGS)]
        present = await engine.count(selection, {"exists": {"field": "n"}})
        for number in {0, acknowledged // 2, acknowledged - 1} if acknowledged else set():
            stored = await engine.get(LOGS, str(number))
            assert stored is not None, number
            assert await engine.count(selection, {"term": {"n": number}}) >= 1, number
        # a batch that was stored whole but not acknowledged may be there too: it is all or nothing
        statistics = (await engine.statistics([LOGS]))[LOGS]
        assert present == statistics.documents
        assert present >= acknowledged + (1 if acknowledged else 0)
        counter = await engine.get(LOGS, "counter")
        assert counter is not None or not present
        acknowledged = max(present - 1, 0)
        await engine.close()
    assert acknowledged > 0


async def test_a_closed_index_keeps_its_documents_and_serves_none(tmp_path: Path) -> None:
    """Reading, writing and searching it are failures, also after a restart, until it is opened again."""
    engine = EmbeddedEngine(tmp_path)
    await engine.create_index(LOGS, {}, {}, {})
    await engine.write(LOGS, [put("1", b'{"n":1}')], RefreshPolicy.NONE)
    await engine.close_index(LOGS)
    await engine.close_index(LOGS)
    selection = [IndexSelection(index=LOGS)]
    for again in (engine, None):
        if again is None:
            await engine.close()
            engine = EmbeddedEngine(tmp_path)
        assert engine.indices()[LOGS].closed
        assert await engine.statistics([LOGS]) == {}
        (outcome,) = await engine.write(LOGS, [put("2", b"{}")], RefreshPolicy.NONE)
        assert outcome.failure is not None
        assert outcome.failure.error_type == "index_closed_exception"
        for refused in (
            engine.get(LOGS, "1"),
            engine.refresh([LOGS]),
            engine.search(selection, SearchRequest()),
            engine.count(selection, None),
        ):
            with pytest.raises(Failure) as caught:
                await refused
            assert (caught.value.kind, caught.value.error_type) == (
                FailureKind.INVALID_REQUEST,
                "index_closed_exception",
            )
    await engine.put_mapping(LOGS, {"properties": {"m": {"type": "keyword"}}})
    await engine.put_settings(LOGS, {"index.max_result_window": 7})
    with pytest.raises(Failure, match=r"closed index \[logs/.*\] is not supported"):
        await engine.put_settings(LOGS, {"index.analysis.analyzer.a.type": "simple"})
    await engine.update_aliases({LOGS: {"all": {}}})
    await engine.open_index(LOGS)
    await engine.open_index(LOGS)
    assert not engine.indices()[LOGS].closed
    assert await engine.count(selection, {"term": {"n": 1}}) == 1
    await engine.write(LOGS, [put("2", b'{"m":"x"}')], RefreshPolicy.IMMEDIATE)
    assert await engine.count(selection, {"term": {"m": "x"}}) == 1
    await engine.close()


async def test_closing_answers_those_who_wait_for_a_refresh(engine: EmbeddedEngine) -> None:
    """A write that waits to become visible is visible as soon as its index is closed."""
    await engine.create_index(LOGS, {"refresh_interval": "1h"}, {}, {})
    waiting = asyncio.create_task(engine.write(LOGS, [put("1", b"{}")], RefreshPolicy.WAIT_UNTIL))
    async with asyncio.timeout(5):
        while await engine.get(LOGS, "1") is None:  # noqa: ASYNC110 - nothing announces a write
            await asyncio.sleep(0)
    await engine.close_index(LOGS)
    (outcome,) = await asyncio.wait_for(waiting, 5)
    assert outcome.result == "created"


async def test_counting_after_a_restart_opens_no_index(tmp_path: Path) -> None:
    """Documents, deleted ones, bytes and the last operation are read from the files at rest."""
    engine = EmbeddedEngine(tmp_path)
    await engine.create_index(LOGS, {}, {}, {})
    await engine.write(LOGS, [put(str(n), b"{}") for n in range(3)], RefreshPolicy.IMMEDIATE)
    await engine.write(LOGS, [WriteOperation(kind=WriteKind.DELETE, id="1")], RefreshPolicy.IMMEDIATE)
    await engine.close()
    engine = EmbeddedEngine(tmp_path)
    at_rest = (await engine.statistics([LOGS]))[LOGS]
    assert not engine._index(LOGS)._writer.is_open
    await engine.get(LOGS, "0")
    opened = (await engine.statistics([LOGS]))[LOGS]
    assert (at_rest.documents, at_rest.deleted_documents, at_rest.max_seq_no) == (2, 1, 3)
    assert (opened.documents, opened.deleted_documents, opened.max_seq_no) == (2, 1, 3)
    assert at_rest.size_bytes > 0
    await engine.close()
