"""What is shown of a hit besides its source: fields, doc values, explanations, names of clauses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from embedded_search_bench import SearchBench

from isthmus.exchange import FetchRequest, FieldAccess, FieldRequest, IndexSelection, Rescore, SearchResult
from isthmus.names import IndexName

PROPERTIES = {
    "title": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 10}}},
    "tags": {"type": "keyword", "null_value": "none"},
    "size": {"type": "integer", "ignore_malformed": True, "store": True},
    "ratio": {"type": "float"},
    "half": {"type": "half_float"},
    "price": {"type": "scaled_float", "scaling_factor": 100},
    "day": {"type": "date", "format": "yyyy-MM-dd||epoch_millis"},
    "moment": {"type": "date"},
    "live": {"type": "boolean"},
    "host": {"type": "ip"},
    "plain": {"type": "keyword", "doc_values": False},
    "inner": {"properties": {"deep": {"type": "long"}}},
    "loose": {"type": "object", "dynamic": False},
}
DOCUMENT = {
    "title": "a title that is long",
    "tags": ["b", None, "a", "b"],
    "size": ["7", "no number", 3],
    "ratio": 3.14,
    "half": 0.1,
    "price": 12.345,
    "day": ["2024-02-03", 0],
    "moment": "2024-02-03T04:05:06.789Z",
    "live": "true",
    "host": ["10.0.0.1", "::1"],
    "plain": "p",
    "inner": [{"deep": 2}, {"deep": 1}],
    "loose": {"end": [1, "two", None], "more": {"yet": True}},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Make an index with a field of each type, and one whose fields differ."""
    made = SearchBench(tmp_path_factory.mktemp("fetching"))
    made.create("all", PROPERTIES, max_docvalue_fields_search="12")
    made.write("all", {"1": DOCUMENT})
    made.create("other", {"size": {"type": "keyword"}, "title": {"type": "text"}})
    made.write(
        "other", {f"o{number}": {"size": str(number), "title": "words " * number} for number in range(4)}
    )
    yield made
    made.close()


def fields(result: SearchResult) -> dict[str, Any]:
    """Answer the fields of the only hit."""
    assert result.failures == ()
    (hit,) = result.hits
    read: dict[str, Any] = orjson.loads((hit.sections or {}).get("fields", b"{}"))
    return read


def shown(bench: SearchBench, *requests: FieldRequest) -> dict[str, Any]:
    """Answer what ``fields`` shows of the document."""
    return fields(bench.search("all", fetch=FetchRequest(fields=requests)))


ALL = {
    "title": ["a title that is long"],
    "tags": ["b", "none", "a", "b"],
    "size": [7, 3],
    "ratio": [3.14],
    "half": [0.1],
    "price": [12.35],
    "day": ["2024-02-03", "1970-01-01"],
    "moment": ["2024-02-03T04:05:06.789Z"],
    "live": [True],
    "host": ["10.0.0.1", "::1"],
    "plain": ["p"],
    "inner.deep": [2, 1],
}


def test_every_field_is_shown_as_a_list_of_what_it_holds(bench: SearchBench) -> None:
    """Values are those that are indexed: coerced, without the malformed and the overlong, nulls replaced."""
    assert shown(bench, FieldRequest(pattern="*")) == ALL
    assert shown(bench, FieldRequest(pattern="t*"), FieldRequest(pattern="inner")) == {
        "title": ALL["title"],
        "tags": ALL["tags"],
    }


def test_dates_are_written_as_asked(bench: SearchBench) -> None:
    """A format is for dates; with a pattern only they are shown, a named field of another type fails."""
    assert shown(bench, FieldRequest(pattern="day", format="dd/MM/yyyy")) == {
        "day": ["03/02/2024", "01/01/1970"]
    }
    assert shown(bench, FieldRequest(pattern="*", format="epoch_second")) == {
        "day": ["1706918400", "0"],
        "moment": ["1706933106"],
    }
    result = bench.search("all", fetch=FetchRequest(fields=(FieldRequest(pattern="tags", format="yyyy"),)))
    assert result.failures[0].reason == "Field [tags] of type [keyword] doesn't support formats."
    assert result.hits == ()


def test_what_is_not_mapped_is_shown_when_asked(bench: SearchBench) -> None:
    """Leaves below an object that takes no new fields, as they are."""
    assert shown(bench, FieldRequest(pattern="loose.*")) == {}
    assert shown(bench, FieldRequest(pattern="loose.*", include_unmapped=True)) == {
        "loose.end": [1, "two"],
        "loose.more.yet": [True],
    }


def test_doc_values_are_in_the_order_of_the_column(bench: SearchBench) -> None:
    """Ascending, text only once; singles show all the digits that they hold."""
    names = ("tags", "size", "ratio", "day", "live", "host", "title.raw", "inner.*")
    request = FetchRequest(docvalue_fields=tuple(FieldRequest(pattern=name) for name in names))
    assert fields(bench.search("all", fetch=request)) == {
        "tags": ["a", "b", "none"],
        "size": [3, 7],
        "ratio": [3.140000104904175],
        "day": ["1970-01-01", "2024-02-03"],
        "live": [True],
        "host": ["::1", "10.0.0.1"],
        "inner.deep": [1, 2],
    }


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("size", "#.0", ["3.0", "7.0"]),
        ("price", "000.000", ["012.350"]),
        ("day", "epoch_millis", ["0", "1706918400000"]),
        ("day", "use_field_mapping", ["1970-01-01", "2024-02-03"]),
    ],
)
def test_doc_values_have_formats(bench: SearchBench, name: str, form: str, expected: list[str]) -> None:
    """Numbers by a pattern, dates by theirs."""
    request = FetchRequest(docvalue_fields=(FieldRequest(pattern=name, format=form),))
    assert fields(bench.search("all", fetch=request)) == {name: expected}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (FieldRequest(pattern="title"), "Fielddata is disabled on [title]"),
        (FieldRequest(pattern="plain"), "Can't load fielddata on [plain] because fielddata is unsupported"),
        (FieldRequest(pattern="tags", format="#"), "does not support custom formats"),
        (FieldRequest(pattern="day", format="what is this"), "Invalid format"),
    ],
)
def test_doc_values_that_there_are_not_fail_the_index(
    bench: SearchBench, request_: FieldRequest, reason: str
) -> None:
    """The other indices of the search still answer."""
    both = [IndexSelection(index=IndexName("all")), IndexSelection(index=IndexName("other"))]
    only_all = {"term": {"_index": "all"}}
    fetch = FetchRequest(docvalue_fields=(request_,))
    if request_.pattern != "title":
        result = bench.search(both, fetch=fetch)
        assert [hit.index for hit in result.hits] == ["other"] * 4
    else:
        result = bench.search("all", query=only_all, fetch=fetch)
    assert [failure.index for failure in result.failures] == ["all"]
    assert reason in result.failures[0].reason
    assert (result.shards.total - result.shards.successful, result.shards.failed) == (1, 1)


def test_there_is_a_limit_to_doc_values(bench: SearchBench) -> None:
    """The index's setting says how many fields."""
    bench.create("few", {name: {"type": "long"} for name in "abc"}, max_docvalue_fields_search="2")
    fetch = FetchRequest(docvalue_fields=(FieldRequest(pattern="*"),))
    (failure,) = bench.search("few", fetch=fetch).failures
    assert failure.reason.startswith(
        "Trying to retrieve too many docvalue_fields. Must be less than or equal"
    )


def test_stored_fields_are_those_that_the_mapping_stores(bench: SearchBench) -> None:
    """Others are not shown, nor is the id when nothing is to be shown."""
    fetch = FetchRequest(stored_fields=("size", "title", "unknown"))
    assert fields(bench.search("all", fetch=fetch)) == {"size": [7, 3]}
    (hit,) = bench.search("all", source=False, fetch=FetchRequest(hide_id=True)).hits
    assert (hit.id, hit.source, hit.sections) == ("", None, None)


def test_hidden_fields_are_not_shown_in_any_form(bench: SearchBench) -> None:
    """Neither by name nor by pattern, mapped or not, also when the document is explained."""
    access = FieldAccess(granted=("title*", "loose.more.*", "inner.deep"), excepted=("inner.*",))
    selection = [IndexSelection(index=IndexName("all"), field_access=(access,))]
    asked = tuple(
        FieldRequest(pattern=pattern, include_unmapped=True)
        for pattern in ("*", "tags", "inner.deep", "loose.end")
    )
    fetch = FetchRequest(
        fields=asked,
        docvalue_fields=(FieldRequest(pattern="tags"), FieldRequest(pattern="*")),
        stored_fields=("size",),
        explain=True,
    )
    query = {"bool": {"should": [{"term": {"tags": "b"}}, {"match": {"title": "title"}}]}}
    result = bench.search(selection, query=query, fetch=fetch)
    assert fields(result) == {"title": ALL["title"], "loose.more.yet": [True]}
    assert b"tags" not in (result.hits[0].sections or {})["_explanation"]


def explanation(result: SearchResult) -> dict[str, Any]:
    """Answer the explanation of the first hit."""
    read: dict[str, Any] = orjson.loads((result.hits[0].sections or {})["_explanation"])
    return read


def test_an_explanation_ends_in_the_score(bench: SearchBench) -> None:
    """Its value is the hit's score; terms are named by field."""
    query = {"bool": {"must": [{"match": {"title": "words"}}], "should": [{"term": {"size": "3"}}]}}
    result = bench.search("other", query=query, fetch=FetchRequest(explain=True))
    explained = explanation(result)
    assert explained["value"] == pytest.approx(result.hits[0].score)
    text = orjson.dumps(explained).decode()
    assert "weight(title:words), product of:" in text
    assert "weight(size:3), product of:" in text
    assert set(explained) == {"value", "description", "details"}
    everything = bench.search("other", fetch=FetchRequest(explain=True))
    assert explanation(everything) == {"value": 1.0, "description": "Const", "details": []}


def test_an_explanation_does_not_count_hidden_documents(bench: SearchBench) -> None:
    """Who sees a part of the documents is not told in how many a word is."""
    selection = [IndexSelection(index=IndexName("other"), document_filters=({"term": {"size": "2"}},))]
    query = {"match": {"title": "words"}}
    result = bench.search(selection, query=query, fetch=FetchRequest(explain=True))
    text = orjson.dumps(explanation(result)).decode()
    assert [hit.id for hit in result.hits] == ["o2"]
    assert "number of docs" not in text
    assert "avgdl, average" not in text
    assert "size" not in text
    whole = orjson.dumps(explanation(bench.search("other", query=query, fetch=FetchRequest(explain=True))))
    assert b"number of docs" in whole


CLAUSES: list[dict[str, Any]] = [
    {"match": {"title": "words title"}},
    {"match": {"title": {"query": "wrods", "fuzziness": 2}}},
    {"match_phrase": {"title": "words words"}},
    {"match_phrase_prefix": {"title": "words wor"}},
    {"match_bool_prefix": {"title": "words wor"}},
    {"multi_match": {"query": "words 3", "fields": ["title^3", "size"], "tie_breaker": 0.3}},
    {"multi_match": {"query": "words", "fields": ["title", "size"], "type": "most_fields"}},
    {"term": {"size": {"value": "3", "boost": 2.5}}},
    {"terms": {"size": ["1", "3"]}},
    {"range": {"size": {"gte": "1"}}},
    {"prefix": {"title": "wo"}},
    {"wildcard": {"title": "w*s"}},
    {"regexp": {"title": "w.*s"}},
    {"fuzzy": {"title": "wards"}},
    {"exists": {"field": "title"}},
    {"ids": {"values": ["o3"]}},
    {"constant_score": {"filter": {"match": {"title": "words"}}, "boost": 3}},
    {"dis_max": {"queries": [{"match": {"title": "words"}}, {"term": {"size": "3"}}], "tie_breaker": 0.5}},
    {"boosting": {"positive": {"match_all": {}}, "negative": {"term": {"size": "3"}}, "negative_boost": 0.2}},
    {"bool": {"filter": [{"match": {"title": "words"}}], "must_not": [{"term": {"size": "0"}}]}},
    {"bool": {"must": [{"match_all": {}}], "should": [{"term": {"size": "3"}}], "minimum_should_match": 1}},
    {"query_string": {"query": "title:words AND size:3"}},
    {"simple_query_string": {"query": "words | 3"}},
]


@pytest.mark.parametrize("query", CLAUSES, ids=str)
def test_every_clause_is_explained(bench: SearchBench, query: dict[str, Any]) -> None:
    """Whatever the query: an explanation is there for each hit and ends in the hit's score."""
    result = bench.search("other", query=query, fetch=FetchRequest(explain=True))
    assert result.failures == ()
    assert result.hits
    for hit in result.hits:
        explained = orjson.loads((hit.sections or {})["_explanation"])
        assert explained["value"] == pytest.approx(hit.score, rel=1e-5), explained


def test_what_rescoring_made_of_a_score_is_explained(bench: SearchBench) -> None:
    """The value is the score; what both queries gave stands below."""
    rescore = Rescore(query={"match": {"size": "3"}}, window_size=2, query_weight=2.0)
    query = {"match": {"title": "words"}}
    result = bench.search("other", query=query, rescore=(rescore,), fetch=FetchRequest(explain=True))
    explained = explanation(result)
    assert explained["value"] == pytest.approx(result.hits[0].score)
    assert explained["description"] == "score after rescoring, of:"
    assert [each["description"] for each in explained["details"]] == [
        "weight(title:words), product of:",
        "no matching clause" if result.hits[0].id != "o3" else "weight(size:3), product of:",
    ]


def names(result: SearchResult) -> dict[str, list[str]]:
    """Answer the matched names by id."""
    assert result.failures == ()
    return {hit.id: orjson.loads((hit.sections or {}).get("matched_queries", b"[]")) for hit in result.hits}


def test_hits_tell_which_named_clauses_matched(bench: SearchBench) -> None:
    """Names stand on any clause, also in a post filter; a document tells those that it matches."""
    query = {
        "bool": {
            "should": [
                {"match": {"title": {"query": "words", "_name": "has words"}}},
                {"term": {"size": {"value": "3", "_name": "three"}}},
                {"terms": {"size": ["0", "3"], "_name": "ends"}},
                {"match_all": {"_name": "all"}},
                {"bool": {"must_not": [{"term": {"size": "3"}}], "_name": "not three"}},
            ]
        }
    }
    filtered = {"range": {"size": {"gte": "1", "_name": "post"}}}
    found = names(bench.search("other", query=query, post_filter=filtered))
    assert {document: sorted(each) for document, each in found.items()} == {
        "o1": ["all", "has words", "not three", "post"],
        "o2": ["all", "has words", "not three", "post"],
        "o3": ["all", "ends", "has words", "post", "three"],
    }
    assert names(bench.search("other", query=query, size=0)) == {}


def test_names_of_aggregated_clauses_are_not_told(bench: SearchBench) -> None:
    """Only the query's and the post filter's."""
    aggregations = {"a": {"filter": {"term": {"size": {"value": "1", "_name": "inner"}}}}}
    found = names(bench.search("other", aggregations=aggregations, sort=()))
    assert set(map(tuple, found.values())) == {()}


def test_hidden_documents_and_fields_match_no_name(bench: SearchBench) -> None:
    """A clause over a hidden field matches nothing, so its name is not told."""
    selection = [
        IndexSelection(
            index=IndexName("other"),
            document_filters=({"bool": {"must": [{"term": {"size": {"value": "2", "_name": "limit"}}}]}},),
            field_access=(FieldAccess(granted=("title",)),),
        )
    ]
    query = {
        "bool": {
            "should": [
                {"match": {"title": {"query": "words", "_name": "seen"}}},
                {"exists": {"field": "size", "_name": "hidden"}},
            ]
        }
    }
    assert names(bench.search(selection, query=query)) == {"o2": ["seen"]}
