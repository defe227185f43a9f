"""One search over two environments finds what one index with all the documents would."""

from __future__ import annotations

from typing import Any

import pytest
from environments_corpus import DOCUMENTS, Corpus, ids_of
from environments_support import Side

_QUERIES: list[dict[str, Any]] = [
    {"match_all": {}},
    {"match": {"title": "bridge tide"}},
    {"match_phrase": {"title": "sea land"}},
    {"multi_match": {"query": "ferry coast", "fields": ["title", "genre"], "operator": "and"}},
    {"term": {"genre": "travel"}},
    {"terms": {"genre": ["novel", "poetry"]}},
    {"range": {"published": {"gte": "2001-01-01", "lt": "2010-06-01"}}},
    {"exists": {"field": "price"}},
    {"ids": {"values": ["d1", "d2", "d3", "d599"]}},
    {"prefix": {"genre": "sc"}},
    {"wildcard": {"genre": "*o*"}},
    {"constant_score": {"filter": {"term": {"in_print": True}}}},
    {
        "bool": {
            "must": [{"match": {"title": "canal"}}],
            "filter": [{"range": {"pages": {"gt": 100}}}],
            "must_not": [{"term": {"genre": "cookery"}}],
            "should": [{"term": {"in_print": True}}],
        }
    },
]


@pytest.mark.parametrize("query", _QUERIES, ids=lambda query: str(next(iter(query))))
def test_every_query_finds_the_same_documents(corpus: Corpus, query: dict[str, Any]) -> None:
    """Hits, their order by a key, their source and the total are those of one index."""
    split, whole = corpus.both(
        {"query": query, "size": DOCUMENTS, "sort": [{"rank": "desc"}], "track_total_hits": True}
    )
    assert split["hits"]["total"] == whole["hits"]["total"]
    assert split["hits"]["total"]["value"] > 0
    assert ids_of(split) == ids_of(whole)
    assert [hit["_source"] for hit in split["hits"]["hits"]] == [
        hit["_source"] for hit in whole["hits"]["hits"]
    ]


def test_hits_say_which_cluster_they_are_from(corpus: Corpus) -> None:
    """A remote hit's ``_index`` is ``alias:index``, a local one's the bare name."""
    answer = corpus.search(corpus.split, {"size": DOCUMENTS, "sort": ["rank"]})
    for hit in answer["hits"]["hits"]:
        is_local = hit["_source"]["rank"] % 3 == 0
        assert hit["_index"] == (corpus.name if is_local else f"{corpus.alias}:{corpus.name}")


def test_hits_are_ordered_by_score(corpus: Corpus, local: Side, remote: Side) -> None:
    """The merged list is both sides' lists, best first, each side's own order kept."""
    body = {"query": {"match": {"title": "harbour strait"}}, "size": 60}
    merged = corpus.search(corpus.split, body)["hits"]
    scores = [hit["_score"] for hit in merged["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert merged["max_score"] == scores[0]
    here = local.client.call("POST", f"/{corpus.name}/_search", body)["hits"]["hits"]
    there = remote.client.call("POST", f"/{corpus.name}/_search", body)["hits"]["hits"]
    every = [(hit["_score"], hit["_id"]) for hit in (*here, *there)]
    expected = sorted(every, key=lambda found: -found[0])[:60]
    assert [(hit["_score"], hit["_id"]) for hit in merged["hits"]] == expected


_SORTS: list[list[Any]] = [
    [{"genre": "asc"}, {"pages": "desc"}, {"rank": "asc"}],
    [{"in_print": "desc"}, {"published": "asc"}, {"rank": "desc"}],
    [{"price": {"order": "asc", "missing": "_first"}}, {"rank": "asc"}],
    [{"price": {"order": "desc", "missing": "_last"}}, {"genre": "desc"}, "rank"],
    [{"published": {"order": "desc", "format": "yyyy-MM-dd"}}, {"rank": "asc"}],
]


@pytest.mark.parametrize("sort", _SORTS, ids=str)
def test_several_sort_keys(corpus: Corpus, sort: list[Any]) -> None:
    """Order and the sort values shown are those of one index."""
    split, whole = corpus.both({"size": DOCUMENTS, "sort": sort})
    assert ids_of(split) == ids_of(whole)
    assert [hit["sort"] for hit in split["hits"]["hits"]] == [hit["sort"] for hit in whole["hits"]["hits"]]


@pytest.mark.parametrize("sort", [*_SORTS[:4], ["_score", "rank"]], ids=str)
def test_pages_by_search_after_are_the_whole_list(corpus: Corpus, sort: list[Any]) -> None:
    """Page after page over both sides, every document comes exactly once and in order."""
    query = {"match_all": {}} if sort[0] != "_score" else {"constant_score": {"filter": {"match_all": {}}}}
    body: dict[str, Any] = {"size": 83, "sort": sort, "query": query}
    paged: list[str] = []
    while hits := corpus.search(corpus.split, body)["hits"]["hits"]:
        paged += [hit["_id"] for hit in hits]
        body["search_after"] = hits[-1]["sort"]
        assert len(paged) <= DOCUMENTS
    assert paged == ids_of(corpus.search(corpus.whole, {"size": DOCUMENTS, "sort": sort, "query": query}))


def test_pages_by_from_and_size_are_the_whole_list(corpus: Corpus) -> None:
    """``from`` counts over both sides together."""
    sort = [{"genre": "asc"}, {"rank": "asc"}]
    paged: list[str] = []
    for offset in range(0, DOCUMENTS + 50, 50):
        paged += ids_of(corpus.search(corpus.split, {"from": offset, "size": 50, "sort": sort}))
    assert paged == ids_of(corpus.search(corpus.whole, {"size": DOCUMENTS, "sort": sort}))


def test_source_filters_and_sort_apply_on_both_sides(corpus: Corpus) -> None:
    """What is asked of the source is the same on each side."""
    split, whole = corpus.both({"size": 20, "sort": ["rank"], "_source": {"includes": ["t*", "rank"]}})
    assert [hit["_source"] for hit in split["hits"]["hits"]] == [
        hit["_source"] for hit in whole["hits"]["hits"]
    ]
    assert set(split["hits"]["hits"][1]["_source"]) == {"title", "rank"}


def test_totals_are_cut_where_asked(corpus: Corpus) -> None:
    """``track_total_hits`` counts over both sides together."""
    assert corpus.search(corpus.split, {"track_total_hits": 500})["hits"]["total"] == {
        "value": 500,
        "relation": "gte",
    }
    assert "total" not in corpus.search(corpus.split, {"track_total_hits": False})["hits"]


def test_count_adds_up_both_sides(corpus: Corpus) -> None:
    """``_count`` is the sum."""
    assert corpus.client.call("GET", f"/{corpus.split}/_count")["count"] == DOCUMENTS
    body = {"query": {"term": {"genre": "novel"}}}
    counted = corpus.client.call("POST", f"/{corpus.split}/_count", body)["count"]
    assert counted == corpus.client.call("POST", f"/{corpus.whole}/_count", body)["count"]


def test_multi_search_crosses_too(corpus: Corpus) -> None:
    """Each search of ``_msearch`` has clusters of its own; one that fails is an error of its own."""
    lines = (
        f'{{"index":["{corpus.name}","{corpus.alias}:{corpus.name}"]}}\n{{"size":0}}\n'
        f'{{"index":"{corpus.alias}:{corpus.name}"}}\n{{"size":0}}\n'
        '{"index":"nowhere:x"}\n{"size":0}\n'
    )
    first, second, third = corpus.client.call("POST", "/_msearch", content=lines.encode())["responses"]
    assert first["hits"]["total"]["value"] == DOCUMENTS
    assert second["hits"]["total"]["value"] == DOCUMENTS * 2 // 3
    assert third["error"]["type"] == "no_such_remote_cluster_exception"
    assert third["status"] == 404
