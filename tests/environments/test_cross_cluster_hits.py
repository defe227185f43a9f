"""What is shown of hits besides their sources is the same over two environments as of one index."""

from __future__ import annotations

from typing import Any

import pytest
from environments_corpus import Corpus, ids_of
from environments_support import Side, attempt

_WORDS = {"match": {"title": {"query": "bridge tide", "_name": "words"}}}
_NAMED = {
    "bool": {
        "must": [_WORDS],
        "should": [
            {"term": {"genre": {"value": "novel", "_name": "a novel"}}},
            {"range": {"pages": {"gte": 500, "_name": "long"}}},
        ],
    }
}
_BODIES: list[dict[str, Any]] = [
    {"highlight": {"fields": {"*": {}}}},
    {"highlight": {"fields": {"title": {"type": "plain", "fragment_size": 12, "number_of_fragments": 2}}}},
    {
        "highlight": {
            "pre_tags": "[",
            "post_tags": "]",
            "order": "score",
            "fields": {"title": {"number_of_fragments": 0}, "genre": {"no_match_size": 4}},
            "highlight_query": {
                "bool": {"should": [{"prefix": {"title": "b"}}, {"term": {"genre": "novel"}}]}
            },
        }
    },
    {"fields": ["*", {"field": "published", "format": "yyyy"}], "_source": False},
    {"fields": [{"field": "price"}, "no_such_field"], "_source": ["rank"]},
    {"docvalue_fields": ["rank", "genre", {"field": "pages", "format": "0000.0"}, "published"]},
    {"stored_fields": ["title"], "version": True},
    {"stored_fields": "_none_"},
    {"query": _NAMED},
    {"query": _NAMED, "post_filter": {"term": {"in_print": {"value": True, "_name": "in print"}}}},
    {"seq_no_primary_term": False, "version": True, "min_score": 0.001, "track_scores": True},
]
_SHOWN = ("fields", "highlight", "matched_queries", "_source", "sort")


@pytest.mark.parametrize("body", _BODIES, ids=lambda body: str(body)[:60])
def test_hits_show_the_same_as_those_of_one_index(corpus: Corpus, body: dict[str, Any]) -> None:
    """Same hits in the same order, with the same sections; only the index's name differs."""
    split, whole = corpus.both({"query": _WORDS, "size": 80, "sort": [{"rank": "desc"}], **body})
    assert split["hits"]["total"] == whole["hits"]["total"]
    shown = [
        [{name: hit[name] for name in (*_SHOWN, "_id") if name in hit} for hit in answer["hits"]["hits"]]
        for answer in (split, whole)
    ]
    assert shown[0] == shown[1]
    assert len(shown[0]) == 80


def test_each_hit_is_explained_where_it_is(corpus: Corpus) -> None:
    """The explanation of a hit ends in its score, here and over there."""
    body = {"query": _NAMED, "explain": True, "size": 20, "highlight": {"fields": {"title": {}}}}
    hits = corpus.search(corpus.split, body)["hits"]["hits"]
    assert {hit["_index"] for hit in hits} == {corpus.name, f"{corpus.alias}:{corpus.name}"}
    for hit in hits:
        assert hit["_explanation"]["value"] == pytest.approx(hit["_score"], rel=1e-6)
        assert hit["_shard"] == f"[{hit['_index']}][0]"
        assert "weight(title:" in str(hit["_explanation"])


def test_what_one_side_cannot_show_is_its_failure(corpus: Corpus) -> None:
    """A text has no doc values: both sides say so, and the answer is the error of one index."""
    body = {"docvalue_fields": ["title"]}
    for where in (corpus.split, corpus.whole):
        status, answer = attempt(corpus.client, "POST", f"/{where}/_search", body)
        assert status == 400
        cause = answer["error"]
        assert "Fielddata is disabled on [title]" in str(cause)
        assert cause["root_cause"][0]["type"] == "illegal_argument_exception"


def test_one_document_is_explained_here_and_not_over_there(corpus: Corpus, local: Side) -> None:
    """As upstream: a document of another cluster is explained by that cluster only."""
    query = {"query": {"match": {"title": "bridge"}}}
    found = local.client.call("POST", f"/{corpus.whole}/_search", {**query, "size": 1})["hits"]["hits"][0]
    path = f"{corpus.whole}/_explain"
    explained = local.client.call("POST", f"/{path}/{found['_id']}?_source_includes=rank", query)
    assert explained["matched"] is True
    assert explained["explanation"]["value"] == pytest.approx(found["_score"], rel=1e-6)
    assert explained["get"]["_source"] == {"rank": found["_source"]["rank"]}
    other = local.client.call("POST", f"/{path}/{found['_id']}", {"query": {"term": {"genre": "none"}}})
    assert (other["matched"], other["explanation"]["value"], "get" in other) == (False, 0.0, False)
    status, answer = attempt(local.client, "POST", f"/{path}/nobody", query)
    assert (status, answer["matched"]) == (404, False)
    status, answer = attempt(local.client, "POST", f"/{corpus.alias}:{corpus.name}/_explain/d1", query)
    assert status == 400
    assert "Cross-cluster calls are not supported in this context" in answer["error"]["reason"]


def test_every_page_shows_the_same(corpus: Corpus) -> None:
    """Paging over two environments loses no section."""
    body = {
        "query": _WORDS,
        "size": 7,
        "sort": [{"genre": "asc"}, {"rank": "asc"}],
        "fields": ["rank"],
        "highlight": {"fields": {"title": {}}},
    }
    after: list[Any] | None = None
    for _ in range(5):
        split, whole = corpus.both(body if after is None else {**body, "search_after": after})
        assert ids_of(split) == ids_of(whole)
        assert [hit["highlight"] for hit in split["hits"]["hits"]] == [
            hit["highlight"] for hit in whole["hits"]["hits"]
        ]
        after = split["hits"]["hits"][-1]["sort"]


def test_boosts_count_in_every_cluster(corpus: Corpus) -> None:
    """Names and patterns are each cluster's own; scores are multiplied, explained ones too."""
    body = {"query": {"term": {"in_print": True}}, "size": 600}
    boosted = {**body, "indices_boost": [{"books-*": 4}, {corpus.name: 9}], "explain": True}
    plain = corpus.search(corpus.split, body)["hits"]["hits"]
    hits = corpus.search(corpus.split, boosted)["hits"]["hits"]
    assert {hit["_score"] for hit in plain} == {1.0}
    assert {hit["_score"] for hit in hits} == {4.0}
    assert {hit["_explanation"]["value"] for hit in hits} == {4.0}
    status, answer = attempt(
        corpus.client, "POST", f"/{corpus.split}/_search", {**body, "indices_boost": [{"no-such-index": 2}]}
    )
    assert status == 404
    assert "no such index [no-such-index]" in answer["error"]["reason"]


def test_words_are_suggested_from_both_sides(corpus: Corpus) -> None:
    """What two environments suggest is what one index with all the documents does."""
    suggest = {
        "text": "brigde harbor isle ferri",
        "near": {"term": {"field": "title"}},
        "all": {
            "term": {"field": "title", "suggest_mode": "always", "sort": "frequency", "min_word_length": 3}
        },
        "kinds": {"text": "novels", "term": {"field": "genre"}},
    }
    for typed in ("", "?typed_keys=true"):
        split, whole = (
            corpus.client.call("POST", f"/{where}/_search{typed}", {"suggest": suggest})
            for where in (corpus.split, corpus.whole)
        )
        assert split["suggest"] == whole["suggest"]
        assert set(split["suggest"]) == {
            f"term#{name}" if typed else name for name in ("near", "all", "kinds")
        }
        assert split["hits"] == {"total": {"value": 0, "relation": "eq"}, "max_score": None, "hits": []}
    near = corpus.client.call("POST", f"/{corpus.split}/_search", {"suggest": suggest})["suggest"]["near"]
    assert [option["text"] for option in near[0]["options"]] == ["bridge"]
    assert (near[0]["options"][0]["freq"], near[1]["text"]) == (
        corpus.search(corpus.whole, {"query": {"term": {"title": "bridge"}}})["hits"]["total"]["value"],
        "harbor",
    )
