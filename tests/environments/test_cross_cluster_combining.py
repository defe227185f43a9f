"""Groups, scores, second scores and profiles over two environments are those of one index."""

from __future__ import annotations

from typing import Any

import pytest
from environments_corpus import DOCUMENTS, Corpus, ids_of
from environments_support import Side

_DFS = "?search_type=dfs_query_then_fetch"
_WORDS = {"match": {"title": "bridge tide"}}
#: scores have 24 bits
_CLOSE = 2e-6


def _scores(answer: dict[str, Any]) -> list[float]:
    return [hit["_score"] for hit in answer["hits"]["hits"]]


def _search(corpus: Corpus, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = corpus.client.call("POST", f"/{corpus.split}/_search{_DFS}", body)
    assert answer["_clusters"]["successful"] == 2
    return answer


@pytest.mark.parametrize(
    "query",
    [
        _WORDS,
        {"match_phrase": {"title": "sea land"}},
        {"multi_match": {"query": "ferry coast", "fields": ["title^2", "genre"]}},
        {
            "bool": {
                "must": _WORDS,
                "should": {"term": {"genre": "poetry"}},
                "filter": {"term": {"in_print": True}},
            }
        },
    ],
    ids=lambda query: str(next(iter(query))),
)
def test_scores_by_the_words_of_both_are_those_of_one_index(corpus: Corpus, query: dict[str, Any]) -> None:
    """Each side tells what scores are made of, and scores by what both have told."""
    split = _search(corpus, {"query": query, "size": DOCUMENTS})
    whole = corpus.search(corpus.whole, {"query": query, "size": DOCUMENTS})
    assert split["hits"]["total"] == whole["hits"]["total"]
    assert _scores(split) == pytest.approx(_scores(whole), rel=_CLOSE)
    by_id = {hit["_id"]: hit["_score"] for hit in whole["hits"]["hits"]}
    for hit in split["hits"]["hits"]:
        assert hit["_score"] == pytest.approx(by_id[hit["_id"]], rel=_CLOSE)


def test_one_hit_of_each_group_with_what_is_in_it(corpus: Corpus) -> None:
    """Groups are of both sides, and so are the hits inside them."""
    body = {
        "query": _WORDS,
        "sort": [{"pages": "desc"}, {"rank": "asc"}],
        "collapse": {
            "field": "genre",
            "inner_hits": [
                {"name": "cheap", "size": 4, "sort": [{"price": "asc"}, {"rank": "asc"}]},
                {
                    "name": "newest",
                    "size": 1,
                    "sort": [{"published": "desc"}, {"rank": "asc"}],
                    "_source": False,
                },
            ],
        },
    }
    split, whole = corpus.both(body)
    assert ids_of(split) == ids_of(whole)
    assert [hit["fields"] for hit in split["hits"]["hits"]] == [
        hit["fields"] for hit in whole["hits"]["hits"]
    ]
    seen: set[str] = set()
    for one, other in zip(split["hits"]["hits"], whole["hits"]["hits"], strict=True):
        for name, group in one["inner_hits"].items():
            assert ids_of(group) == ids_of(other["inner_hits"][name])
            assert group["hits"]["total"] == other["inner_hits"][name]["hits"]["total"]
            seen |= {hit["_index"] for hit in group["hits"]["hits"]}
    assert seen == {corpus.name, f"{corpus.alias}:{corpus.name}"}


def test_hits_are_scored_anew_on_both_sides(corpus: Corpus) -> None:
    """With everything in the window the scores are those of one index."""
    rescore = {
        "window_size": DOCUMENTS,
        "query": {"rescore_query": {"match": {"title": "canal"}}, "rescore_query_weight": 3},
    }
    body = {"query": _WORDS, "rescore": rescore, "size": 40}
    whole = corpus.search(corpus.whole, body)
    assert _scores(_search(corpus, body)) == pytest.approx(_scores(whole), rel=_CLOSE)


def test_the_profile_names_cluster_and_index(corpus: Corpus, local: Side, remote: Side) -> None:
    """Every index of either side tells how long it took, under its node's id."""
    answer = corpus.search(corpus.split, {"query": _WORDS, "profile": True})
    shards = answer["profile"]["shards"]
    nodes = [next(iter(side.client.call("GET", "/_nodes")["nodes"])) for side in (local, remote)]
    assert [shard["id"] for shard in shards] == [
        f"[{nodes[0]}][{corpus.name}][0]",
        f"[{nodes[1]}][{corpus.alias}:{corpus.name}][0]",
    ]
    assert [shard["cluster"] for shard in shards] == ["(local)", corpus.alias]
    assert all(shard["searches"][0]["query"][0]["time_in_nanos"] > 0 for shard in shards)


def test_pages_of_several_keys_come_once(corpus: Corpus) -> None:
    """``search_after`` over both sides goes through all documents, those without a value too."""
    body: dict[str, Any] = {
        "size": 150,
        "sort": [
            {"published": {"order": "desc", "format": "yyyy-MM-dd", "numeric_type": "date"}},
            {"price": {"order": "asc", "missing": "_first"}},
            {"pages": {"order": "desc", "numeric_type": "double"}},
            {"rank": "asc"},
        ],
    }
    expected = corpus.search(corpus.whole, {**body, "size": DOCUMENTS})
    found: list[tuple[str, Any]] = []
    after: dict[str, Any] = {}
    while page := corpus.search(corpus.split, {**body, **after})["hits"]["hits"]:
        found.extend((hit["_id"], hit["sort"]) for hit in page)
        after = {"search_after": page[-1]["sort"]}
    assert found == [(hit["_id"], hit["sort"]) for hit in expected["hits"]["hits"]]
    assert len(found) == DOCUMENTS
