"""The engine against a dumb second way to compute the same: filter and sort dictionaries in Python."""

from __future__ import annotations

import functools
import ipaddress
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from embedded_search_bench import SearchBench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.exchange import IndexSelection, SortKey
from isthmus.names import IndexName

PROPERTIES = {
    "word": {"type": "keyword"},
    "number": {"type": "long"},
    "ratio": {"type": "double"},
    "moment": {"type": "date"},
    "flag": {"type": "boolean"},
    "address": {"type": "ip"},
    "body": {"type": "text"},
    "order": {"type": "integer"},
}
WORDS = [
    "",
    "a",
    "a b",
    "a[b]",
    "ab",
    "b",
    "Ünï",
    "zé\nd",
    'q"t',
    "long prefix that goes on: 1",
    "long prefix that goes on: 2",
    "*",
    "-1",
    "1e+3",
    "TO",
]
TOKENS = ["red", "green", "blue", "grey"]
DAY = 86_400_000

Document = dict[str, Any]
Test = Callable[[Document], bool]


def _documents() -> dict[str, Document]:
    chance = random.Random(20_241_124)  # noqa: S311 - the same documents every time, no secret

    def some(make: Callable[[], Any]) -> Any:
        roll = chance.random()
        if roll < 0.2:
            return None
        return [make() for _ in range(chance.randrange(1, 4))] if roll < 0.4 else make()

    documents = {}
    for number in range(240):
        document = {
            "word": some(lambda: chance.choice(WORDS)),
            "number": some(lambda: chance.randrange(-5, 6)),
            "ratio": some(lambda: chance.randrange(-4, 5) / 4),
            "moment": some(lambda: chance.randrange(0, 6) * DAY // 2),
            "flag": some(lambda: chance.random() < 0.5),
            "address": some(lambda: chance.choice(["10.0.0.1", "10.0.0.20", "9.9.9.9", "::1", "fe80::2"])),
            "body": " ".join(chance.choice(TOKENS) for _ in range(chance.randrange(0, 5))),
            "order": number,
        }
        documents[f"d{number}"] = {name: value for name, value in document.items() if value is not None}
    return documents


DOCUMENTS = _documents()
REMOVED = {f"d{number}" for number in range(0, 240, 17)}
LIVE = {document_id: document for document_id, document in DOCUMENTS.items() if document_id not in REMOVED}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Two indices of the documents, in several segments each, with some deleted and some replaced."""
    made = SearchBench(tmp_path_factory.mktemp("reference"))
    names = list(DOCUMENTS)
    for half, index in enumerate(("one", "two")):
        made.create(index, PROPERTIES)
        mine = names[half::2]
        made.write(index, {name: {"order": -1} for name in mine[:20]})
        for start in range(0, len(mine), 37):
            made.write(index, {name: DOCUMENTS[name] for name in mine[start : start + 37]})
        made.write(index, {name: None for name in mine if name in REMOVED})
    yield made
    made.close()


BOTH = [IndexSelection(index=IndexName("one")), IndexSelection(index=IndexName("two"))]


def _values(document: Document, field: str) -> list[Any]:
    value = document.get(field)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if field == "address":
        return [_comparable_address(each) for each in values]
    if field == "flag":
        return [int(each) for each in values]
    return values


def _comparable_address(text: str) -> int:
    address = ipaddress.ip_address(text)
    return int(address) if address.version == 6 else 0xFFFF << 32 | int(address)


def _any(field: str, test: Callable[[Any], bool]) -> Test:
    return lambda document: any(test(value) for value in _values(document, field))


_FIELD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "word": st.sampled_from([*WORDS, "aa", "long prefix that goes on: "]),
    "number": st.integers(-6, 6),
    "ratio": st.integers(-5, 5).map(lambda number: number / 4),
    "moment": st.integers(-1, 6).map(lambda number: number * DAY // 2),
}


@st.composite
def _leaves(draw: st.DrawFn) -> tuple[Any, Test]:
    kind = draw(st.sampled_from(["term", "terms", "range", "exists", "prefix", "match", "ids", "all"]))
    if kind == "all":
        return {"match_all": {}}, lambda _document: True
    if kind == "match":
        token = draw(st.sampled_from([*TOKENS, "missing"]))
        return {"match": {"body": token.upper()}}, lambda document: token in document.get("body", "").split()
    if kind == "ids":
        chosen = draw(st.sets(st.sampled_from(sorted(DOCUMENTS)), max_size=9))
        orders = {DOCUMENTS[each]["order"] for each in chosen}
        return {"ids": {"values": sorted(chosen)}}, lambda document: document["order"] in orders
    if kind == "prefix":
        prefix = draw(st.sampled_from(WORDS))
        return {"prefix": {"word": prefix}}, _any("word", lambda value: value.startswith(prefix))
    field = draw(st.sampled_from(sorted(_FIELD_VALUES)))
    value = draw(_FIELD_VALUES[field])
    if kind == "exists":
        return {"exists": {"field": field}}, _any(field, lambda _value: True)
    if kind == "term":
        return {"term": {field: value}}, _any(field, lambda held: held == value)
    if kind == "terms":
        several = draw(st.lists(_FIELD_VALUES[field], max_size=4))
        return {"terms": {field: several}}, _any(field, lambda held: held in several)
    return draw(_ranges(field))


@st.composite
def _ranges(draw: st.DrawFn, field: str) -> tuple[Any, Test]:
    low = draw(st.none() | _FIELD_VALUES[field])
    high = draw(st.none() | _FIELD_VALUES[field])
    low_name, high_name = draw(st.sampled_from(["gt", "gte"])), draw(st.sampled_from(["lt", "lte"]))
    bounds = {name: bound for name, bound in ((low_name, low), (high_name, high)) if bound is not None}

    def within(held: Any) -> bool:
        above = low is None or (held > low if low_name == "gt" else held >= low)
        return above and (high is None or (held < high if high_name == "lt" else held <= high))

    return {"range": {field: bounds}}, _any(field, within)


@st.composite
def _bools(draw: st.DrawFn, inner: st.SearchStrategy[tuple[Any, Test]]) -> tuple[Any, Test]:
    must, should, filters, must_not = (draw(st.lists(inner, max_size=2)) for _ in range(4))
    minimum = draw(st.none() | st.integers(0, 3))
    body: dict[str, Any] = {}
    for name, clauses in (("must", must), ("should", should), ("filter", filters), ("must_not", must_not)):
        if clauses:
            body[name] = [query for query, _ in clauses]
    if minimum is not None:
        body["minimum_should_match"] = minimum
    needed = minimum if minimum is not None else (1 if should and not must and not filters else 0)

    def matches(document: Document) -> bool:
        if not any((must, should, filters, must_not)):
            return True
        return (
            all(test(document) for _, test in (*must, *filters))
            and not any(test(document) for _, test in must_not)
            and sum(test(document) for _, test in should) >= needed
        )

    return {"bool": body}, matches


QUERIES = st.recursive(_leaves(), _bools, max_leaves=6)


def _replacement(field: str) -> st.SearchStrategy[Any]:
    return (
        st.sampled_from(["_last", "_first"])
        | {
            "number": st.integers(-3, 3),
            "word": st.just("aa"),
            "ratio": st.just(0.5),
            "moment": st.just(DAY),
            "flag": st.just(True),
            "address": st.just("9.9.9.10"),
        }[field]
    )


@st.composite
def _sort_keys(draw: st.DrawFn) -> SortKey:
    field = draw(st.sampled_from(["word", "number", "ratio", "moment", "flag", "address"]))
    return SortKey(
        field=field,
        descending=draw(st.booleans()),
        missing=draw(_replacement(field)),
        mode=draw(st.sampled_from([None, "min", "max"])),
    )


def _sort_value(document: Document, key: SortKey) -> Any:
    values = _values(document, key.field)
    if not values:
        if key.missing in ("_last", "_first"):
            return None
        return _values({key.field: key.missing}, key.field)[0]
    by_maximum = key.mode == "max" or (key.mode is None and key.descending)
    return max(values) if by_maximum else min(values)


def _in_order(documents: dict[str, Document], keys: list[SortKey]) -> list[str]:
    def compare(one: str, other: str) -> int:
        for key in keys:
            left, right = _sort_value(documents[one], key), _sort_value(documents[other], key)
            if left == right:
                continue
            if left is None or right is None:
                return -1 if (left is None) == (key.missing == "_first") else 1
            return -1 if (left < right) != key.descending else 1
        return 0

    return sorted(documents, key=functools.cmp_to_key(compare))


def _as_answered(value: Any, field: str) -> Any:
    if field != "address" or value is None:
        return value
    if value >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(value & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(value))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=QUERIES)
def test_queries_find_what_filtering_finds(bench: SearchBench, case: tuple[Any, Test]) -> None:
    """A query matches exactly the documents that its meaning, computed on dictionaries, selects."""
    query, matches = case
    expected = {document_id for document_id, document in LIVE.items() if matches(document)}
    result = bench.search(BOTH, query=query, size=1_000, track_total_hits=True)
    assert result.failures == ()
    assert {hit.id for hit in result.hits} == expected
    assert result.total is not None
    assert result.total.value == len(expected) == bench.count(BOTH, query)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=QUERIES, keys=st.lists(_sort_keys(), min_size=1, max_size=3), size=st.integers(1, 60))
def test_sorts_answer_what_sorting_answers(
    bench: SearchBench, case: tuple[Any, Test], keys: list[SortKey], size: int
) -> None:
    """The first hits by any keys have the values that sorting all the matches puts first."""
    query, matches = case
    matching = {document_id: document for document_id, document in LIVE.items() if matches(document)}
    expected = [
        tuple(_as_answered(_sort_value(matching[document_id], key), key.field) for key in keys)
        for document_id in _in_order(matching, keys)[:size]
    ]
    result = bench.search(BOTH, query=query, sort=tuple(keys), size=size)
    assert result.failures == ()
    hits = result.hits
    assert [hit.sort for hit in hits] == expected
    for hit in hits:
        document = matching[hit.id]
        assert hit.sort == tuple(_as_answered(_sort_value(document, key), key.field) for key in keys)
    assert len({hit.id for hit in hits}) == len(hits)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=QUERIES, keys=st.lists(_sort_keys(), min_size=0, max_size=2), size=st.integers(5, 40))
def test_search_after_visits_every_match_once(
    bench: SearchBench, case: tuple[Any, Test], keys: list[SortKey], size: int
) -> None:
    """Turning pages with search_after shows all the matches in order, none twice, ties or not."""
    query, matches = case
    matching = {document_id: document for document_id, document in LIVE.items() if matches(document)}
    sort = (*keys, SortKey(field="order", descending=bool(keys and keys[0].descending)))
    seen: list[str] = []
    after = None
    while True:
        hits = bench.search(BOTH, query=query, sort=sort, size=size, search_after=after).hits
        seen.extend(hit.id for hit in hits)
        if len(hits) < size:
            break
        after = hits[-1].sort
    assert seen == _in_order(matching, list(sort))


def test_the_day_of_a_document_is_found_by_its_date(bench: SearchBench) -> None:
    """A date without a time means the whole day."""
    day = datetime.fromtimestamp(DAY / 1_000, UTC).date().isoformat()
    expected = {
        document_id
        for document_id, document in LIVE.items()
        if any(DAY <= value < 2 * DAY for value in _values(document, "moment"))
    }
    assert set(bench.ids(BOTH, {"term": {"moment": day}}, size=500)) == expected
