"""What an attached OpenSearch does for a node: the same as our own engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import pytest
from opensearch_cluster import OpenSearchCluster
from opensearch_engines import attached, documents, embedded, fill, is_same

from isthmus.engines.attached.engine import AttachedEngine
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import (
    Collapse,
    Engine,
    FetchRequest,
    FieldAccess,
    FieldRequest,
    HighlightField,
    IndexSelection,
    PhraseSuggester,
    RefreshPolicy,
    SearchRequest,
    SortKey,
    TermStatistics,
    TermSuggester,
    WriteKind,
    WriteOperation,
)
from isthmus.names import IndexName

ITEMS: Final = IndexName("items")
AT: Final = SortKey(field="at")
_FIELDS: Final = ("whole", "small", "ratio", "price", "flag", "letter", "address", "day")
#: request -> what of the hits is compared: their sort values where they tie
SEARCHES: Final[dict[str, SearchRequest]] = {
    **{
        f"{field}, {missing}, {'falling' if falling else 'rising'}": SearchRequest(
            size=500, sort=(SortKey(field=field, missing=missing, descending=falling), AT), source=False
        )
        for field in _FIELDS
        for missing in ("_first", "_last")
        for falling in (False, True)
    },
    **{
        f"after nothing of {field}, {missing}, {'falling' if falling else 'rising'}": SearchRequest(
            size=500,
            sort=(SortKey(field=field, missing=missing, descending=falling), AT),
            search_after=(None, 1_710_000_000_000),
            source=False,
        )
        for field in _FIELDS
        for missing in ("_first", "_last")
        for falling in (False, True)
    },
    "the greatest of a list": SearchRequest(
        size=500, sort=(SortKey(field="tags", mode="max"), AT), source=False
    ),
    "dates as the caller writes them": SearchRequest(
        size=5, sort=(SortKey(field="at", date_format="yyyy-MM-dd"),), search_after=("2024-03-01",)
    ),
    "a field that is not mapped": SearchRequest(size=5, sort=(SortKey(field="no", unmapped_type="long"), AT)),
    "part of the source": SearchRequest(size=3, sort=(AT,), source=["letter", "w*"]),
    "a window": SearchRequest(size=3, offset=7, sort=(AT,)),
    "a total that is not exact": SearchRequest(size=1, sort=(AT,), track_total_hits=100),
    "no total": SearchRequest(size=1, sort=(AT,), track_total_hits=False),
    "a filter afterwards": SearchRequest(size=3, sort=(AT,), post_filter={"term": {"letter": "a"}}),
    "collapsed texts": SearchRequest(
        size=30, sort=(SortKey(field="letter"),), collapse=Collapse(field="letter"), source=False
    ),
    "collapsed numbers": SearchRequest(
        size=60, sort=(SortKey(field="whole"),), collapse=Collapse(field="whole"), source=False
    ),
    "values of fields": SearchRequest(
        size=6,
        sort=(AT,),
        source=False,
        fetch=FetchRequest(
            fields=(FieldRequest(pattern="day"),),
            docvalue_fields=(FieldRequest(pattern="at", format="yyyy"),),
        ),
    ),
    "marked texts": SearchRequest(
        size=6,
        sort=(AT,),
        source=False,
        query={"match": {"text": "quick"}},
        fetch=FetchRequest(highlight=(HighlightField(pattern="text"),)),
    ),
    "clauses with names": SearchRequest(
        size=3,
        sort=(AT,),
        query={
            "bool": {
                "should": [
                    {"term": {"letter": {"value": "a", "_name": "A"}}},
                    {"term": {"flag": {"value": True, "_name": "F"}}},
                ]
            }
        },
    ),
    "no ids": SearchRequest(size=3, sort=(AT,), source=False, fetch=FetchRequest(hide_id=True)),
    "words that are near": SearchRequest(
        size=0, suggest=(TermSuggester(name="s", text="quik fux", field="text", mode="always"),)
    ),
    "a query in a text": SearchRequest(size=0, query={"query_string": {"query": "text:quick AND letter:a"}}),
}
#: hits are compared by their sort values only: others tie
TIES: Final = ("rising", "falling", "list", "collapsed")


@pytest.fixture
async def engine(one: OpenSearchCluster) -> AsyncIterator[AttachedEngine]:
    """Answer an engine attached to a cluster of one node, which has no index."""
    one.clear()
    async with attached(one.urls[0]) as engine:
        yield engine


async def until(condition: Callable[[], Any]) -> Any:
    """Answer the condition's first true value; fails after 30 seconds."""
    async with asyncio.timeout(30):
        while not (found := condition()):  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.02)
    return found


async def outcome(engine: Engine, selections: tuple[IndexSelection, ...], name: str) -> Any:
    """Answer what a search answers, without what differs for good reasons."""
    result = await engine.search(selections, SEARCHES[name])
    plain = orjson.loads(orjson.dumps(msgspec.to_builtins(result)))
    kept = {
        member: plain.get(member) for member in ("total", "hits", "failures", "suggestions", "sort_kinds")
    }
    kept["hits"] = [
        [
            msgspec.structs.replace(hit, source=None, sections=None),
            None if hit.source is None else orjson.loads(hit.source),
            {section: orjson.loads(text) for section, text in (hit.sections or {}).items()},
        ]
        for hit in result.hits
    ]
    if any(word in name for word in TIES):
        kept["hits"] = [[hit.sort, hit.group] for hit in result.hits]
    return kept


@pytest.mark.parametrize("shards", [1, 3])
async def test_searches_find_what_they_find_in_our_own_engine(
    pair: OpenSearchCluster, tmp_path: Path, shards: int
) -> None:
    """Sorting with and without values, paging, collapsing, fetching and suggesting agree to the digit."""
    found = list(documents(500, seed=3))
    different = {}
    async with attached(pair.urls[0]) as engine, embedded(tmp_path) as own:
        far = await fill(engine, "items", found, shards=shards)
        near = await fill(own, "items", found)
        for name in SEARCHES:
            theirs, ours = await outcome(engine, far, name), await outcome(own, near, name)
            if not is_same(theirs, ours):
                different[name] = (theirs, ours)
        await engine.delete_index(ITEMS)
    assert not different


@pytest.mark.parametrize(
    ("sort", "shards"),
    [
        ((SortKey(field="_score", descending=True), SortKey(field="_shard_doc")), 3),
        ((SortKey(field="whole"), SortKey(field="_shard_doc")), 3),
        ((SortKey(field="at", date_format="yyyy-MM"), SortKey(field="_shard_doc")), 3),
        ((SortKey(field="_shard_doc"),), 1),
        ((SortKey(field="_shard_doc"),), 3),
        ((SortKey(field="_shard_doc", descending=True),), 3),
        ((SortKey(field="flag", descending=True), SortKey(field="_shard_doc", descending=True)), 3),
    ],
)
async def test_pages_of_a_held_index_hold_every_document_once(
    pair: OpenSearchCluster, sort: tuple[SortKey, ...], shards: int
) -> None:
    """Whatever is written meanwhile, in either direction, over one shard and over several."""
    async with attached(pair.urls[0]) as engine:
        selections = await fill(engine, "items", list(documents(200, seed=5)), shards=shards)
        held = await engine.hold([ITEMS])
        more = WriteOperation(kind=WriteKind.INDEX, id="new", source=b'{"whole": 3}')
        gone = WriteOperation(kind=WriteKind.DELETE, id="7")
        await engine.write(ITEMS, [more, gone], RefreshPolicy.IMMEDIATE)
        seen: list[str] = []
        after = None
        while True:
            page = await held.search(selections, SearchRequest(size=17, sort=sort, search_after=after))
            if not page.hits:
                break
            seen += [hit.id for hit in page.hits]
            after = page.hits[-1].sort
        assert sorted(seen, key=int) == [str(number) for number in range(200)]
        assert held.present() == [ITEMS]
        await engine.delete_index(ITEMS)
        assert held.present() == []
        held.close()


async def test_what_is_held_of_an_engine_is_let_go(engine: AttachedEngine, one: OpenSearchCluster) -> None:
    """Closing a view ends the engine's points in time; a search of it then fails."""
    selections = await fill(engine, "items", [{"whole": 1}])
    held = await engine.hold([ITEMS])
    assert len(one.call("GET", "/_search/point_in_time/_all")["pits"]) == 1
    held.close()
    await until(lambda: not one.request("GET", "/_search/point_in_time/_all")[1].get("pits"))
    with pytest.raises(Failure, match="the view is closed"):
        await held.search(selections, SearchRequest())


async def test_indices_are_known_at_once_and_soon_where_others_change_them(
    engine: AttachedEngine, one: OpenSearchCluster
) -> None:
    """Our own changes show when they return, and those of others within moments."""
    await engine.create_index(ITEMS, {}, {"properties": {"a": {"type": "keyword"}}}, {"all": {}})
    described = engine.indices()[ITEMS]
    assert described.mappings["properties"] == {"a": {"type": "keyword"}}
    assert described.aliases == {"all": {}}
    assert described.settings["index.number_of_shards"] == "1"
    one.call("PUT", "/items/_mapping", {"properties": {"b": {"type": "long"}}})
    await until(lambda: "b" in engine.indices()[ITEMS].mappings["properties"])
    one.call("PUT", "/others")
    await until(lambda: "others" in engine.indices())
    await engine.close_index(ITEMS)
    assert engine.indices()[ITEMS].closed
    await engine.open_index(ITEMS)
    assert not engine.indices()[ITEMS].closed
    await engine.put_settings(ITEMS, {"index.max_result_window": 77})
    assert engine.indices()[ITEMS].settings["index.max_result_window"] == "77"
    await engine.update_aliases({ITEMS: {"all": None, "some": {"filter": {"term": {"a": "x"}}}}})
    assert engine.indices()[ITEMS].aliases == {"some": {"filter": {"term": {"a": "x"}}}}
    await engine.delete_index(ITEMS)
    assert ITEMS not in engine.indices()


async def test_writes_answer_as_our_own_engine_does(engine: AttachedEngine, tmp_path: Path) -> None:
    """Results, versions, sequence numbers, and failures with their kinds and types, write by write."""
    writes = [
        WriteOperation(kind=WriteKind.INDEX, id="1", source=b'{"whole":\n 1}'),
        WriteOperation(kind=WriteKind.CREATE, id="1", source=b"{}"),
        WriteOperation(kind=WriteKind.INDEX, id="1", source=b'{"whole": "x"}'),
        WriteOperation(kind=WriteKind.INDEX, id="1", source=b"{}", if_seq_no=99, if_primary_term=1),
        WriteOperation(kind=WriteKind.UPDATE, id="1", source=b'{"doc": {"whole": 2}}'),
        WriteOperation(kind=WriteKind.UPDATE, id="1", source=b'{"doc": {"whole": 2}}'),
        WriteOperation(kind=WriteKind.UPDATE, id="2", source=b'{"doc": {"whole": 2}}'),
        WriteOperation(kind=WriteKind.DELETE, id="3"),
        WriteOperation(kind=WriteKind.INDEX, id="4", source=b"{}", version=5, version_type="external"),
        WriteOperation(kind=WriteKind.DELETE, id="1"),
    ]
    answers = []
    async with embedded(tmp_path) as own:
        for each in (engine, own):
            await fill(each, "items", [])
            outcomes = await each.write(ITEMS, writes, RefreshPolicy.NONE)
            answers.append(
                [
                    (one.id, one.result, one.version, one.seq_no, one.failure and one.failure.kind)
                    + ((one.failure.error_type,) if one.failure else ())
                    for one in outcomes
                ]
            )
    assert answers[0] == answers[1]


async def test_documents_are_read_as_they_were_written(engine: AttachedEngine) -> None:
    """The very text, huge numbers and all, before any refresh; None where there is none."""
    await engine.create_index(ITEMS, {}, {"dynamic": False}, {})
    source = b'{ "n": 123456789012345678901234567890, "e": 1.0E3,  "u": "\\u00e4" }'
    await engine.write(
        ITEMS, [WriteOperation(kind=WriteKind.INDEX, id="a/b", source=source)], RefreshPolicy.NONE
    )
    stored = await engine.get(ITEMS, "a/b")
    assert stored is not None
    assert (stored.id, stored.version, stored.seq_no, stored.source) == ("a/b", 1, 0, source)
    assert await engine.get(ITEMS, "other") is None
    await engine.refresh([ITEMS])
    (hit,) = (await engine.search((IndexSelection(index=ITEMS),), SearchRequest())).hits
    assert hit.source == source
    statistics = await engine.statistics([ITEMS])
    assert (statistics[ITEMS].documents, statistics[ITEMS].max_seq_no) == (1, 0)
    with pytest.raises(Failure) as raised:
        await engine.get(IndexName("nothing"), "1")
    assert (raised.value.kind, raised.value.error_type) == (
        FailureKind.NOT_FOUND,
        "index_not_found_exception",
    )


async def test_hidden_documents_and_fields_show_nowhere(engine: AttachedEngine) -> None:
    """Not in hits, counts or aggregations, however the request asks for them."""
    found = [{"team": team, "secret": f"s{place}", "level": place} for place, team in enumerate("rrb")]
    await engine.create_index(
        ITEMS,
        {},
        {
            "properties": {
                "team": {"type": "keyword"},
                "secret": {"type": "keyword"},
                "level": {"type": "integer"},
                "open": {"type": "alias", "path": "secret"},
            }
        },
        {},
    )
    writes = [WriteOperation(kind=WriteKind.INDEX, source=orjson.dumps(each)) for each in found]
    await engine.write(ITEMS, writes, RefreshPolicy.IMMEDIATE)
    reds = IndexSelection(index=ITEMS, document_filters=({"term": {"team": "r"}},))
    blind = IndexSelection(index=ITEMS, field_access=(FieldAccess(excepted=("secret",)),))
    assert await engine.count([reds], None) == 2
    aggregations = {
        "all": {"global": {}, "aggs": {"levels": {"cardinality": {"field": "level"}}}},
        "sum": {"sum": {"field": "level"}},
    }
    result = await engine.search([reds], SearchRequest(aggregations=aggregations))
    assert (result.total and result.total.value) == 2
    assert result.aggregations["all"]["doc_count"] == 2
    assert result.aggregations["sum"]["value"] == 1.0
    for query in (
        {"term": {"secret": "s1"}},
        {"term": {"open": "s1"}},
        {"prefix": {"secret": "s"}},
        {"exists": {"field": "secret"}},
        {"bool": {"must": [{"wildcard": {"secret": "*"}}]}},
        {"simple_query_string": {"query": "s1", "fields": ["secret", "team"]}},
    ):
        assert await engine.count([blind], query) == 0
    shown = await engine.search(
        [blind],
        SearchRequest(
            sort=(SortKey(field="level"),),
            fetch=FetchRequest(docvalue_fields=(FieldRequest(pattern="secret"),)),
            aggregations={"values": {"terms": {"field": "secret", "size": 10}}},
        ),
    )
    assert [orjson.loads(hit.source or b"") for hit in shown.hits] == [
        {"team": each["team"], "level": each["level"]} for each in found
    ]
    assert [hit.sections for hit in shown.hits] == [None] * 3
    assert shown.aggregations["values"]["buckets"] == []
    both = await engine.search([reds, blind], SearchRequest(query={"term": {"secret": "s0"}}, size=1))
    assert (both.total and both.total.value) == 1
    for refused in (
        {"query_string": {"query": "secret:s1", "fields": ["team"]}},
        {"multi_match": {"query": "s1"}},
        {"query_string": {"query": "s1", "default_field": "*"}},
    ):
        with pytest.raises(Failure, match="is not supported where field level security hides fields"):
            await engine.count([blind], refused)


async def test_what_an_engine_cannot_do_is_refused_by_name(engine: AttachedEngine) -> None:
    """Statistics of others, phrases, and queries that read past what a caller may see."""
    selections = await fill(engine, "items", [{"whole": 1}])
    for request, words in (
        (SearchRequest(statistics=TermStatistics()), "dfs_query_then_fetch"),
        (SearchRequest(phrases=(PhraseSuggester(name="p", text="x", field="text"),)), "phrase"),
        (SearchRequest(query={"terms": {"letter": {"index": "o", "id": "1", "path": "x"}}}), "lookup"),
        (SearchRequest(query={"script": {"script": "true"}}), "script"),
        (SearchRequest(query={"wrapper": {"query": "e30="}}), "wrapper"),
        (SearchRequest(query={"nonsense": {}}), r"unknown query \[nonsense\]"),
    ):
        with pytest.raises(Failure, match=words) as raised:
            await engine.search(selections, request)
        assert raised.value.kind is FailureKind.INVALID_REQUEST
    with pytest.raises(Failure, match="dfs_query_then_fetch"):
        await engine.term_statistics(selections, SearchRequest())


async def test_what_single_indices_refuse_is_a_partial_answer(engine: AttachedEngine) -> None:
    """An index that cannot serve a query fails by itself; where all do, all failed."""
    one = await fill(engine, "items", [{"whole": 1}])
    await engine.create_index(IndexName("texts"), {}, {"properties": {"whole": {"type": "keyword"}}}, {})
    both = (*one, IndexSelection(index=IndexName("texts")))
    request = SearchRequest(query={"range": {"whole": {"gte": "x"}}})
    partial = await engine.search(both, request)
    assert (partial.shards.total, partial.shards.failed) == (2, 1)
    assert [(each.index, each.error_type) for each in partial.failures] == [
        ("items", "query_shard_exception")
    ]
    failed = await engine.search(one, request)
    assert (failed.shards.total, failed.shards.failed, failed.hits) == (1, 1, ())


async def test_many_indices_are_searched_at_once(engine: AttachedEngine) -> None:
    """More names than fit into a request line are no limit."""
    names = [IndexName(f"{'a-rather-long-name-of-an-index-' * 4}{number}") for number in range(40)]
    for name in names:
        await engine.create_index(name, {"index.number_of_replicas": 0}, {}, {})
        await engine.write(
            name, [WriteOperation(kind=WriteKind.INDEX, source=b'{"n": 1}')], RefreshPolicy.IMMEDIATE
        )
    selections = [IndexSelection(index=name) for name in names]
    request = SearchRequest(size=100, aggregations={"n": {"cardinality": {"field": "n"}}})
    result = await engine.search(selections, request)
    assert {hit.index for hit in result.hits} == set(names)
    assert await engine.count(selections, None) == len(names)
    assert len(await engine.statistics(names)) == len(names)
    await engine.refresh(names)
