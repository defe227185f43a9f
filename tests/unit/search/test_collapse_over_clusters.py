"""Collapsing over clusters: one hit of each group, and what is in the groups, as in one index."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from clusters_split import SplitClusters, shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.names import ClusterAlias

EU, US = ClusterAlias("eu"), ClusterAlias("us")
PROPERTIES: dict[str, Any] = {
    "order": {"type": "integer"},
    "word": {"type": "keyword"},
    "number": {"type": "long"},
    "ratio": {"type": "float"},
    "several": {"type": "keyword"},
    "moment": {"type": "date"},
    "body": {"type": "text"},
    "unkept": {"type": "keyword", "doc_values": False},
}


def _documents() -> dict[str, dict[str, Any]]:
    chance = random.Random(5)  # noqa: S311 - the same documents every time, no secret
    documents = {}
    for number in range(180):
        made = {
            "order": number,
            "word": chance.choice([None, "", "a", "b", "c d", "é"]),
            "number": chance.choice([None, -1, 0, 5, 2**60]),
            "ratio": chance.choice([None, 0.1, 0.5, 2.0]),
            "several": ["x", "y"] if number == 100 else "x",
            "body": " ".join(chance.choices(["sea", "land", "sky"], k=chance.randrange(1, 6))),
        }
        documents[f"d{number}"] = {name: value for name, value in made.items() if value is not None}
    return documents


DOCUMENTS = _documents()
#: groups of one document each, as an order over clusters would put them next to each other
FIELDS = ["word", "number", "ratio", "order"]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SplitClusters]:
    """Three clusters; in one of them a whole number is a fraction."""
    made = SplitClusters(tmp_path_factory.mktemp("collapsed"), "eu", "us")
    made.write(DOCUMENTS, PROPERTIES, {US: {**PROPERTIES, "ratio": {"type": "double"}}})
    yield made
    made.close()


_SORTS = st.sampled_from(
    [
        [{"order": "asc"}],
        [{"number": {"order": "desc", "missing": "_first"}}, {"order": "asc"}],
        [{"word": "asc"}, {"order": "desc"}],
    ]
)
_QUERIES = st.sampled_from(
    [{"match_all": {}}, {"match": {"body": "sea"}}, {"range": {"order": {"gte": 30, "lt": 90}}}]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(FIELDS),
    sort=_SORTS,
    query=_QUERIES,
    offset=st.integers(0, 5),
    size=st.integers(0, 12),
)
def test_one_hit_of_each_group_as_in_one_index(
    clusters: SplitClusters, field: str, sort: list[Any], query: Any, offset: int, size: int
) -> None:
    """The first of each group over all clusters, windowed over groups; the total counts documents."""
    body = {"query": query, "sort": sort, "collapse": {"field": field}, "from": offset, "size": size}
    split, whole = clusters.split(body), clusters.whole(body)
    assert shown(split, "_id", "sort", "fields") == shown(whole, "_id", "sort", "fields")
    assert split["hits"]["total"] == whole["hits"]["total"]
    assert split["hits"]["max_score"] == whole["hits"]["max_score"]


@pytest.mark.parametrize("field", ["word", "number", "ratio"])
def test_the_one_index_is_right(clusters: SplitClusters, field: str) -> None:
    """A dumb second way: the first document of each value in the order."""
    body = {"sort": [{"order": "desc"}], "collapse": {"field": field}, "size": 50}
    firsts: dict[Any, str] = {}
    for name, document in reversed(DOCUMENTS.items()):
        firsts.setdefault(document.get(field), name)
    answer = clusters.whole(body)
    assert [name for (name,) in shown(answer, "_id")] == list(firsts.values())
    values = [(hit.get("fields") or {}).get(field, [None])[0] for hit in answer["hits"]["hits"]]
    assert values == list(firsts)


def test_the_best_of_each_group_by_the_scores_of_all_clusters(clusters: SplitClusters) -> None:
    """Without a sort the best document stands for its group."""
    body = {"query": {"match": {"body": "sky"}}, "collapse": {"field": "word"}, "size": 10}
    split = clusters.split(body, search_type="dfs_query_then_fetch")
    whole = clusters.whole(body)
    scores = [score for (score,) in shown(split, "_score")]
    assert scores == pytest.approx([score for (score,) in shown(whole, "_score")], rel=2e-6)
    assert sorted(map(str, shown(split, "fields"))) == sorted(map(str, shown(whole, "fields")))
    assert split["hits"]["max_score"] == scores[0]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(["word", "number", "ratio"]), sort=_SORTS, query=_QUERIES)
def test_inner_hits_are_of_all_clusters(
    clusters: SplitClusters, field: str, sort: list[Any], query: Any
) -> None:
    """Each group shows its documents wherever they are, in an order and a window of its own."""
    inner = [
        {"name": "first", "sort": [{"order": "asc"}], "size": 2, "_source": ["order"]},
        {
            "name": "last",
            "sort": [{"order": "desc"}],
            "size": 3,
            "from": 1,
            "_source": False,
            "version": True,
        },
        {"name": "by_number", "sort": [{"order": "asc"}], "collapse": {"field": "number"}},
    ]
    body = {
        "query": query,
        "sort": sort,
        "size": 4,
        "collapse": {"field": field, "inner_hits": inner, "max_concurrent_group_searches": 3},
    }
    split, whole = clusters.split(body), clusters.whole(body)
    assert [hit["_id"] for hit in split["hits"]["hits"]] == [hit["_id"] for hit in whole["hits"]["hits"]]
    for one, other in zip(split["hits"]["hits"], whole["hits"]["hits"], strict=True):
        assert list(one["inner_hits"]) == ["first", "last", "by_number"]
        for name, found in one["inner_hits"].items():
            expected = other["inner_hits"][name]
            assert found["hits"]["total"] == expected["hits"]["total"]
            assert shown(found, "_id", "sort", "_source", "_version", "fields") == shown(
                expected, "_id", "sort", "_source", "_version", "fields"
            )
        assert set(one["inner_hits"]["first"]["hits"]["hits"][0]["_source"]) == {"order"}
        assert all("_version" in hit for hit in one["inner_hits"]["last"]["hits"]["hits"])


def test_inner_hits_are_named_like_the_field_and_count_like_the_others(clusters: SplitClusters) -> None:
    """One object of inner hits needs no name; ``rest_total_hits_as_int`` is theirs too."""
    body = {"collapse": {"field": "word", "inner_hits": {}}, "size": 2, "sort": ["order"]}
    hit = clusters.split(body, rest_total_hits_as_int="true")["hits"]["hits"][0]
    assert list(hit["inner_hits"]) == ["word"]
    group = hit["inner_hits"]["word"]["hits"]
    assert group["total"] == sum(
        document.get("word") == hit["fields"]["word"][0] for document in DOCUMENTS.values()
    )
    assert len(group["hits"]) == 3


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_groups_come_once(clusters: SplitClusters, order: str) -> None:
    """``search_after`` goes on where the sort is by the field that is collapsed."""
    body = {"collapse": {"field": "word"}, "sort": [{"word": order}], "size": 2}
    seen: list[Any] = []
    after: dict[str, Any] = {}
    while page := shown(clusters.split({**body, **after}), "sort"):
        seen.extend(sort[0] for (sort,) in page)
        after = {"search_after": page[-1][0]}
    words = sorted({document["word"] for document in DOCUMENTS.values() if "word" in document})
    assert seen == [*(words if order == "asc" else words[::-1]), None]


def test_groups_are_scored_anew(clusters: SplitClusters) -> None:
    """A rescorer looks at the hits that stand for groups."""
    rescore = {"window_size": 50, "query": {"rescore_query": {"term": {"word": {"value": "b", "boost": 99}}}}}
    body = {"query": {"match_all": {}}, "collapse": {"field": "word"}, "rescore": rescore}
    for answer in (clusters.whole(body), clusters.split(body)):
        assert answer["hits"]["hits"][0]["fields"] == {"word": ["b"]}
        assert answer["hits"]["hits"][0]["_score"] > 100
        assert [score for (score,) in shown(answer, "_score")][1:] == [1.0] * 5


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"collapse": {"field": "absent"}}, "no mapping found for `absent` in order to collapse on"),
        (
            {"collapse": {"field": "body"}},
            "collapse is not supported for the field [body] of the type [text]",
        ),
        (
            {"collapse": {"field": "moment"}},
            "collapse is not supported for the field [moment] of the type [date]",
        ),
        ({"collapse": {"field": "unkept"}}, "cannot collapse on field `unkept` without `doc_values`"),
        (
            {"collapse": {"field": "several"}},
            "failed to collapse on [several], the collapse field must be single valued",
        ),
        ({"collapse": {"field": "word", "size": 1}}, "[collapse] unknown field [size]"),
        ({"collapse": {"inner_hits": {}}}, "[collapse] requires a [field]"),
        (
            {"collapse": {"field": "word", "max_concurrent_group_searches": 0}},
            "maxConcurrentGroupRequests` must be positive",
        ),
        (
            {"collapse": {"field": "word", "inner_hits": [{"name": "a"}, {"name": "a"}]}},
            "[inner_hits] already contains an entry for key [a]",
        ),
        ({"collapse": {"field": "word", "inner_hits": {"query": {}}}}, "[inner_hits] unknown field [query]"),
        (
            {"collapse": {"field": "word", "inner_hits": {"script_fields": {}}}},
            "[collapse.inner_hits.script_fields] is not supported",
        ),
        (
            {"collapse": {"field": "word"}, "sort": ["word", "order"], "search_after": ["a", 1]},
            "unless the search is sorted on the same field. Multiple sort fields are not allowed.",
        ),
    ],
)
def test_what_cannot_be_collapsed_is_refused(
    clusters: SplitClusters, body: dict[str, Any], reason: str
) -> None:
    """In Elasticsearch's words, whichever cluster finds out."""
    with pytest.raises(Failure) as caught:
        clusters.split(body)
    cause: Failure | None = caught.value
    reasons = []
    while cause is not None:
        reasons.append(cause.reason)
        cause = cause.caused_by
    assert reason in "\n".join(reasons)
