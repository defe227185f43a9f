"""What each clause of the query language finds, and how it refuses what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from embedded_search_bench import SearchBench

from isthmus.errors import Failure
from isthmus.exchange import FieldAccess, IndexSelection
from isthmus.names import IndexName

DOCUMENTS = {
    "fox": {
        "title": "The quick brown fox",
        "tag": "animal",
        "count": 3,
        "price": 0.1,
        "day": "2024-01-05",
        "live": True,
        "host": "10.0.0.1",
    },
    "dog": {
        "title": "Lazy dog, quick nap",
        "tag": ["animal", "Pet"],
        "count": [1, 9],
        "price": 2.5,
        "day": "2024-02-29T10:00:00+01:00",
        "live": False,
        "host": "192.168.0.1",
    },
    "car": {"title": "quick quick car", "tag": "thing 1", "count": 7, "made": {"by": {"name": "Ada"}}},
    "blank": {"secret": "hidden word"},
}
PROPERTIES = {
    "title": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 16}}},
    "tag": {"type": "keyword"},
    "count": {"type": "integer"},
    "price": {"type": "float"},
    "day": {"type": "date"},
    "live": {"type": "boolean"},
    "host": {"type": "ip"},
    "unsearchable": {"type": "keyword", "index": False, "doc_values": False},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """One index of four documents."""
    made = SearchBench(tmp_path_factory.mktemp("clauses"))
    made.create("shelf", PROPERTIES)
    made.write("shelf", DOCUMENTS)
    yield made
    made.close()


FOUND: list[tuple[Any, set[str]]] = [
    ({"match_all": {}}, {"fox", "dog", "car", "blank"}),
    ({"match_none": {}}, set()),
    # full text
    ({"match": {"title": "FOX nap"}}, {"fox", "dog"}),
    ({"match": {"title": {"query": "quick nap", "operator": "AND"}}}, {"dog"}),
    ({"match": {"title": {"query": "quick brown nap", "minimum_should_match": "67%"}}}, {"fox", "dog"}),
    ({"match": {"title": {"query": "quikc", "fuzziness": "AUTO"}}}, {"fox", "dog", "car"}),
    ({"match": {"title": {"query": "...", "zero_terms_query": "all"}}}, {"fox", "dog", "car", "blank"}),
    ({"match": {"title": {"query": "..."}}}, set()),
    ({"match": {"count": "7"}}, {"car"}),
    ({"match": {"count": {"query": "seven", "lenient": True}}}, set()),
    ({"match": {"nowhere": "x"}}, set()),
    ({"match": {"_id": "fox"}}, {"fox"}),
    ({"match_phrase": {"title": "quick brown"}}, {"fox"}),
    ({"match_phrase": {"title": "brown quick"}}, set()),
    ({"match_phrase": {"title": "quick"}}, {"fox", "dog", "car"}),
    ({"match_phrase": {"title": {"query": "quick fox", "slop": 1}}}, {"fox"}),
    ({"match_phrase_prefix": {"title": "quick br"}}, {"fox"}),
    ({"match_phrase_prefix": {"title": "la"}}, {"dog"}),
    ({"match_bool_prefix": {"title": {"query": "brown qui", "operator": "and"}}}, {"fox"}),
    ({"multi_match": {"query": "animal fox", "fields": ["title", "tag^3"]}}, {"fox"}),
    ({"multi_match": {"query": "animal", "fields": ["t*"], "type": "most_fields"}}, {"fox", "dog"}),
    ({"multi_match": {"query": "quick nap", "fields": ["title"], "type": "phrase"}}, {"dog"}),
    ({"multi_match": {"query": "7"}}, {"car"}),
    # terms
    ({"term": {"tag": "animal"}}, {"fox", "dog"}),
    ({"term": {"tag": {"value": "pet", "case_insensitive": True}}}, {"dog"}),
    ({"term": {"title": "quick"}}, {"fox", "dog", "car"}),
    ({"term": {"title": "Quick"}}, set()),
    ({"term": {"title.keyword": "quick quick car"}}, {"car"}),
    ({"term": {"title.keyword": "The quick brown fox"}}, set()),
    ({"term": {"count": "9"}}, {"dog"}),
    ({"term": {"count": 9.5}}, set()),
    ({"term": {"count": 3_000_000_000}}, set()),
    ({"term": {"price": 0.1}}, {"fox"}),
    ({"term": {"live": "true"}}, {"fox"}),
    ({"term": {"day": "2024-01-05"}}, {"fox"}),
    ({"term": {"day": "2024-02-29T09:00:00Z"}}, {"dog"}),
    ({"term": {"host": "10.0.0.1"}}, {"fox"}),
    ({"term": {"host": "192.168.0.0/16"}}, {"dog"}),
    ({"term": {"_id": "car"}}, {"car"}),
    ({"term": {"_index": "shelf"}}, {"fox", "dog", "car", "blank"}),
    ({"term": {"_index": "other"}}, set()),
    ({"terms": {"count": [3, "7", 7.5]}}, {"fox", "car"}),
    ({"terms": {"tag": []}}, set()),
    ({"terms": {"host": ["10.0.0.0/8", "192.168.0.1"]}}, {"fox", "dog"}),
    ({"terms": {"_id": ["fox", "nobody"]}}, {"fox"}),
    ({"ids": {"values": ["dog", "car"]}}, {"dog", "car"}),
    ({"exists": {"field": "count"}}, {"fox", "dog", "car"}),
    ({"exists": {"field": "made"}}, {"car"}),
    ({"exists": {"field": "made.by.name.keyword"}}, {"car"}),
    ({"exists": {"field": "title.keyword"}}, {"car"}),
    ({"exists": {"field": "_id"}}, {"fox", "dog", "car", "blank"}),
    ({"exists": {"field": "nothing"}}, set()),
    # patterns
    ({"prefix": {"tag": "thing "}}, {"car"}),
    ({"prefix": {"tag": {"value": "PE", "case_insensitive": True}}}, {"dog"}),
    ({"wildcard": {"tag": "th?ng*"}}, {"car"}),
    ({"wildcard": {"_index": "sh*"}}, {"fox", "dog", "car", "blank"}),
    ({"regexp": {"tag": "[a-m]n.+l"}}, {"fox", "dog"}),
    ({"regexp": {"tag": "anim"}}, set()),
    ({"fuzzy": {"title": "quicc"}}, {"fox", "dog", "car"}),
    ({"fuzzy": {"tag": {"value": "anmial", "fuzziness": 1}}}, {"fox", "dog"}),
    ({"fuzzy": {"title": {"value": "qiuck", "prefix_length": 1}}}, {"fox", "dog", "car"}),
    ({"fuzzy": {"title": {"value": "qiuck", "prefix_length": 2}}}, set()),
    ({"fuzzy": {"tag": {"value": "thnig 1", "prefix_length": 2, "transpositions": False}}}, {"car"}),
    # ranges
    ({"range": {"count": {"gt": 2.5, "lt": "9"}}}, {"fox", "car"}),
    ({"range": {"count": {"gte": 9}}}, {"dog"}),
    ({"range": {"count": {"from": 7, "to": 9, "include_lower": False}}}, {"dog"}),
    ({"range": {"count": {"gt": None, "lt": 2}}}, {"dog"}),
    ({"range": {"price": {"gt": None, "lte": 0.1}}}, {"fox"}),
    ({"range": {"tag": {"gte": "p", "lt": "thing 2"}}}, {"car"}),
    ({"range": {"title": {"gte": "x"}}}, set()),
    ({"range": {"title": {"gte": "nap", "lte": "nap"}}}, {"dog"}),
    ({"range": {"host": {"gte": "10.0.0.0", "lt": "11.0.0.0"}}}, {"fox"}),
    ({"range": {"live": {"gte": True}}}, {"fox"}),
    ({"range": {"day": {"gte": "2024-02"}}}, {"dog"}),
    ({"range": {"day": {"lte": "2024-01"}}}, {"fox"}),
    ({"range": {"day": {"gt": "2024-01-05"}}}, {"dog"}),
    ({"range": {"day": {"gte": "2024-01-05||+1M/M", "lt": "now"}}}, {"dog"}),
    ({"range": {"day": {"gte": "05/01/2024", "lte": "05/01/2024", "format": "dd/MM/yyyy"}}}, {"fox"}),
    ({"range": {"day": {"lt": "2024-01-05T01:00:00", "time_zone": "+02:00"}}}, set()),
    ({"range": {"day": {"lt": "2024-01-05T03:00:00", "time_zone": "+02:00"}}}, {"fox"}),
    ({"range": {"day": {"gte": 1704412800000, "lte": 1704412800000}}}, {"fox"}),
    # compound
    ({"bool": {}}, {"fox", "dog", "car", "blank"}),
    ({"bool": {"must_not": {"exists": {"field": "tag"}}}}, {"blank"}),
    (
        {"bool": {"must": [{"match": {"title": "quick"}}], "must_not": [{"term": {"live": True}}]}},
        {"dog", "car"},
    ),
    ({"bool": {"filter": {"term": {"tag": "animal"}}, "should": {"term": {"count": 9}}}}, {"fox", "dog"}),
    (
        {
            "bool": {
                "should": [{"term": {"count": 9}}, {"term": {"tag": "Pet"}}],
                "minimum_should_match": "100%",
            }
        },
        {"dog"},
    ),
    ({"bool": {"should": [{"term": {"count": 9}}], "minimum_should_match": 2}}, set()),
    ({"constant_score": {"filter": {"term": {"tag": "animal"}}}}, {"fox", "dog"}),
    ({"dis_max": {"queries": [{"term": {"count": 3}}, {"match": {"title": "car"}}]}}, {"fox", "car"}),
    (
        {
            "boosting": {
                "positive": {"match": {"title": "quick"}},
                "negative": {"term": {"live": True}},
                "negative_boost": 0.2,
            }
        },
        {"fox", "dog", "car"},
    ),
]


@pytest.mark.parametrize(("query", "expected"), FOUND)
def test_a_query_finds_what_it_means(bench: SearchBench, query: Any, expected: set[str]) -> None:
    """Each clause finds the documents that Elasticsearch's would."""
    assert set(bench.ids("shelf", query)) == expected
    assert bench.count("shelf", query) == len(expected)


REFUSED: list[tuple[Any, str, str]] = [
    ([], "parsing_exception", "[_na] query malformed, must start with start_object"),
    ({}, "illegal_argument_exception", "query malformed, empty clause found"),
    (
        {"multi_match": {"query": "a", "type": "bool_prefix", "slop": 1}},
        "parsing_exception",
        "[slop] not allowed for type [bool_prefix]",
    ),
    (
        {"match_all": {}, "match_none": {}},
        "parsing_exception",
        "[match_all] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
    ),
    ({"wildcart": {}}, "parsing_exception", "unknown query [wildcart] did you mean [wildcard]?"),
    ({"zzz": {}}, "parsing_exception", "unknown query [zzz]"),
    (
        {"function_score": {}},
        "parsing_exception",
        "[function_score] query is not supported by the embedded engine",
    ),
    ({"match_all": []}, "parsing_exception", "[match_all] query malformed, no start_object after query name"),
    ({"match_all": {"x": 1}}, "parsing_exception", "[match_all] query does not support [x]"),
    (
        {"match": {"title": {"query": "a", "foo": 1}}},
        "parsing_exception",
        "[match] query does not support [foo]",
    ),
    (
        {"match": {"title": "a", "tag": "b"}},
        "parsing_exception",
        "[match] query doesn't support multiple fields, found [title] and [tag]",
    ),
    ({"match": {"title": {}}}, "illegal_argument_exception", "No text specified for text query"),
    (
        {"match": {"title": {"query": "a", "_name": 5}}},
        "parsing_exception",
        "[match] [_name] must be text",
    ),
    (
        {"multi_match": {"query": "a", "type": "cross_fields"}},
        "parsing_exception",
        "[multi_match] the type [cross_fields] is not supported",
    ),
    (
        {"term": {"tag": ["a"]}},
        "parsing_exception",
        "[term] query does not support array of values for field [tag]",
    ),
    ({"term": {"tag": {"value": None}}}, "illegal_argument_exception", "value cannot be null"),
    ({"terms": {"tag": "a"}}, "parsing_exception", "[terms] query does not support [tag]"),
    (
        {"terms": {"tag": {"index": "i", "id": "1", "path": "p"}}},
        "parsing_exception",
        "[terms] query does not support looking terms up in another document",
    ),
    ({"exists": {}}, "parsing_exception", "[exists] must be provided with a [field]"),
    ({"range": {"count": {"gte": 1, "x": 2}}}, "parsing_exception", "[range] query does not support [x]"),
    (
        {"regexp": {"tag": "a<1-5>"}},
        "parsing_exception",
        "[regexp] the operator [<] (interval) is not supported",
    ),
    (
        {"match_all": {"boost": -1}},
        "illegal_argument_exception",
        "negative [boost] are not allowed in [match_all], use a value between 0 and 1 to deboost",
    ),
    ({"constant_score": {}}, "parsing_exception", "[constant_score] requires a 'filter' element"),
    (
        {"dis_max": {"queries": []}},
        "parsing_exception",
        "[dis_max] requires 'queries' field with at least one clause",
    ),
    (
        {"bool": {"should": [], "minimum_should_match": "many"}},
        "number_format_exception",
        'For input string: "many"',
    ),
    ({"bool": {"x": 1}}, "parsing_exception", "[bool] query does not support [x]"),
]


@pytest.mark.parametrize(("query", "error_type", "reason"), REFUSED)
def test_a_query_that_is_wrong_everywhere_is_refused(
    bench: SearchBench, query: Any, error_type: str, reason: str
) -> None:
    """What no index could answer is a failure of the request, also where there is no index."""
    for selections in ([], [IndexSelection(index=IndexName("shelf"))]):
        with pytest.raises(Failure) as caught:
            bench.search(selections, query=query)
        assert (caught.value.error_type, caught.value.reason) == (error_type, reason)


UNFIT: list[tuple[Any, str]] = [
    ({"term": {"count": "abc"}}, 'failed to create query: For input string: "abc"'),
    (
        {"term": {"live": "yes"}},
        "failed to create query: Can't parse boolean value [yes], expected [true] or [false]",
    ),
    ({"term": {"host": "nowhere"}}, "failed to create query: 'nowhere' is not an IP string literal."),
    (
        {"range": {"day": {"gte": "soon"}}},
        (
            "failed to create query: failed to parse date field [soon] with format "
            "[strict_date_optional_time||epoch_millis]"
        ),
    ),
    (
        {"range": {"day": {"gte": "now+1x"}}},
        "failed to create query: operator not supported for date math [now+1x]",
    ),
    (
        {"range": {"day": {"gte": "now", "time_zone": "Nowhere/City"}}},
        "failed to create query: Unknown time-zone ID: Nowhere/City",
    ),
    (
        {"wildcard": {"count": "1*"}},
        (
            "Can only use wildcard queries on keyword, text and wildcard fields - not on [count] which is "
            "of type [integer]"
        ),
    ),
    (
        {"term": {"unsearchable": "a"}},
        (
            "failed to create query: Cannot search on field [unsearchable] since it is not indexed nor has "
            "doc values."
        ),
    ),
    ({"match": {"title": {"query": "a", "analyzer": "klingon"}}}, "[match] analyzer [klingon] not found"),
]


@pytest.mark.parametrize(("query", "reason"), UNFIT)
def test_a_query_that_the_mapping_cannot_serve_is_the_failure_of_its_index(
    bench: SearchBench, query: Any, reason: str
) -> None:
    """An index whose field cannot take a value reports so, and the search as such goes on."""
    result = bench.search("shelf", query=query)
    assert [(each.error_type, each.reason, each.index) for each in result.failures] == [
        ("query_shard_exception", reason, "shelf")
    ]
    assert (result.shards.total, result.shards.failed, result.hits) == (1, 1, ())


def test_nesting_beyond_the_limit_is_refused(bench: SearchBench) -> None:
    """Thirty levels are answered; one more is a 400, not a crash."""
    query: Any = {"match_all": {}}
    for _ in range(29):
        query = {"bool": {"must": query}}
    assert len(bench.ids("shelf", query)) == 4
    with pytest.raises(Failure, match="maximum nested depth"):
        bench.search("shelf", query={"bool": {"must": query}})


def test_more_terms_or_clauses_than_allowed_are_refused(bench: SearchBench) -> None:
    """65,537 terms fail their index; too many clauses fail the request."""
    result = bench.search("shelf", query={"terms": {"tag": [str(number) for number in range(65_537)]}})
    assert "exceeded the allowed maximum of [65536]" in result.failures[0].reason
    with pytest.raises(Failure, match="too many nested clauses"):
        bench.search("shelf", query={"bool": {"should": [{"match_all": {}}] * 5_000}})


def test_filters_do_not_score(bench: SearchBench) -> None:
    """A filter adds nothing, a constant score is its boost, and boosts multiply."""
    scored = {
        "filter": {"bool": {"filter": {"term": {"tag": "thing 1"}}}},
        "constant": {"constant_score": {"filter": {"term": {"tag": "thing 1"}}, "boost": 3}},
        "terms": {"terms": {"tag": ["thing 1"], "boost": 2}},
        "nested": {
            "bool": {
                "must": {"range": {"count": {"gte": 7, "boost": 2}}},
                "filter": {"ids": {"values": ["car"]}},
                "boost": 2,
            }
        },
    }
    scores = {name: bench.search("shelf", query=query).hits[0].score for name, query in scored.items()}
    assert scores == {"filter": 0.0, "constant": 3.0, "terms": 2.0, "nested": 4.0}
    plain = bench.search("shelf", query={"match": {"title": "fox"}}).hits[0].score
    assert plain is not None
    filtered = {
        "bool": {"must": {"match": {"title": {"query": "fox", "boost": 2}}}, "filter": {"match_all": {}}}
    }
    assert bench.search("shelf", query=filtered).hits[0].score == pytest.approx(2 * plain)


def test_optional_clauses_beside_a_filter_only_raise_the_score(bench: SearchBench) -> None:
    """Among what the filter lets through, those that match more come first."""
    query = {"bool": {"filter": {"term": {"tag": "animal"}}, "should": {"match": {"title": "nap"}}}}
    assert bench.ids("shelf", query) == ["dog", "fox"]


def test_hidden_fields_do_not_exist_for_a_query(bench: SearchBench) -> None:
    """Without a grant a field finds nothing, is no part of a pattern, and cannot be sorted by."""
    selection = [
        IndexSelection(index=IndexName("shelf"), field_access=(FieldAccess(excepted=("secret*", "made*")),))
    ]
    assert bench.ids("shelf", {"match": {"secret": "word"}}) == ["blank"]
    for query in (
        {"match": {"secret": "word"}},
        {"exists": {"field": "secret"}},
        {"exists": {"field": "made"}},
        {"multi_match": {"query": "hidden", "fields": ["s*"]}},
        {"prefix": {"secret.keyword": "hidden"}},
    ):
        assert bench.ids(selection, query) == []


def test_document_filters_limit_every_search_and_count(bench: SearchBench) -> None:
    """A document shows only when it matches every filter, which may use fields the caller cannot see."""
    selection = [
        IndexSelection(
            index=IndexName("shelf"),
            document_filters=({"term": {"tag": "animal"}}, {"range": {"count": {"gte": 9}}}),
            field_access=(FieldAccess(granted=("title",)),),
        )
    ]
    assert bench.ids(selection) == ["dog"]
    assert bench.ids(selection, {"bool": {"must_not": {"match": {"title": "fox"}}}}) == ["dog"]
    assert bench.count(selection, {"match": {"title": "quick"}}) == 1
