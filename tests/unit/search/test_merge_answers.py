"""One answer of what the clusters said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.errors import Failure, FailureKind, index_not_found
from isthmus.exchange import FailureReport, Hit, SearchRequest, SearchResult, ShardCounts, SortKey, TotalHits
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.clusters import ClusterStatus
from isthmus.search.merge import SearchAnswer, merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan

EU, US = ClusterAlias("eu"), ClusterAlias("us")
DOWN = Failure(FailureKind.UNAVAILABLE, "connect_transport_exception", "[eu] connect timed out")
BAD_SHARD = FailureReport(
    kind="INVALID_REQUEST",
    error_type="query_shard_exception",
    reason="failed to create query",
    metadata={"index": "i"},
    index="i",
)


def _merge(
    results: dict[ClusterAlias | None, SearchResult | Failure],
    *,
    skip: bool = True,
    partial: bool = True,
    **asked: Any,
) -> SearchAnswer:
    request = SearchRequest(**asked)
    parts = {alias: Part(alias, ("x",), request, skip and alias is not None, 1.0) for alias in results}
    plan = Plan(request, IndicesOptions(), tuple(parts.values()), None, partial)
    outcomes = [
        Outcome(parts[alias], failure=result)
        if isinstance(result, Failure)
        else Outcome(parts[alias], result=result)
        for alias, result in results.items()
    ]
    return merge(plan, outcomes, 7)


def _scored(*scores: float, index: str = "i") -> SearchResult:
    return SearchResult(
        shards=ShardCounts(total=1, successful=1),
        total=TotalHits(value=len(scores)),
        max_score=max(scores, default=None),
        hits=tuple(Hit(index, f"{score}", score, b"{}") for score in scores),
    )


def _sorted_by(*values: Any) -> SearchResult:
    return SearchResult(hits=tuple(Hit("i", str(value), None, b"{}", (value,)) for value in values))


def _order(answer: SearchAnswer) -> list[tuple[str, str]]:
    return [(hit.index, hit.id) for hit in answer.result.hits]


@pytest.mark.parametrize(
    ("descending", "expected"),
    [
        (False, ["::1", "9.0.0.1", "10.0.0.1", "fe80::1"]),
        (True, ["fe80::1", "10.0.0.1", "9.0.0.1", "::1"]),
    ],
)
def test_addresses_are_ordered_as_addresses_where_a_cluster_says_so(
    descending: bool, expected: list[str]
) -> None:
    """9.0.0.1 comes before 10.0.0.1 in a field of addresses, and after it in one of keywords."""
    halves: list[list[str]] = [["9.0.0.1", "fe80::1"], ["::1", "10.0.0.1"]]
    sort = (SortKey(field="client", descending=descending),)
    found: dict[ClusterAlias | None, SearchResult | Failure] = {
        alias: msgspec.structs.replace(_sorted_by(*sorted(half, key=expected.index)), sort_kinds=("ip",))
        for alias, half in zip((None, EU), halves, strict=True)
    }
    assert [hit.id for hit in _merge(found, sort=sort).result.hits] == expected
    texts: dict[ClusterAlias | None, SearchResult | Failure] = {
        None: _sorted_by("9.0.0.1"),
        EU: _sorted_by("10.0.0.1"),
    }
    assert [hit.id for hit in _merge(texts, sort=(SortKey(field="client"),)).result.hits] == [
        "10.0.0.1",
        "9.0.0.1",
    ]


def test_hits_are_ordered_by_score() -> None:
    """The best come first, wherever they are."""
    answer = _merge({None: _scored(3, 1), EU: _scored(4, 2)})
    assert _order(answer) == [("eu:i", "4"), ("i", "3"), ("eu:i", "2"), ("i", "1")]
    assert answer.result.max_score == 4


def test_equal_hits_are_ordered_by_cluster_then_position() -> None:
    """This cluster comes first, then the others by alias; each keeps its own order."""
    hits = {None: ("a", "b"), EU: ("c", "d"), US: ("e",)}
    answer = _merge(
        {
            alias: SearchResult(hits=tuple(Hit("i", name, 1.0, b"{}") for name in names))
            for alias, names in hits.items()
        }
    )
    assert [hit.id for hit in answer.result.hits] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("key", "here", "there", "expected"),
    [
        (SortKey(field="n"), (1, 3), (2, 4), ["1", "2", "3", "4"]),
        (SortKey(field="n", descending=True), (3, 1), (4, 2), ["4", "3", "2", "1"]),
        (SortKey(field="n"), (1, 2.5), (2, 3), ["1", "2", "2.5", "3"]),
        (SortKey(field="s"), ("a", "c"), ("B", "b"), ["B", "a", "b", "c"]),
        (SortKey(field="n"), (2, None), (1, None), ["1", "2", "None", "None"]),
        (SortKey(field="n", descending=True), (2, None), (1, None), ["2", "1", "None", "None"]),
        (SortKey(field="n", missing="_first"), (None, 2), (None, 1), ["None", "None", "1", "2"]),
        (
            SortKey(field="n", missing="_first", descending=True),
            (None, 2),
            (None, 1),
            ["None", "None", "2", "1"],
        ),
        (SortKey(field="s", descending=True), ("b", None), ("c", "a"), ["c", "b", "a", "None"]),
        (SortKey(field="b"), (False, True), (False,), ["False", "False", "True"]),
        (
            SortKey(field="n"),
            (2**53 + 1,),
            (2**53, float(2**53)),
            [str(2**53), "9007199254740992.0", str(2**53 + 1)],
        ),
        (SortKey(field="n"), (None,), ("a",), ["a", "None"]),
    ],
)
def test_hits_are_ordered_by_their_sort_values(
    key: SortKey, here: tuple[Any, ...], there: tuple[Any, ...], expected: list[str]
) -> None:
    """Numbers of any kind and texts compare, missing values stand where they were asked to."""
    answer = _merge({None: _sorted_by(*here), EU: _sorted_by(*there)}, sort=(key,))
    assert [hit.id for hit in answer.result.hits] == expected


def test_several_keys_decide_one_after_the_other() -> None:
    """Each key has its own direction."""

    def part(*values: tuple[Any, ...]) -> SearchResult:
        return SearchResult(hits=tuple(Hit("i", str(value), None, b"{}", value) for value in values))

    answer = _merge(
        {None: part((1, "b"), (2, "z")), EU: part((1, "c"), (1, "a"), (2, None))},
        sort=(SortKey(field="n"), SortKey(field="s", descending=True)),
    )
    assert [hit.sort for hit in answer.result.hits] == [(1, "c"), (1, "b"), (1, "a"), (2, "z"), (2, None)]


def test_numbers_and_texts_do_not_compare() -> None:
    """A field that is a number here and a text there cannot be sorted by."""
    with pytest.raises(Failure) as caught:
        _merge({None: _sorted_by(1), EU: _sorted_by("a")}, sort=(SortKey(field="f"),))
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason.startswith("Can't sort on field [f]; the field has incompatible sort types")


def test_dates_are_written_as_asked_after_they_were_compared() -> None:
    """Raw values order the hits, the format is for the reader."""
    answer = _merge(
        {None: _sorted_by(86_400_000, None), EU: _sorted_by(0)},
        sort=(SortKey(field="at", date_format="strict_date"),),
    )
    assert [hit.sort for hit in answer.result.hits] == [("1970-01-01",), ("1970-01-02",), (None,)]


def test_one_cluster_answers_dates_as_asked_too() -> None:
    """Clusters always answer milliseconds."""
    answer = _merge(
        {None: _sorted_by(0)}, sort=(SortKey(field="at", date_format="epoch_second||strict_date"),)
    )
    assert [hit.sort for hit in answer.result.hits] == [("0",)]


def test_the_window_is_cut_from_all_hits() -> None:
    """``from`` and ``size`` count over all clusters."""
    answer = _merge({None: _scored(5, 3, 1), EU: _scored(4, 2)}, offset=1, size=3)
    assert [hit.id for hit in answer.result.hits] == ["4", "3", "2"]


def test_a_single_cluster_has_cut_its_window_itself() -> None:
    """What one cluster answers is not cut again."""
    answer = _merge({EU: _scored(5, 4)}, offset=10, size=2)
    assert _order(answer) == [("eu:i", "5"), ("eu:i", "4")]
    assert answer.reduce_phases == 1


@pytest.mark.parametrize(
    ("track", "parts", "expected"),
    [
        (True, [(5, "eq"), (7, "eq")], (12, "eq")),
        (10, [(5, "eq"), (5, "eq")], (10, "eq")),
        (10, [(5, "eq"), (6, "eq")], (10, "gte")),
        (10, [(10, "gte"), (0, "eq")], (10, "gte")),
        (10, [(4, "gte"), (1, "eq")], (5, "gte")),
        (10, [], (0, "eq")),
        (False, [(0, "gte")], None),
    ],
)
def test_totals_add_up_to_the_threshold(
    track: bool | int, parts: list[tuple[int, str]], expected: tuple[int, str] | None
) -> None:
    """Above what was to be counted the total says "at least"."""
    aliases = (None, EU)
    results: dict[ClusterAlias | None, SearchResult | Failure] = {
        alias: SearchResult(total=TotalHits(value=value, relation=relation))
        for alias, (value, relation) in zip(aliases, parts, strict=False)
    }
    total = _merge(results or {EU: DOWN}, track_total_hits=track).result.total
    assert (None if total is None else (total.value, total.relation)) == expected


def test_shards_add_up_and_their_failures_name_the_cluster() -> None:
    """A bad shard far away is reported as ``alias:index``, also within its reason."""
    answer = _merge(
        {
            None: SearchResult(shards=ShardCounts(total=10, successful=10, skipped=2)),
            EU: SearchResult(shards=ShardCounts(total=12, successful=11, failed=1), failures=(BAD_SHARD,)),
        }
    )
    assert answer.result.shards == ShardCounts(total=22, successful=21, skipped=2, failed=1)
    (failure,) = answer.result.failures
    assert (failure.index, failure.metadata["index"]) == ("eu:i", "eu:i")
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SUCCESSFUL, ClusterStatus.PARTIAL]


def test_a_cluster_that_may_be_skipped_is_left_out_and_reported() -> None:
    """The answer says what it is missing."""
    answer = _merge({None: _scored(1), EU: DOWN})
    assert [hit.id for hit in answer.result.hits] == ["1"]
    assert answer.reduce_phases == 2
    here, there = answer.clusters
    assert (here.status, there.status) == (ClusterStatus.SUCCESSFUL, ClusterStatus.SKIPPED)
    assert (there.shards, there.took_milliseconds) == (None, None)
    assert [report.error_type for report in there.failures] == ["connect_transport_exception"]


def test_all_skipped_is_an_empty_answer() -> None:
    """It is an answer with status 200, and it says that nobody answered."""
    answer = _merge({EU: DOWN, US: DOWN})
    assert (answer.result.hits, answer.result.total, answer.result.max_score) == (
        (),
        TotalHits(value=0),
        None,
    )
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SKIPPED] * 2
    assert answer.result.shards == ShardCounts()


def test_a_cluster_that_may_not_be_skipped_fails_the_request() -> None:
    """The failure names the cluster and keeps the status of its cause."""
    for cause in (DOWN, index_not_found("x")):
        with pytest.raises(Failure) as caught:
            _merge({None: _scored(1), EU: cause}, skip=False)
        assert caught.value.error_type == "remote_transport_exception"
        assert caught.value.reason == "error while communicating with remote cluster [eu]"
        assert caught.value.kind is cause.kind
        assert caught.value.caused_by is cause


def test_a_failure_here_is_answered_as_it_is() -> None:
    """There is no cluster to name."""
    missing = index_not_found("x")
    with pytest.raises(Failure) as caught:
        _merge({None: missing, EU: _scored(1)})
    assert caught.value is missing


@pytest.mark.parametrize(
    ("flags", "expected"),
    [((None, None), None), ((False, None), False), ((False, True), True), ((None, True), True)],
)
def test_terminated_early_is_told_when_any_cluster_tells(
    flags: tuple[bool | None, ...], expected: bool | None
) -> None:
    """Silence of all is silence, one yes is a yes."""
    answer = _merge(
        {alias: SearchResult(terminated_early=flag) for alias, flag in zip((None, EU), flags, strict=True)}
    )
    assert answer.result.terminated_early is expected


def test_one_late_cluster_makes_the_answer_late() -> None:
    """A cluster that timed out over there is partial, and the whole answer says so."""
    answer = _merge({None: _scored(1), EU: SearchResult(timed_out=True)})
    assert answer.result.timed_out
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SUCCESSFUL, ClusterStatus.PARTIAL]


def test_partial_answers_can_be_refused() -> None:
    """A bad shard or a late cluster is then an error, except where the cluster may be skipped."""
    broken = SearchResult(shards=ShardCounts(total=2, successful=1, failed=1), failures=(BAD_SHARD,))
    with pytest.raises(Failure) as caught:
        _merge({None: broken}, partial=False)
    assert (caught.value.error_type, caught.value.reason) == (
        "search_phase_execution_exception",
        "Partial shards failure",
    )
    with pytest.raises(Failure, match="Time exceeded"):
        _merge({None: SearchResult(timed_out=True)}, partial=False)
    assert _merge({None: _scored(1), EU: broken}, partial=False).result.shards.failed == 1


def test_the_time_is_the_whole_time() -> None:
    """``took`` is what the caller waited for, not a sum."""
    assert _merge({None: _scored(1), EU: _scored(1)}).result.took_milliseconds == 7


def test_only_a_search_that_leaves_this_cluster_reports_clusters() -> None:
    """A local search has no such section."""
    assert _merge({None: _scored(1)}).clusters == ()
    assert len(_merge({EU: _scored(1)}).clusters) == 1


def test_a_hit_without_the_values_it_was_sorted_by_comes_last() -> None:
    """A peer that leaves them out loses its place, and nobody's hits are lost."""
    answer = _merge(
        {None: _sorted_by(1), EU: SearchResult(hits=(Hit("i", "bare", None, b"{}"),))},
        sort=(SortKey(field="n"),),
    )
    assert [hit.id for hit in answer.result.hits] == ["1", "bare"]
