"""Totals, windows, scores, sort values and failures of a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from embedded_search_bench import SearchBench

from isthmus.engines.embedded.query.compiler import is_short
from isthmus.errors import Failure
from isthmus.exchange import FetchRequest, IndexSelection, SortKey, TotalHits
from isthmus.names import IndexName

PROPERTIES = {
    "body": {"type": "text"},
    "tag": {"type": "keyword"},
    "price": {"type": "float"},
    "day": {"type": "date", "format": "yyyy-MM-dd"},
    "live": {"type": "boolean"},
    "host": {"type": "ip"},
    "plain": {"type": "keyword", "doc_values": False},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Two indices: one with a mapping, one where ``price`` is text and nothing else is known."""
    made = SearchBench(tmp_path_factory.mktemp("results"))
    made.create("shop", PROPERTIES)
    made.write(
        "shop",
        {
            f"p{number}": {
                "body": "apple " * (number % 3) + "pear",
                "tag": "ab"[number % 2],
                "price": number / 10,
                "day": f"2024-01-{number + 1:02d}",
                "live": number % 2 == 0,
                "host": f"10.0.0.{number}",
            }
            for number in range(12)
        },
    )
    made.write("shop", {"bare": {"body": "pear"}})
    made.create("other", {"price": {"type": "keyword"}})
    made.write("other", {"o1": {"price": "cheap"}})
    yield made
    made.close()


def selection(*names: str) -> list[IndexSelection]:
    """Answer whole indices as selections."""
    return [IndexSelection(index=IndexName(name)) for name in names]


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (True, TotalHits(value=13)),
        (False, None),
        (13, TotalHits(value=13)),
        (12, TotalHits(value=12, relation="gte")),
        (10_000, TotalHits(value=13)),
    ],
)
@pytest.mark.parametrize("sort", [(), (SortKey(field="tag"),)])
def test_totals_are_counted_as_far_as_asked(
    bench: SearchBench, track: bool | int, expected: TotalHits | None, sort: tuple[SortKey, ...]
) -> None:
    """True counts exactly, False not at all, a number up to it, whatever the order."""
    for query in (None, {"match": {"body": "pear"}}):
        assert bench.search("shop", query=query, track_total_hits=track, sort=sort, size=2).total == expected


def test_a_window_beyond_the_limit_is_refused(bench: SearchBench) -> None:
    """Elasticsearch's text says what the limit is and which setting changes it."""
    assert bench.search("shop", offset=9_990, size=10).hits == ()
    with pytest.raises(Failure) as caught:
        bench.search("shop", offset=9_990, size=11)
    assert caught.value.reason.startswith(
        "Result window is too large, from + size must be less than or equal to: [10000] but was [10001]."
    )


@pytest.mark.parametrize("request_", [{"offset": -1}, {"size": -1}, {"search_after": (1,)}])
def test_impossible_requests_are_refused(bench: SearchBench, request_: dict[str, Any]) -> None:
    """A negative window and search_after without a sort are 400s."""
    with pytest.raises(Failure):
        bench.search("shop", **request_)


def test_pages_by_offset_continue_one_another(bench: SearchBench) -> None:
    """Turning pages by offset shows every document once, sorted or not."""
    for sort in ((), (SortKey(field="tag"), SortKey(field="price", descending=True))):
        whole = bench.ids("shop", sort=sort, size=13)
        paged = [
            document_id
            for offset in range(0, 13, 4)
            for document_id in bench.ids("shop", sort=sort, offset=offset, size=4)
        ]
        assert paged == whole
        assert len(set(whole)) == 13


def test_no_hits_asked_no_hits_answered(bench: SearchBench) -> None:
    """Size 0 counts; there is no maximum score then."""
    result = bench.search("shop", size=0)
    assert (result.hits, result.max_score, result.total) == ((), None, TotalHits(value=13))


def test_scores_are_absent_when_sorting_by_fields(bench: SearchBench) -> None:
    """Sorting by a field leaves scores out unless they are tracked or a key."""
    query = {"match": {"body": "apple"}}
    by_score = bench.search("shop", query=query, size=20)
    scores = {hit.id: hit.score for hit in by_score.hits}
    assert by_score.max_score == max(score for score in scores.values() if score is not None)

    plain = bench.search("shop", query=query, sort=(SortKey(field="price"),))
    assert plain.max_score is None
    assert {hit.score for hit in plain.hits} == {None}

    tracked = bench.search("shop", query=query, sort=(SortKey(field="price"),), track_scores=True, size=20)
    assert tracked.max_score == by_score.max_score
    assert {hit.id: hit.score for hit in tracked.hits} == scores

    keyed = bench.search(
        "shop", query=query, sort=(SortKey(field="_score", descending=True), SortKey(field="price")), size=20
    )
    assert keyed.max_score is None
    assert {hit.id: hit.score for hit in keyed.hits} == scores
    assert [hit.sort[0] for hit in keyed.hits if hit.sort] == sorted(
        (score for score in scores.values() if score is not None), reverse=True
    )


@pytest.mark.parametrize("descending", [False, True])
def test_pages_by_score_continue_one_another(bench: SearchBench, descending: bool) -> None:
    """search_after works with the score as first key, through its ties."""
    sort = (SortKey(field="_score", descending=descending), SortKey(field="_id"))
    query = {"match": {"body": "apple pear"}}
    whole = bench.ids("shop", query, sort=sort, size=20)
    seen: list[str] = []
    after = None
    while len(seen) < len(whole):
        hits = bench.search("shop", query=query, sort=sort, size=3, search_after=after).hits
        seen.extend(hit.id for hit in hits)
        after = hits[-1].sort
    assert seen == whole
    assert len(set(whole)) == 13


def test_sort_values_look_as_elasticsearch_shows_them(bench: SearchBench) -> None:
    """Dates are milliseconds, addresses text, booleans 0 or 1, floats short, missing ones null."""
    sort = tuple(SortKey(field=field) for field in ("price", "day", "host", "live", "tag", "_doc"))
    hits = bench.search("shop", sort=sort, size=13).hits
    assert hits[1].sort == (0.1, 1_704_153_600_000, "10.0.0.1", 0, "b", 1)
    assert hits[12].sort == (None, None, None, None, None, 12)


@pytest.mark.parametrize(
    ("key", "after", "expected"),
    [
        (SortKey(field="day"), ("2024-01-11",), ["p11", "bare"]),
        (SortKey(field="day", date_format="epoch_second"), ("1704931200",), ["p11", "bare"]),
        (SortKey(field="day"), (1_704_931_200_000,), ["p11", "bare"]),
        (SortKey(field="host"), ("10.0.0.10",), ["p11", "bare"]),
        (SortKey(field="price"), ("1.0",), ["p11", "bare"]),
        (SortKey(field="price"), (None,), []),
        (SortKey(field="price", missing="_first", descending=True), (None,), ["p11", "p10"]),
        (SortKey(field="day"), (9_223_372_036_854_775_807,), []),
        (SortKey(field="live"), (False,), ["p0", "p2"]),
        (SortKey(field="live"), (0,), ["p0", "p2"]),
    ],
)
def test_search_after_takes_values_as_shown_and_as_written(
    bench: SearchBench, key: SortKey, after: tuple[Any, ...], expected: list[str]
) -> None:
    """What a hit's sort shows may be handed back, and so may the value as a document has it."""
    assert bench.ids("shop", sort=(key,), search_after=after, size=2) == expected


@pytest.mark.parametrize(
    ("sort", "after", "error_type", "reason"),
    [
        ("nowhere", None, "query_shard_exception", "No mapping found for [nowhere] in order to sort on"),
        ("body", None, "illegal_argument_exception", "Fielddata is disabled on [body] in [shop]."),
        ("plain", None, "illegal_argument_exception", "Can't load fielddata on [plain] because fielddata"),
        (
            "price",
            ("cheap",),
            "illegal_argument_exception",
            "Failed to parse search_after value for field [price].",
        ),
        (
            "_doc",
            ("1e999",),
            "illegal_argument_exception",
            "Failed to parse search_after value for field [_doc].",
        ),
        ("price", (1, 2), "illegal_argument_exception", "search_after has 2 value(s) but sort has 1."),
    ],
)
def test_a_sort_that_cannot_be_is_the_failure_of_its_index(
    bench: SearchBench, sort: str, after: tuple[Any, ...] | None, error_type: str, reason: str
) -> None:
    """Sorting by text, by nothing, or after something else is refused as Elasticsearch words it."""
    failure = bench.search("shop", sort=(SortKey(field=sort),), search_after=after).failures[0]
    assert failure.error_type == error_type
    assert failure.reason.startswith(reason)


def test_one_index_may_fail_while_the_others_answer(bench: SearchBench) -> None:
    """Partial failure is data: the hits of the one, the failure of the other."""
    result = bench.search(selection("shop", "other"), sort=(SortKey(field="day"),), size=1)
    assert [hit.id for hit in result.hits] == ["p0"]
    assert (result.shards.total, result.shards.successful, result.shards.failed) == (2, 1, 1)
    assert [failure.index for failure in result.failures] == ["other"]


def test_an_unmapped_field_counts_as_missing_where_a_type_is_given(bench: SearchBench) -> None:
    """With unmapped_type an index without the field contributes missing values."""
    key = SortKey(field="day", unmapped_type="date", missing="_first")
    hits = bench.search(selection("shop", "other"), sort=(key,), size=3).hits
    assert [(hit.index, hit.id) for hit in hits] == [("shop", "bare"), ("other", "o1"), ("shop", "p0")]


def test_fields_of_different_kinds_cannot_be_sorted_together(bench: SearchBench) -> None:
    """Numbers here and text there have no common order."""
    with pytest.raises(Failure, match="incompatible sort types"):
        bench.search(selection("shop", "other"), sort=(SortKey(field="price"),))


def test_min_score_cuts_hits_and_totals(bench: SearchBench) -> None:
    """Documents below the score are not there, sorted or not."""
    query = {"match": {"body": "apple"}}
    best = bench.search("shop", query=query).max_score
    for sort in ((), (SortKey(field="price"),)):
        result = bench.search("shop", query=query, min_score=best, sort=sort)
        assert {hit.id for hit in result.hits} == {"p2", "p5", "p8", "p11"}
        assert result.total == TotalHits(value=4)
    assert bench.ids("shop", min_score=1.5) == []


def test_post_filter_narrows_the_hits_and_their_total(bench: SearchBench) -> None:
    """Hits and their number are after the filter; what aggregations see is another test's."""
    result = bench.search("shop", post_filter={"term": {"tag": "a"}}, size=20)
    assert result.total == TotalHits(value=6)
    assert len(result.hits) == 6


def test_terminate_after_stops_at_a_number_of_matches(bench: SearchBench) -> None:
    """An index stops after so many documents and says whether it did."""
    stopped = bench.search("shop", query={"match": {"body": "pear"}}, terminate_after=3)
    assert (stopped.terminated_early, stopped.total) == (True, TotalHits(value=3))
    assert {hit.id for hit in stopped.hits} == {"p0", "p1", "p2"}
    assert bench.search("shop", terminate_after=13).terminated_early is False
    assert bench.search("shop").terminated_early is None


@pytest.mark.parametrize("number", [2**31 - 1, 2**63 - 1, 2**64])
def test_terminate_after_may_be_any_number(bench: SearchBench, number: int) -> None:
    """Room for billions of matches is never asked for: that would end the process."""
    assert bench.search("shop", terminate_after=number).terminated_early is False


def test_a_sort_by_thousands_of_keys_is_refused(bench: SearchBench) -> None:
    """Before anything recurses."""
    with pytest.raises(Failure, match=r"sorting by \[5000\] keys is not supported: \[100\] at most"):
        bench.search("shop", sort=(SortKey(field="tag"),) * 5_000)
    assert len(bench.search("shop", sort=(SortKey(field="tag"),) * 100, size=20).hits) == 13


def test_a_score_beyond_what_json_writes_is_explained(bench: SearchBench) -> None:
    """A boost may be any number."""
    query = {"match": {"body": {"query": "pear", "boost": 1e308}}}
    assert bench.search("shop", query=query, fetch=FetchRequest(explain=True)).failures == ()


def test_a_query_of_a_peer_that_is_no_json_is_profiled(bench: SearchBench) -> None:
    """What clusters send each other may hold bytes."""
    result = bench.search("shop", query={"regexp": {"tag": b"a"}}, profile=True)
    assert (result.failures, len(result.profile)) == ((), 1)


def test_many_stars_are_one(bench: SearchBench) -> None:
    """The automaton of each would be one more state for every other."""
    assert len(bench.ids("shop", {"wildcard": {"tag": "*" * 5_000 + "a" + "*" * 5_000}})) == 6
    assert bench.ids("shop", {"wildcard": {"tag": "*" * 5_000 + "z"}}) == []


@pytest.mark.parametrize(
    ("query", "short"),
    [
        (None, True),
        ({"match": {"body": "pear"}}, True),
        ({"terms": {"tag": ["a"] * 95}}, True),
        ({"terms": {"tag": ["a"] * 105}}, False),
        ({"bool": {"should": [{"term": {"tag": "a"}}] * 60}}, False),
        ({"term": {"a" * 501: {}}}, True),
        ({"wildcard": {"tag": "?" * 501}}, False),
    ],
)
def test_only_short_queries_are_answered_without_a_thread(query: Any, short: bool) -> None:
    """However small the index is: everything else waits meanwhile."""
    assert is_short(query) is short


def test_a_window_of_billions_is_no_larger_than_the_index(bench: SearchBench) -> None:
    """Whoever may change an index's settings cannot end the process by it."""
    bench.create("wide", PROPERTIES, **{"index.max_result_window": 2**31 - 1})
    bench.write(
        "wide", {"one": {"body": "pear", "price": 1, "tag": "a"}, "two": {"body": "apple", "price": 2}}
    )
    for more in (
        {},
        {"query": {"match": {"body": "pear apple"}}},
        {"sort": (SortKey(field="price"),)},
        {"sort": (SortKey(field="tag"), SortKey(field="_score"))},
    ):
        assert len(bench.search("wide", size=2**31 - 1, **more).hits) == 2


def test_versions_and_sequence_numbers_are_shown_when_asked(bench: SearchBench) -> None:
    """They are absent otherwise."""
    bare = bench.search("shop", query={"ids": {"values": ["bare"]}})
    assert (bare.hits[0].version, bare.hits[0].seq_no, bare.hits[0].primary_term) == (None, None, None)
    asked = bench.search("shop", query={"ids": {"values": ["bare"]}}, version=True, seq_no_primary_term=True)
    assert (asked.hits[0].version, asked.hits[0].seq_no, asked.hits[0].primary_term) == (1, 12, 1)


def test_searching_nothing_finds_nothing(bench: SearchBench) -> None:
    """No selection is a valid search."""
    result = bench.search([])
    assert (result.hits, result.total, result.shards.total) == ((), TotalHits(value=0), 0)
    assert bench.count([]) == 0


def test_documents_rewritten_long_ago_do_not_hide_the_oldest(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """match_all answers in the order of writing, also when the first sequence numbers are gone."""
    made = SearchBench(tmp_path_factory.mktemp("rewritten"))
    made.create("log", {})
    for _ in range(12):
        made.write("log", {str(number): {"a": number} for number in range(10)})
    assert made.ids("log", size=3) == ["0", "1", "2"]
    assert made.ids("log", size=100) == [str(number) for number in range(10)]
    made.close()


def test_scores_are_as_short_as_32_bits_allow(bench: SearchBench) -> None:
    """A score reads like Elasticsearch's, and the first one handed back as min_score still matches."""
    result = bench.search("shop", query={"match": {"body": "apple"}})
    score = result.hits[0].score
    assert score == result.max_score
    assert len(str(score)) <= len("0.123456789")
    boosted = bench.search("shop", query={"match_all": {"boost": 1.1}}, sort=(SortKey(field="_score"),))
    assert boosted.hits[0].sort == (1.1,)


def test_statistics_tell_nothing_of_words_that_only_hidden_documents_hold(bench: SearchBench) -> None:
    """Or anybody could try out, word by word, what is hidden; the words of others weigh as ever."""
    bench.create("partly", {"body": {"type": "text"}, "team": {"type": "keyword"}})
    bench.write("partly", {"mine": {"body": "open", "team": "red"}, "theirs": {"body": "open treasure"}})
    query = {"match": {"body": "open treasure absent"}}
    shown = [IndexSelection(index=IndexName("partly"), document_filters=({"term": {"team": "red"}},))]
    everything = [IndexSelection(index=IndexName("partly"))]
    nothing = [IndexSelection(index=IndexName("partly"), document_filters=({"match_none": {}},))]
    for selections, expected in (
        (everything, {"open": 2, "treasure": 1, "absent": 0}),
        (shown, {"open": 2, "treasure": 0, "absent": 0}),
        (nothing, {"open": 0, "treasure": 0, "absent": 0}),
    ):
        assert bench.term_statistics(selections, query=query).frequencies == {"body": expected}
