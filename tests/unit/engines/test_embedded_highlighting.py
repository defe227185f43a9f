"""Highlighting: what is marked, in which passages, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from embedded_search_bench import SearchBench

from isthmus.exchange import FetchRequest, FieldAccess, HighlightField, IndexSelection, SearchResult
from isthmus.names import IndexName

PROPERTIES = {
    "title": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 30}}},
    "body": {"type": "text", "analyzer": "english"},
    "tag": {"type": "keyword"},
    "count": {"type": "long"},
}
LONG = (
    "The first sentence is about nothing in particular. The second one tells of a bridge over the river. "
    "A third follows at once! Is the fourth a question about another bridge, or about the same old bridge? "
    "The fifth is here to make the text longer than it has to be. At the very end there is one more bridge."
)
DOCUMENTS = {
    "fox": {"title": "The quick brown fox is brown.", "tag": ["red", "brown fox"], "count": 1},
    "number": {"title": "some message with the number 1", "count": 2},
    "long": {"title": LONG, "body": "Running runners ran to the wörld's running tracks"},
    "many": {"title": ["no match here", "a fox", "another fox & <b>it's</b> cub"]},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """One index with texts of several kinds."""
    made = SearchBench(tmp_path_factory.mktemp("highlighting"))
    made.create("texts", PROPERTIES)
    made.write("texts", DOCUMENTS)
    made.create("short", {"title": {"type": "text"}}, **{"highlight.max_analyzed_offset": "10"})
    made.write("short", {"s": {"title": "longer than ten characters"}})
    yield made
    made.close()


def highlights(result: SearchResult) -> dict[str, Any]:
    """Answer the highlights by id of the document."""
    assert result.failures == ()
    return {hit.id: orjson.loads((hit.sections or {}).get("highlight", b"{}")) for hit in result.hits}


def of_one(bench: SearchBench, document: str, wanted: dict[str, Any], pattern: str, **options: Any) -> Any:
    """Answer the highlights of one document that the query finds."""
    fetch = FetchRequest(highlight=(HighlightField(pattern=pattern, **options),))
    only = {"bool": {"must": [wanted], "filter": [{"ids": {"values": [document]}}]}}
    return highlights(bench.search("texts", query=only, fetch=fetch))[document]


FOX = "The <em>quick</em> brown <em>fox</em> is brown."
MARKED: list[tuple[dict[str, Any], str]] = [
    ({"match": {"title": "quick fox"}}, FOX),
    ({"term": {"title": "fox"}}, "The quick brown <em>fox</em> is brown."),
    ({"terms": {"title": ["fox", "quick", "cat"]}}, FOX),
    ({"match_phrase": {"title": "brown fox"}}, "The quick <em>brown fox</em> is brown."),
    (
        {"match_phrase": {"title": {"query": "quick fox", "slop": 1}}},
        "The <em>quick brown fox</em> is brown.",
    ),
    ({"match_phrase_prefix": {"title": "quick bro"}}, "The <em>quick brown</em> fox is brown."),
    ({"match_bool_prefix": {"title": "fox qui"}}, FOX),
    ({"multi_match": {"query": "quick fox", "fields": ["tit*", "body"]}}, FOX),
    ({"prefix": {"title": "f"}}, "The quick brown <em>fox</em> is brown."),
    ({"wildcard": {"title": "?u*k"}}, "The <em>quick</em> brown fox is brown."),
    ({"regexp": {"title": "q.+k|fo[x-z]"}}, FOX),
    ({"fuzzy": {"title": "foy"}}, "The quick brown <em>fox</em> is brown."),
    ({"range": {"title": {"gte": "f", "lt": "g"}}}, "The quick brown <em>fox</em> is brown."),
    (
        {"term": {"title": {"value": "FOX", "case_insensitive": True}}},
        "The quick brown <em>fox</em> is brown.",
    ),
    ({"query_string": {"query": "title:(quick AND fox)"}}, FOX),
    ({"simple_query_string": {"query": "quick +fox", "fields": ["title"]}}, FOX),
    (
        {"bool": {"should": [{"match": {"title": "quick"}}], "filter": [{"term": {"title": "fox"}}]}},
        FOX,
    ),
    (
        {"bool": {"must": [{"match": {"title": "fox"}}], "must_not": [{"match": {"title": "cat"}}]}},
        "The quick brown <em>fox</em> is brown.",
    ),
    ({"constant_score": {"filter": {"match": {"title": "quick fox"}}}}, FOX),
    ({"dis_max": {"queries": [{"match": {"title": "quick"}}, {"match": {"title": "fox"}}]}}, FOX),
]


@pytest.mark.parametrize(("query", "expected"), MARKED, ids=lambda value: str(value)[:60])
def test_what_a_query_looks_for_is_marked(bench: SearchBench, query: dict[str, Any], expected: str) -> None:
    """Every clause that looks for words marks those words, and a phrase as a whole."""
    assert of_one(bench, "fox", query, "title") == {"title": [expected]}


def test_what_must_not_be_there_is_not_marked(bench: SearchBench) -> None:
    """A highlight query may exclude what the search found: only what it looks for is marked."""
    wanted = {"bool": {"should": [{"match": {"title": "fox"}}], "must_not": [{"match": {"title": "quick"}}]}}
    shown = of_one(bench, "fox", {"match_all": {}}, "title", query=wanted)
    assert shown == {"title": ["The quick brown <em>fox</em> is brown."]}


def test_a_field_is_marked_by_what_is_sought_in_it(bench: SearchBench) -> None:
    """With ``require_field_match`` false everything that is sought is marked in every field."""
    query = {"match": {"title": "fox"}}
    assert of_one(bench, "fox", query, "*") == {"title": ["The quick brown <em>fox</em> is brown."]}
    query = {"bool": {"must": [{"term": {"tag": "red"}}, {"match": {"title": "fox"}}]}}
    assert of_one(bench, "fox", query, "*", require_field_match=False) == {
        "title": ["The quick brown <em>fox</em> is brown."],
        "tag": ["<em>red</em>"],
    }


def test_a_multi_field_is_highlighted_from_its_parent(bench: SearchBench) -> None:
    """A keyword beside a text is one word; what it ignores for its length is not shown."""
    query = {"prefix": {"title.raw": "The"}}
    assert of_one(bench, "fox", query, "title.*") == {"title.raw": ["<em>The quick brown fox is brown.</em>"]}
    everything = {"match_all": {}}
    assert of_one(bench, "long", everything, "title.raw", query={"prefix": {"title.raw": "T"}}) == {}


def test_the_fields_analyzer_says_what_a_word_is(bench: SearchBench) -> None:
    """Words are compared after stemming and marked as they are written."""
    shown = of_one(bench, "long", {"match": {"body": "run"}}, "body")
    assert shown == {"body": ["<em>Running</em> runners ran to the wörld's <em>running</em> tracks"]}


def test_passages_are_sentences_of_about_the_size(bench: SearchBench) -> None:
    """Sentences are joined up to the size; one that is longer is cut at a word."""
    query = {"match": {"title": "bridge"}}
    assert of_one(bench, "long", query, "title")["title"] == [
        "The second one tells of a <em>bridge</em> over the river. A third follows at once!",
        "Is the fourth a question about another <em>bridge</em>, or about the same old <em>bridge</em>?",
        "At the very end there is one more <em>bridge</em>.",
    ]
    small = of_one(bench, "long", query, "title", fragment_size=30)["title"]
    assert [len(passage.replace("<em>", "").replace("</em>", "")) <= 45 for passage in small] == [True] * 4
    assert all("<em>bridge</em>" in passage for passage in small)


def test_the_best_passages_are_kept(bench: SearchBench) -> None:
    """The number limits them; the order is that of the text, or of the score when asked."""
    query = {"match": {"title": "bridge question"}}
    (only,) = of_one(bench, "long", query, "title", fragments=1)["title"]
    assert only.startswith("Is the fourth a <em>question</em> about another <em>bridge</em>, or about")
    best_first = of_one(bench, "long", query, "title", by_score=True)["title"]
    assert best_first[0].startswith("Is the fourth")
    assert sorted(best_first) == sorted(of_one(bench, "long", query, "title")["title"])


def test_whole_values_are_shown_when_no_fragments_are_asked_for(bench: SearchBench) -> None:
    """Of several values those with a match, each whole."""
    query = {"match": {"title": "bridge"}}
    assert of_one(bench, "long", query, "title", fragments=0) == {
        "title": [LONG.replace("bridge", "<em>bridge</em>")]
    }
    many = of_one(bench, "many", {"match": {"title": "fox"}}, "title", fragments=0)
    assert many == {"title": ["a <em>fox</em>", "another <em>fox</em> & <b>it's</b> cub"]}


def test_tags_and_encoding_are_as_asked(bench: SearchBench) -> None:
    """The text can be made safe to show as HTML; the tags are not touched."""
    options = {"opening": "[", "closing": "]", "escape_html": True}
    for kind in ("unified", "plain"):
        shown = of_one(bench, "many", {"match": {"title": "cub"}}, "title", kind=kind, **options)
        assert shown == {"title": ["another fox &amp; &lt;b&gt;it&#x27;s&lt;&#x2F;b&gt; [cub]"]}


def test_something_is_shown_where_nothing_matches_if_asked(bench: SearchBench) -> None:
    """The beginning of the first value: after a word for one kind, before one for the other."""
    query = {"term": {"count": 2}}
    assert of_one(bench, "number", query, "title") == {}
    assert of_one(bench, "number", query, "title", no_match_size=6) == {"title": ["some message"]}
    assert of_one(bench, "number", query, "title", no_match_size=6, kind="plain") == {"title": ["some"]}
    assert of_one(bench, "number", query, "title", no_match_size=99) == {
        "title": ["some message with the number 1"]
    }


@pytest.mark.parametrize(
    ("fragmenter", "expected"),
    [
        ("simple", [" with the <em>number</em>", " <em>1</em>"]),
        ("span", [" with the <em>number</em> <em>1</em>"]),
    ],
)
def test_the_plain_kind_cuts_as_documented(bench: SearchBench, fragmenter: str, expected: list[str]) -> None:
    """The example of Elasticsearch's documentation for both fragmenters."""
    query = {"match_phrase": {"title": "number 1"}}
    options = {"kind": "plain", "fragment_size": 15, "fragments": 3, "fragmenter": fragmenter}
    assert of_one(bench, "number", query, "title", **options) == {"title": expected}


def test_the_plain_kind_marks_the_words_of_a_phrase_where_it_stands(bench: SearchBench) -> None:
    """``brown`` at the end is no part of the phrase."""
    shown = of_one(bench, "fox", {"match_phrase": {"title": "brown fox"}}, "title", kind="plain")
    assert shown == {"title": ["The quick <em>brown</em> <em>fox</em> is brown."]}


def test_words_can_be_the_boundaries(bench: SearchBench) -> None:
    """The boundary scanner ``word`` cuts in the middle of a sentence."""
    shown = of_one(bench, "long", {"match": {"title": "second"}}, "title", boundary="word", fragment_size=20)
    (passage,) = shown["title"]
    assert "<em>second</em>" in passage
    assert len(passage) < 60


def test_a_text_that_is_too_long_fails_unless_it_may_be_cut(bench: SearchBench) -> None:
    """The failure is one of the index and names the setting; a smaller limit of the request cuts."""
    query = {"match": {"title": "longer"}}
    result = bench.search(
        "short", query=query, fetch=FetchRequest(highlight=(HighlightField(pattern="title"),))
    )
    (failure,) = result.failures
    assert failure.error_type == "illegal_argument_exception"
    assert failure.reason.startswith("The length [26] of field [title] in doc[s]/index[short] exceeds the")
    assert result.hits == ()
    cut = FetchRequest(highlight=(HighlightField(pattern="title", max_analyzed_offset=10),))
    assert highlights(bench.search("short", query=query, fetch=cut)) == {
        "s": {"title": ["<em>longer</em> than ten characters"]}
    }


def test_hidden_fields_are_neither_shown_nor_sought(bench: SearchBench) -> None:
    """Neither is a hidden text shown, nor are words that are sought in it marked elsewhere."""
    access = FieldAccess(granted=("*",), excepted=("title*",))
    selection = [IndexSelection(index=IndexName("texts"), field_access=(access,))]
    everywhere = HighlightField(pattern="*", require_field_match=False, no_match_size=100)
    query = {"bool": {"should": [{"prefix": {"title": "b"}}, {"match_all": {}}]}}
    shown = highlights(bench.search(selection, query=query, fetch=FetchRequest(highlight=(everywhere,))))
    assert shown["fox"] == {"tag": ["red"]}
    assert shown["many"] == {}


def test_every_hit_of_a_page_is_highlighted(bench: SearchBench) -> None:
    """Documents without the field have no highlight, the others have their own."""
    fetch = FetchRequest(highlight=(HighlightField(pattern="title"),))
    shown = highlights(bench.search("texts", query={"match": {"title": "fox message"}}, fetch=fetch))
    assert {document: len(each["title"]) for document, each in shown.items()} == {
        "fox": 1,
        "number": 1,
        "many": 2,
    }
