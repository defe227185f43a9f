"""One index on disk: visible when refreshed, whole after a crash, mended after damage."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from tantivy import Order, Query

from isthmus.clock import SystemClock
from isthmus.engines.embedded.columns import EXISTS_COLUMN, MappingColumns, allocate
from isthmus.engines.embedded.index import EmbeddedIndex, Snapshot
from isthmus.engines.embedded.index_settings import check_new_settings
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.engines.embedded.metadata import IndexMetadata, load_metadata, save_metadata
from isthmus.engines.embedded.recovery import is_worth_rebuilding
from isthmus.engines.embedded.writer import IndexWriter
from isthmus.errors import Failure
from isthmus.exchange import RefreshPolicy, WriteKind, WriteOperation
from isthmus.names import IndexName

NO_REFRESH = {"refresh_interval": "-1"}


def make(path: Path, mappings: Any = None, settings: Any = None) -> IndexWriter:
    """Make an index in a directory of its own."""
    path.mkdir(exist_ok=True)
    mapping = parse_mapping(mappings or {})
    metadata = IndexMetadata(
        IndexName("index"),
        "uuid",
        1,
        mapping,
        allocate(MappingColumns(), mapping),
        settings=check_new_settings(settings or {}),
    )
    writer = IndexWriter(path, metadata, SystemClock())
    writer.create()
    return writer


def reopened(path: Path) -> IndexWriter:
    """Open an index as the next process would."""
    metadata = load_metadata(path)
    assert metadata is not None
    writer = IndexWriter(path, metadata, SystemClock())
    writer.open()
    return writer


def put(document_id: str, **source: Any) -> WriteOperation:
    """Index a document."""
    return WriteOperation(kind=WriteKind.INDEX, id=document_id, source=orjson.dumps(source))


def delete(document_id: str) -> WriteOperation:
    """Delete a document."""
    return WriteOperation(kind=WriteKind.DELETE, id=document_id)


def sequence_numbers(snapshot: Snapshot, query: Query) -> list[int]:
    """Search, and answer the sequence numbers of what was found."""
    hits = snapshot.searcher.search(query, 1000).hits
    return sorted(snapshot.searcher.fast_field_values("_seq", [address for _, address in hits]))


def found(writer: IndexWriter, path: str | None = None, term: Any = None) -> list[str]:
    """Answer the ids of the documents that match a term, or of all."""
    with writer.snapshot() as snapshot:
        query = Query.all_query()
        if path is not None:
            columns = snapshot.columns.get(path)
            assert columns is not None
            query = Query.term_query(snapshot.schema, columns.main, term)
        return sorted(row.id for row in snapshot.source_by_seq(sequence_numbers(snapshot, query)))


def test_a_write_is_visible_after_a_refresh_and_not_before(tmp_path: Path) -> None:
    """A snapshot stays as it was; the next one after a refresh sees the write."""
    writer = make(tmp_path)
    writer.apply([put("1", title="Hello there")])
    assert found(writer) == []
    with writer.snapshot() as before:
        writer.refresh()
        assert before.searcher.num_docs == 0
    assert found(writer, "title", "hello") == ["1"]
    assert found(writer, "title.keyword", "Hello there") == ["1"]
    writer.close()


def test_each_type_is_found_by_its_term(tmp_path: Path) -> None:
    """Every kind of column is searchable, sortable where it has values, and known to exist."""
    properties = {
        "t": {"type": "text"},
        "k": {"type": "keyword"},
        "l": {"type": "long"},
        "f": {"type": "double"},
        "b": {"type": "boolean"},
        "d": {"type": "date"},
        "i": {"type": "ip"},
    }
    writer = make(tmp_path, {"properties": properties})
    document = {
        "t": "Word",
        "k": ["b", "a"],
        "l": [3, 1],
        "f": 0.5,
        "b": True,
        "d": 1700000000123,
        "i": "::1",
    }
    writer.apply([put("1", **document), put("2")])
    writer.refresh()
    terms = {"t": "word", "k": "b", "l": 3, "f": 0.5, "b": 1, "d": 1700000000123, "i": "0" * 31 + "1"}
    for path, term in terms.items():
        assert found(writer, path, term) == ["1"], path
    with writer.snapshot() as snapshot:
        for path in properties:
            exists = Query.term_query(snapshot.schema, EXISTS_COLUMN, path)
            assert snapshot.searcher.search(exists, 10).count == 1, path
        columns = snapshot.columns.fields
        everything = Query.all_query()
        for path, value in {"k": "a", "l": 1, "f": 0.5, "d": 1700000000123}.items():
            hits = snapshot.searcher.search(
                everything, 2, order_by_field=columns[path].main, order=Order.Asc
            ).hits
            assert [key for key, _ in hits] == [value, None], path
        maximum = columns["l"].maximum
        assert maximum is not None
        assert snapshot.searcher.search(everything, 1, order_by_field=maximum).hits[0][0] == 3
        histogram = {"h": {"date_histogram": {"field": columns["d"].date, "fixed_interval": "1ms"}}}
        buckets = snapshot.searcher.aggregate(everything, histogram)["h"]["buckets"]
        assert [(bucket["key"], bucket["doc_count"]) for bucket in buckets] == [(1700000000123.0, 1)]
    writer.close()


def test_keywords_have_no_norms_and_dates_keep_milliseconds(tmp_path: Path) -> None:
    """The amendments of the library's schema are what the library works with."""
    writer = make(tmp_path, {"properties": {"k": {"type": "keyword"}, "d": {"type": "date"}}})
    writer.apply([put("1", k="a", d=1), put("2", k=["a", *(str(number) for number in range(50))], d=2)])
    writer.refresh()
    with writer.snapshot() as snapshot:
        columns = snapshot.columns.fields
        scores = snapshot.searcher.search(Query.term_query(snapshot.schema, columns["k"].main, "a"), 10).hits
        assert len({score for score, _ in scores}) == 1, "the length of a keyword field must not count"
        meta = orjson.loads((tmp_path / "search-1" / "meta.json").read_bytes())
        options = {entry["name"]: entry["options"] for entry in meta["schema"]}
        assert options[columns["d"].date or ""]["precision"] == "milliseconds"
        assert options[columns["k"].main]["indexing"]["fieldnorms"] is False
    writer.close()


def test_updates_and_deletes_leave_one_document_or_none(tmp_path: Path) -> None:
    """What was replaced or deleted, within a batch or later, is not found any more."""
    writer = make(tmp_path)
    writer.apply([put("1", n=1), put("1", n=2), put("2", n=1), put("3", n=1), delete("3")])
    writer.refresh()
    assert found(writer) == ["1", "2"]
    assert found(writer, "n", 1) == ["2"]
    writer.apply([put("2", n=5), delete("1")])
    writer.refresh()
    assert found(writer) == ["2"]
    writer.close()


def test_an_open_snapshot_keeps_its_sources(tmp_path: Path) -> None:
    """A snapshot reads the source that it found though it is replaced; afterwards that is dropped."""
    writer = make(tmp_path)
    writer.apply([put("1", n=1)])
    writer.refresh()
    with writer.snapshot() as snapshot:
        for number in range(2, 5):
            writer.apply([put("1", n=number)])
            writer.refresh()
        assert snapshot.source_by_seq([0])[0].source == b'{"n":1}'
    writer.apply([put("1", n=5)])
    writer.refresh()
    with pytest.raises(Failure, match="is gone"):
        snapshot.source_by_seq([0])
    writer.close()


def test_a_stop_without_a_refresh_loses_nothing(tmp_path: Path) -> None:
    """What was written and never committed to the search directory is fed to it again."""
    writer = make(tmp_path)
    writer.apply([put("1", n=1), put("2", n=1)])
    writer.refresh()
    writer.apply([put("3", n=1), delete("1"), put("2", n=2), put("4", other="new field")])
    writer.discard()
    again = reopened(tmp_path)
    assert found(again) == ["2", "3", "4"]
    assert found(again, "n", 2) == ["2"]
    assert found(again, "other", "new") == ["4"]
    again.close()


@pytest.mark.parametrize("damage", ["missing", "no meta", "junk meta", "missing segment", "empty"])
def test_a_damaged_search_directory_is_built_anew(tmp_path: Path, damage: str) -> None:
    """Whatever happened to the search directory, the documents are found again."""
    writer = make(tmp_path)
    writer.apply([put(str(number), n=number) for number in range(50)])
    writer.apply([delete("7"), put("8", n=800)])
    writer.close()
    directory = tmp_path / "search-1"
    if damage == "missing":
        shutil.rmtree(directory)
    elif damage == "no meta":
        (directory / "meta.json").unlink()
    elif damage == "junk meta":
        (directory / "meta.json").write_bytes(b"junk")
    elif damage == "empty":
        shutil.rmtree(directory)
        directory.mkdir()
    else:
        for file in directory.glob("*.store"):
            file.unlink()
    again = reopened(tmp_path)
    assert len(found(again)) == 49
    assert found(again, "n", 800) == ["8"]
    assert [each.name for each in tmp_path.glob("search-*")] == ["search-2"]
    again.apply([put("new", n=1)])
    again.close()
    once_more = reopened(tmp_path)
    assert len(found(once_more)) == 50
    once_more.close()


def test_more_fields_than_spare_columns_are_all_searchable(tmp_path: Path) -> None:
    """When the pool runs dry the search directory is built anew; older documents stay searchable."""
    writer = make(tmp_path)
    for number in range(60):
        writer.apply([put(str(number), **{f"f{number}": f"word{number}", f"n{number}": number})])
        if number % 7 == 0:
            writer.refresh()
    writer.refresh()
    for number in (0, 1, 30, 59):
        assert found(writer, f"f{number}", f"word{number}") == [str(number)]
        assert found(writer, f"n{number}", number) == [str(number)]
    assert 1 < writer.state.metadata.generation < 8
    writer.close()


def test_a_text_field_of_its_own_analyzer_in_a_spare_column(tmp_path: Path) -> None:
    """A column taken while documents are on their way gets its analyzer before the first value."""
    writer = make(tmp_path)
    writer.apply([put("1", other="words")])
    writer.put_mapping({"properties": {"e": {"type": "text", "analyzer": "english"}}})
    writer.apply([put("2", e="running foxes")])
    writer.refresh()
    assert found(writer, "e", "fox") == ["2"]
    writer.discard()
    again = reopened(tmp_path)
    again.apply([put("3", e="a fox")])
    again.refresh()
    assert found(again, "e", "fox") == ["2", "3"]
    again.close()


def test_a_mapping_added_is_known_to_snapshots_at_once(tmp_path: Path) -> None:
    """A field that no document has yet can be asked for without a refresh."""
    writer = make(tmp_path)
    writer.put_mapping({"properties": {"n": {"type": "long"}}})
    assert found(writer, "n", 1) == []
    writer.close()
    with pytest.raises(Failure, match="the index is closed"):
        found(writer)


def test_a_mapping_that_went_ahead_of_its_documents_does_no_harm(tmp_path: Path) -> None:
    """A crash between metadata and transaction leaves fields that no document has."""
    writer = make(tmp_path)
    writer.apply([put("1", n=1)])
    metadata = writer.state.metadata
    mapping = parse_mapping(
        {
            "properties": {
                **metadata.mapping.to_json()["properties"],
                **{f"x{n}": {"type": "long"} for n in range(40)},
            }
        }
    )
    columns = allocate(metadata.columns, mapping)
    assert len(columns.schema) > len(metadata.columns.schema)
    writer.close()
    loaded = load_metadata(tmp_path)
    assert loaded is not None
    save_metadata(
        tmp_path,
        IndexMetadata(loaded.name, loaded.uuid, 1, mapping, columns, loaded.generation, loaded.settings, {}),
    )
    again = reopened(tmp_path)
    assert found(again, "n", 1) == ["1"]
    assert found(again, "x39", 1) == []
    again.close()


def test_a_source_that_is_not_to_be_kept_is_not_shown(tmp_path: Path) -> None:
    """``_source.enabled: false`` hides it; searching still works."""
    writer = make(tmp_path, {"_source": {"enabled": False}})
    writer.apply([put("1", n=1)])
    writer.refresh()
    with writer.snapshot() as snapshot:
        assert snapshot.source_by_seq([0])[0].source == b""
    assert found(writer, "n", 1) == ["1"]
    writer.close()


def test_an_index_at_rest_gives_back_what_writing_took(tmp_path: Path) -> None:
    """Resting loses nothing, and the next write is as good as the first; a dirty index does not rest."""
    writer = make(tmp_path)
    writer.apply([put("1", n=1)])
    writer.release()
    writer.refresh()
    writer.release()
    assert found(writer) == ["1"]
    writer.apply([put("2", n=1)])
    writer.refresh()
    assert found(writer) == ["1", "2"]
    writer.close()


@pytest.mark.parametrize(
    ("documents", "deleted", "expected"),
    [(0, 10_000, False), (0, 10_001, True), (20_000, 20_000, False), (20_000, 20_001, True)],
)
def test_mostly_deleted_directories_are_worth_rebuilding(
    documents: int, deleted: int, expected: bool
) -> None:
    """More deleted than alive, and not just a few."""
    assert is_worth_rebuilding(documents, deleted) is expected


def test_a_directory_of_deleted_documents_is_made_anew_at_rest(tmp_path: Path) -> None:
    """Replacing everything more than once leaves a directory without what was replaced."""
    writer = make(tmp_path)
    for number in range(3):
        writer.apply([put(str(each), n=number) for each in range(6000)])
        writer.refresh()
    before = writer.deleted_documents()
    writer.release()
    with writer.snapshot() as snapshot:
        assert snapshot.searcher.num_docs == 6000
    assert writer.deleted_documents() == (0 if before > 10_000 else before)
    writer.apply([delete("5")])
    writer.refresh()
    with writer.snapshot() as snapshot:
        assert snapshot.searcher.num_docs == 5999
    writer.close()


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    """Run blocking work."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def documents(index: EmbeddedIndex) -> int:
    """Answer how many documents searches see."""
    return (await index.statistics()).documents


async def test_an_index_refreshes_by_itself(tmp_path: Path, workers: ThreadPoolExecutor) -> None:
    """A write becomes visible after the interval; ``wait_for`` returns when it has."""
    index = EmbeddedIndex(make(tmp_path, settings={"refresh_interval": "50ms"}), workers)
    await index.write([put("1", n=1)], RefreshPolicy.NONE)
    assert await documents(index) == 0
    async with asyncio.timeout(10):
        while await documents(index) == 0:  # noqa: ASYNC110 - the refresh tells nobody
            await asyncio.sleep(0.01)
        await index.write([put("2", n=1)], RefreshPolicy.WAIT_UNTIL)
    assert await documents(index) == 2
    await index.close()


async def test_an_index_that_never_refreshes_waits_for_nobody(
    tmp_path: Path, workers: ThreadPoolExecutor
) -> None:
    """With the interval -1 only an explicit refresh shows a write, and ``wait_for`` makes one."""
    index = EmbeddedIndex(make(tmp_path, settings=NO_REFRESH), workers)
    await index.write([put("1", n=1)], RefreshPolicy.NONE)
    assert await documents(index) == 0
    async with asyncio.timeout(10):
        await index.write([put("2", n=1)], RefreshPolicy.WAIT_UNTIL)
    assert await documents(index) == 2
    await index.write([put("3", n=1)], RefreshPolicy.IMMEDIATE)
    assert await documents(index) == 3
    await index.close()


async def test_a_write_that_nobody_waits_for_is_finished(tmp_path: Path, workers: ThreadPoolExecutor) -> None:
    """Cancelling the caller neither loses the batch nor lets the next one in beside it."""
    index = EmbeddedIndex(make(tmp_path, settings=NO_REFRESH), workers)
    batch = [put(str(number), n=number) for number in range(500)]
    writing = asyncio.ensure_future(index.write(batch, RefreshPolicy.NONE))
    await asyncio.sleep(0)
    writing.cancel()
    await index.write([put("last", n=1)], RefreshPolicy.IMMEDIATE)
    assert writing.cancelled()
    assert await documents(index) == 501
    await index.close()


async def test_many_writers_at_once_are_put_in_order(tmp_path: Path, workers: ThreadPoolExecutor) -> None:
    """Concurrent batches each get their numbers, and every one is read at once."""
    index = EmbeddedIndex(make(tmp_path), workers)
    outcomes = await asyncio.gather(
        *(index.write([put(str(number), n=number)], RefreshPolicy.NONE) for number in range(50))
    )
    assert sorted(each[0].seq_no for each in outcomes) == list(range(50))
    stored = await asyncio.gather(*(index.get(str(number)) for number in range(50)))
    assert [each.source for each in stored if each] == [b'{"n":%d}' % number for number in range(50)]
    assert [each.seq_no for each in await index.operations(10, 5)] == [10, 11, 12, 13, 14]
    await index.close()


async def test_impossible_ids_are_simply_not_there(tmp_path: Path, workers: ThreadPoolExecutor) -> None:
    """Looking for an id that no document may have finds nothing."""
    index = EmbeddedIndex(make(tmp_path), workers)
    for document_id in ("", "x" * 513, "\ud800", "nothing"):
        assert await index.get(document_id) is None
    await index.close()


async def test_a_blocked_index_takes_no_writes(tmp_path: Path, workers: ThreadPoolExecutor) -> None:
    """``index.blocks.write`` refuses each operation; lifting it lets them in again."""
    index = EmbeddedIndex(make(tmp_path), workers)
    await index.put_settings({"index.blocks.write": True})
    refused = await index.write([put("1", n=1)], RefreshPolicy.NONE)
    assert refused[0].failure is not None
    assert refused[0].failure.reason == "index [index] blocked by: [FORBIDDEN/8/index write (api)];"
    await index.put_settings({"index.blocks.write": None})
    assert (await index.write([put("1", n=1)], RefreshPolicy.NONE))[0].result == "created"
    await index.close()
