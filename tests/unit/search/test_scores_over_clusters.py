"""Scores over clusters: by the statistics of all of them they are those of one index."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from clusters_split import SplitClusters, shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.exchange import TermStatistics
from isthmus.names import ClusterAlias

PROPERTIES: dict[str, Any] = {
    "order": {"type": "integer"},
    "body": {"type": "text"},
    "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
    "kind": {"type": "keyword"},
    "lacking": {"type": "text"},
}
EU = ClusterAlias("eu")
WORDS = ["sea", "land", "sky", "tide", "reef", "dune", "fjord"]
#: the library reckons with 24 bits, and adds up in another order
CLOSE = 2e-6


def _documents() -> dict[str, dict[str, Any]]:
    chance = random.Random(11)  # noqa: S311 - the same documents every time, no secret
    weights = [40, 30, 20, 5, 3, 1, 0.5]
    return {
        f"d{number}": {
            "order": number,
            # every second document goes to the other cluster: there texts are longer and words rarer
            "body": " ".join(chance.choices(WORDS, weights, k=chance.randrange(1, 40 if number % 2 else 9))),
            "title": " ".join(chance.choices(WORDS, weights[::-1] if number % 2 else weights, k=2)),
            "kind": chance.choice("abc" if number % 2 else "aab"),
            **({"lacking": "reef and sea"} if number % 2 == 0 else {}),
        }
        for number in range(400)
    }


DOCUMENTS = _documents()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SplitClusters]:
    """Two clusters that are unlike in what scores are made of; one of them lacks a field."""
    made = SplitClusters(tmp_path_factory.mktemp("scored"), "eu")
    other = {name: each for name, each in PROPERTIES.items() if name != "lacking"}
    made.write(DOCUMENTS, PROPERTIES, {EU: {**other, "lacking": {"type": "text"}}})
    yield made
    made.close()


_LEAVES = st.one_of(
    st.sampled_from(WORDS).map(lambda word: {"match": {"body": word}}),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map(
        lambda words: {"match": {"body": {"query": " ".join(words), "minimum_should_match": 1}}}
    ),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=2).map(
        lambda words: {"match_phrase": {"body": {"query": " ".join(words), "slop": 1}}}
    ),
    st.sampled_from(WORDS).map(lambda word: {"match": {"title": {"query": word, "boost": 2.5}}}),
    st.sampled_from(WORDS).map(lambda word: {"multi_match": {"query": word, "fields": ["title^3", "body"]}}),
    st.sampled_from(["a", "b", "c", "d"]).map(lambda kind: {"term": {"kind": kind}}),
    st.just({"match": {"lacking": "reef"}}),
    st.just({"range": {"order": {"gte": 100}}}),
    st.just({"match_all": {"boost": 0.5}}),
    st.just({"query_string": {"query": "body:(reef OR tide^2) AND title:s*"}}),
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            lambda must, should, boost: {"bool": {"must": must, "should": should, "boost": boost}},
            some,
            some,
            st.sampled_from([1, 0.3]),
        ),
        st.builds(lambda should: {"bool": {"should": should, "must_not": {"term": {"kind": "c"}}}}, some),
        st.builds(
            lambda queries, tie: {"dis_max": {"queries": queries, "tie_breaker": tie}},
            some,
            st.sampled_from([0, 0.4]),
        ),
        st.builds(
            lambda positive, negative: {
                "boosting": {"positive": positive, "negative": negative, "negative_boost": 0.2}
            },
            inner,
            inner,
        ),
        inner.map(lambda query: {"constant_score": {"filter": query, "boost": 3}}),
    )


QUERIES = st.recursive(_LEAVES, _combined, max_leaves=5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, size=st.integers(1, 30))
def test_scores_are_those_of_one_index(clusters: SplitClusters, query: dict[str, Any], size: int) -> None:
    """With ``dfs_query_then_fetch`` it does not matter where a document is."""
    whole = clusters.whole({"query": query, "size": 1_000, "track_total_hits": True})
    split = clusters.split(
        {"query": query, "size": size, "track_total_hits": True}, search_type="dfs_query_then_fetch"
    )
    assert split["hits"]["total"] == whole["hits"]["total"]
    expected: dict[str, float] = dict(shown(whole, "_id", "_score"))  # type: ignore[arg-type]
    found = shown(split, "_id", "_score")
    assert [score for _, score in found] == pytest.approx(sorted(expected.values())[::-1][:size], rel=CLOSE)
    for document, score in found:
        assert score == pytest.approx(expected[document], rel=CLOSE)
    assert split["hits"]["max_score"] == (found[0][1] if found else None)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=_LEAVES, falling=st.booleans())
def test_scores_as_one_sort_key_of_several_are_those_of_one_index(
    clusters: SplitClusters, query: dict[str, Any], falling: bool
) -> None:
    """Also by rising score, and in pages: each document comes once."""
    order = "desc" if falling else "asc"
    body = {"query": query, "sort": [{"_score": order}, {"order": "asc"}], "size": 150}
    found: list[tuple[Any, ...]] = []
    after: dict[str, Any] = {}
    while page := shown(clusters.split({**body, **after}, search_type="dfs_query_then_fetch")):
        found.extend(page)
        after = {"search_after": page[-1][1]}
    whole = shown(clusters.whole({**body, "size": 1_000}))
    assert sorted(each[0] for each in found) == sorted(each[0] for each in whole)
    assert [each[1][0] for each in found] == pytest.approx([each[1][0] for each in whole], rel=CLOSE)


def test_scores_are_each_clusters_own_unless_asked(clusters: SplitClusters) -> None:
    """As in Elasticsearch: without the phase before, a word that is rare here weighs more here."""
    body = {"query": {"match": {"title": "fjord"}}, "size": 400}
    whole = dict(shown(clusters.whole(body), "_id", "_score"))
    split = dict(shown(clusters.split(body), "_id", "_score"))
    assert split != pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize("least", [0.5, 1.0, 1.7, 99.0])
def test_a_lowest_score_is_one_of_all_clusters(clusters: SplitClusters, least: float) -> None:
    """``min_score`` looks at the scores that are shown."""
    body = {
        "query": {"match": {"body": "tide reef"}},
        "min_score": least,
        "size": 400,
        "track_total_hits": True,
    }
    split = clusters.split(body, search_type="dfs_query_then_fetch")
    whole = clusters.whole(body)
    assert split["hits"]["total"] == whole["hits"]["total"]
    assert {hit for (hit,) in shown(split, "_id")} == {hit for (hit,) in shown(whole, "_id")}


@pytest.mark.parametrize("mode", ["total", "multiply", "avg", "max", "min"])
def test_rescored_hits_are_those_of_one_index_where_all_are_in_the_window(
    clusters: SplitClusters, mode: str
) -> None:
    """The window is of each index, as in Elasticsearch; one that holds everything is the same everywhere."""
    rescore = [
        {
            "window_size": 400,
            "query": {
                "rescore_query": {"match": {"title": "reef"}},
                "query_weight": 0.7,
                "rescore_query_weight": 1.2,
                "score_mode": mode,
            },
        },
        {"window_size": 400, "query": {"rescore_query": {"term": {"kind": {"value": "b", "boost": 2}}}}},
    ]
    body = {"query": {"match": {"body": "land reef"}}, "rescore": rescore, "size": 30}
    split = clusters.split(body, search_type="dfs_query_then_fetch")
    whole = clusters.whole(body)
    scores = [score for (score,) in shown(split, "_score")]
    assert scores == pytest.approx([score for (score,) in shown(whole, "_score")], rel=CLOSE)
    assert scores == sorted(scores, reverse=True)
    assert split["hits"]["max_score"] == scores[0]


def test_only_the_window_is_scored_anew(clusters: SplitClusters) -> None:
    """What is beyond it keeps its score times the first weight."""
    query = {"term": {"kind": "b"}}
    plain = shown(clusters.whole({"query": query, "size": 5}), "_id", "_score")
    rescore = {"window_size": 2, "query": {"rescore_query": {"match_all": {}}, "query_weight": 2}}
    anew = shown(clusters.whole({"query": query, "size": 5, "rescore": rescore}), "_id", "_score")
    assert [each for each, _ in anew] == [each for each, _ in plain]
    assert [score for _, score in anew] == pytest.approx(
        [2 * score + (1 if place < 2 else 0) for place, (_, score) in enumerate(plain)]
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {"rescore": {"query": {"rescore_query": {"match_all": {}}}}, "sort": ["order"]},
            "Cannot use [sort] option in conjunction with [rescore].",
        ),
        (
            {"rescore": {"window_size": 10_001, "query": {"rescore_query": {"match_all": {}}}}},
            "Rescore window [10001] is too large. It must be less than [10000].",
        ),
        ({"rescore": {"window_size": 5}}, "missing rescore type"),
        ({"rescore": {"script": {}}}, "[rescore.script] is not supported by this deployment"),
        (
            {"rescore": {"query": {"rescore_query": {"match_all": {}}, "score_mode": "median"}}},
            "illegal score_mode [median]",
        ),
        ({"rescore": {"query": {"rescore_query": {"nonsense": {}}}}}, "unknown query [nonsense]"),
    ],
)
def test_what_cannot_be_rescored_is_refused(
    clusters: SplitClusters, body: dict[str, Any], reason: str
) -> None:
    """By name."""
    with pytest.raises(Failure) as caught:
        clusters.split(body)
    assert reason in f"{caught.value.reason} {caught.value.caused_by}"


def test_an_explanation_by_other_statistics_is_refused(clusters: SplitClusters) -> None:
    """It would not be one of the score that is shown."""
    with pytest.raises(Failure, match=r"\[explain\] is not supported with"):
        clusters.split({"explain": True}, search_type="dfs_query_then_fetch")


def test_statistics_add_up() -> None:
    """Over indices and clusters, field by field and word by word."""
    one = TermStatistics(documents=2, tokens={"a": 5}, frequencies={"a": {"x": 1, "y": 2}})
    other = TermStatistics(documents=3, tokens={"a": 1, "b": 4}, frequencies={"a": {"x": 1}, "b": {"z": 1}})
    assert TermStatistics.total([one, other]) == TermStatistics(
        documents=5, tokens={"a": 6, "b": 4}, frequencies={"a": {"x": 2, "y": 2}, "b": {"z": 1}}
    )
    assert TermStatistics.total([]) == TermStatistics()
