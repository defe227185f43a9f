"""Aggregations over one index of the embedded engine, where they need more than the library gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from embedded_aggregations_harness import aggregated_index

from isthmus.engines.embedded.aggregating import AggregatedIndex, run_aggregations
from isthmus.engines.embedded.aggregations import native_terms, scope
from isthmus.engines.embedded.aggregations.scope import MemoryLimitError
from isthmus.errors import Failure
from isthmus.search.aggregations import combine, parse_aggregations

PROPERTIES = {
    "k": {"type": "keyword"},
    "n": {"type": "long"},
    "f": {"type": "double"},
    "b": {"type": "boolean"},
    "t": {"type": "date"},
    "day": {"type": "date", "format": "yyyy-MM-dd"},
    "ip": {"type": "ip"},
    "x": {"type": "text"},
    "bare": {"type": "keyword", "doc_values": False},
    "none": {"type": "long"},
}


def answer(index: AggregatedIndex, request: dict[str, Any]) -> Any:
    """Answer the final form of one aggregation over one index."""
    tree = parse_aggregations({"a": request})
    return combine(tree, [run_aggregations([index], tree.ask())])["a"]


def index_of(*documents: dict[str, Any], **options: Any) -> AggregatedIndex:
    """Answer an index of these documents in segments of two."""
    return aggregated_index(documents, PROPERTIES, commit_every=2, **options)


def counts_of(found: Any) -> dict[Any, int]:
    """Answer the count of each bucket, by what a reader would call it."""
    return {each.get("key_as_string", each["key"]): each["doc_count"] for each in found["buckets"]}


def test_longs_keep_every_digit() -> None:
    """Keys beyond 2^53 and at the ends of the range are exact, also below other buckets."""
    longs = [2**53, 2**53 + 1, 2**63 - 1, -(2**63), -5]
    index = index_of(*({"n": each, "k": "a"} for each in longs))
    assert counts_of(answer(index, {"terms": {"field": "n"}})) == dict.fromkeys(sorted(longs), 1)
    nested = {"terms": {"field": "k"}, "aggs": {"n": {"terms": {"field": "n", "order": {"_key": "desc"}}}}}
    below = answer(index, nested)["buckets"][0]["n"]
    assert list(counts_of(below)) == sorted(longs, reverse=True)
    only = {"terms": {"field": "n", "include": [2**53 + 1, "-5"], "exclude": [-5]}}
    assert counts_of(answer(index, only)) == {2**53 + 1: 1}


def test_values_look_as_their_fields_do() -> None:
    """Booleans, dates and addresses have the keys and texts of Elasticsearch, in the order of values."""
    index = index_of(
        {"b": True, "t": "1969-12-31T23:59:59.999Z", "day": "2024-02-01", "ip": "10.0.0.1"},
        {"b": False, "t": 0, "day": "2024-01-01", "ip": ["9.0.0.1", "::1"]},
    )
    assert counts_of(answer(index, {"terms": {"field": "b"}})) == {"false": 1, "true": 1}
    assert answer(index, {"terms": {"field": "b"}})["buckets"][0]["key"] == 0
    assert list(counts_of(answer(index, {"terms": {"field": "t"}}))) == [
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
    ]
    assert list(counts_of(answer(index, {"terms": {"field": "day"}}))) == ["2024-01-01", "2024-02-01"]
    assert list(counts_of(answer(index, {"terms": {"field": "ip"}}))) == ["::1", "9.0.0.1", "10.0.0.1"]
    assert answer(index, {"min": {"field": "day"}}) == {
        "value": 1704067200000.0,
        "value_as_string": "2024-01-01",
    }
    assert answer(index, {"max": {"field": "b"}}) == {"value": 1.0, "value_as_string": "true"}


def test_a_field_that_is_not_there_is_empty_or_all_missing() -> None:
    """Unmapped and hidden fields are like fields without values."""
    index = index_of({"n": 1}, {"n": 2}, hidden=frozenset({"n"}))
    for field in ("nothing", "n"):
        assert answer(index, {"terms": {"field": field}})["buckets"] == []
        assert answer(index, {"sum": {"field": field}}) == {"value": 0.0}
        assert answer(index, {"avg": {"field": field}}) == {"value": None}
        assert answer(index, {"avg": {"field": field, "missing": 4}}) == {"value": 4.0}
        assert answer(index, {"value_count": {"field": field, "missing": 4}}) == {"value": 2}
        assert answer(index, {"missing": {"field": field}}) == {"doc_count": 2}
        assert answer(index, {"missing": {"field": field, "missing": 1}}) == {"doc_count": 0}
        assert answer(index, {"histogram": {"field": field, "interval": 1}}) == {"buckets": []}
        assert counts_of(answer(index, {"terms": {"field": field, "missing": "no"}})) == {"no": 2}
        for value_type, missing, expected in (
            ("boolean", True, {"key": 1, "key_as_string": "true"}),
            ("date", "2016-05-11", {"key": 1_462_924_800_000, "key_as_string": "2016-05-11T00:00:00.000Z"}),
            ("ip", "::1", {"key": "::1"}),
            ("double", 3, {"key": 3.0}),
            ("string", "a", {"key": "a"}),
        ):
            typed = {"terms": {"field": field, "missing": missing, "value_type": value_type}}
            (bucket,) = answer(index, typed)["buckets"]
            assert bucket == {**expected, "doc_count": 2}
        ranges = {"range": {"field": field, "ranges": [{"to": 5}]}}
        assert counts_of(answer(index, ranges)) == {"*-5.0": 0}
        month = {"date_histogram": {"field": field, "calendar_interval": "month", "missing": "2024-02-03"}}
        assert counts_of(answer(index, month)) == {"2024-02-01T00:00:00.000Z": 2}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"terms": {"field": "x"}}, r"Fielddata is disabled on \[x\] in \[things\]. Text fields are not"),
        ({"terms": {"field": "bare"}}, r"Can't load fielddata on \[bare\] because fielddata is unsupported"),
        (
            {"max": {"field": "k"}},
            r"Field \[k\] of type \[keyword\] is not supported for aggregation \[max\]",
        ),
        ({"histogram": {"field": "ip", "interval": 1}}, r"Field \[ip\] of type \[ip\] is not supported"),
        ({"terms": {"field": "_id"}}, "Fielddata access on the _id field is disallowed"),
        ({"max": {"field": "_version"}}, r"Field \[_version\] is not supported for aggregation \[max\]"),
        ({"terms": {"field": "n", "include": "1.*"}}, "regular expression style include/exclude"),
        ({"terms": {"field": "k", "include": "a~b"}}, r"the operator \[~\] of the regular expression"),
        ({"terms": {"field": "k", "include": "(("}}, "failed to aggregate: .*regex"),
        ({"terms": {"field": "n", "missing": "x"}}, 'For input string: "x"'),
        ({"filter": {"nonsense": {}}}, "nonsense"),
    ],
)
def test_what_a_field_cannot_do_is_refused(request_: dict[str, Any], reason: str) -> None:
    """The field or the filter is named, in Elasticsearch's words."""
    with pytest.raises(Failure, match=reason):
        answer(index_of({"x": "text", "k": "a", "n": 1}), request_)


def test_regular_expressions_select_terms() -> None:
    """An expression stands for the whole value; anchors are ordinary characters."""
    index = index_of({"k": ["a", "ab", "b", "^a"]})
    assert counts_of(answer(index, {"terms": {"field": "k", "include": "a.*", "exclude": ["ab"]}})) == {
        "a": 1
    }
    assert counts_of(answer(index, {"terms": {"field": "k", "include": "^a"}})) == {"^a": 1}


def test_terms_without_documents_are_listed_when_asked_for() -> None:
    """With min_doc_count 0 values of other visible documents are shown, those of hidden ones are not."""
    request = {
        "terms": {"field": "k", "min_doc_count": 0, "order": {"_key": "asc"}},
        "aggs": {"n": {"max": {"field": "n"}}},
    }
    documents = [{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "secret", "n": 3}]
    index = index_of(*documents, query={"term": {"k": "a"}}, limits={"range": {"n": {"lt": 3}}})
    found = answer(index, request)
    assert counts_of(found) == {"a": 1, "b": 0}
    assert [each["n"]["value"] for each in found["buckets"]] == [1.0, None]


def test_global_ignores_the_query_and_not_what_may_be_seen() -> None:
    """Global counts every document that the caller may see."""
    index = index_of(
        {"n": 1}, {"n": 2}, {"n": 3}, query={"term": {"n": 1}}, limits={"range": {"n": {"lt": 3}}}
    )
    found = answer(index, {"global": {}, "aggs": {"n": {"sum": {"field": "n"}}}})
    assert found == {"doc_count": 2, "n": {"value": 3.0}}


def test_documents_without_a_value_count_as_told() -> None:
    """What is missing falls into the bucket of the value given, with its sub-aggregations."""
    index = index_of({"n": 1, "k": "a"}, {"n": 12, "k": "b"}, {"k": "c"}, {})
    below = {"k": {"terms": {"field": "k"}}, "f": {"filter": {"term": {"k": "c"}}}}
    histogram = {"histogram": {"field": "n", "interval": 10, "missing": 15}, "aggs": below}
    found = answer(index, histogram)
    assert counts_of(found) == {0.0: 1, 10.0: 3}
    assert counts_of(found["buckets"][1]["k"]) == {"b": 1, "c": 1}
    assert found["buckets"][1]["f"] == {"doc_count": 1}
    ranges = {"range": {"field": "n", "ranges": [{"to": 5}, {"from": 5}], "missing": 2}}
    assert counts_of(answer(index, ranges)) == {"*-5.0": 3, "5.0-*": 1}
    terms = {"terms": {"field": "n", "missing": 12}, "aggs": below}
    found = answer(index, terms)
    assert counts_of(found) == {12: 3, 1: 1}
    assert found["buckets"][0]["f"] == {"doc_count": 1}


def test_months_quarters_and_zones() -> None:
    """The calendar is the caller's: a moment may be in another month there."""
    index = index_of({"t": "2024-03-31T22:30:00Z", "k": "a"}, {"t": "1969-12-31T23:30:00Z", "k": "a"})
    month = {"date_histogram": {"field": "t", "calendar_interval": "month", "min_doc_count": 1}}
    assert list(counts_of(answer(index, month))) == ["1969-12-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"]
    month["date_histogram"]["time_zone"] = "Europe/Berlin"
    assert list(counts_of(answer(index, month))) == [
        "1970-01-01T00:00:00.000+01:00",
        "2024-04-01T00:00:00.000+02:00",
    ]
    week = {
        "date_histogram": {
            "field": "t",
            "calendar_interval": "week",
            "min_doc_count": 1,
            "format": "e dd.MM.",
        }
    }
    assert list(counts_of(answer(index, week))) == ["1 29.12.", "1 25.03."]
    bounded = {
        "date_histogram": {
            "field": "t",
            "calendar_interval": "quarter",
            "hard_bounds": {"min": "2024-01-01"},
            "extended_bounds": {"max": "2024-07-02"},
            "format": "yyyy-MM-dd",
        },
        "aggs": {"k": {"filter": {"term": {"k": "a"}}}},
    }
    found = answer(index, bounded)
    assert counts_of(found) == {"2024-01-01": 1, "2024-04-01": 0, "2024-07-01": 0}
    assert [each["k"]["doc_count"] for each in found["buckets"]] == [1, 0, 0]


def test_months_far_apart_need_no_bucket_for_what_lies_between() -> None:
    """Documents millennia apart are found at once."""
    index = index_of({"t": -(10**14)}, {"t": 10**14})
    month = {"date_histogram": {"field": "t", "calendar_interval": "month", "min_doc_count": 1}}
    assert len(answer(index, month)["buckets"]) == 2


def test_fractions_fall_where_arithmetic_puts_them() -> None:
    """What lies between the key of a bucket and its least double is counted once, below filters too."""
    values = [0.1 * number for number in range(30)] + [0.3, 0.7]
    index = index_of(*({"f": value, "b": True} for value in values))
    request = {
        "histogram": {"field": "f", "interval": 0.1},
        "aggs": {"b": {"filter": {"term": {"b": True}}}},
    }
    for bucket in answer(index, request)["buckets"]:
        assert bucket["doc_count"] == bucket["b"]["doc_count"]


def test_ranges_over_whole_numbers_take_fractions_and_may_be_empty_or_endless() -> None:
    """Limits between whole numbers, beyond them, the wrong way round or absent are all right."""
    index = index_of({"n": [0, 1]}, {"n": 2}, {"n": -(2**63)})
    ranges = [{"from": 0.5, "to": 1.5}, {"from": 3, "to": 1}, {"from": 1e30}, {"to": 1e30}, {}]
    found = answer(
        index, {"range": {"field": "n", "ranges": ranges}, "aggs": {"b": {"missing": {"field": "b"}}}}
    )
    expected = {"*-1.0E30": 3, "*-*": 3, "0.5-1.5": 1, "3.0-1.0": 0, "1.0E30-*": 0}
    assert counts_of(found) == expected
    assert [each["b"]["doc_count"] for each in found["buckets"]] == list(expected.values())


def test_the_index_itself_is_a_term() -> None:
    """Terms of _index name the indices, and counting them counts documents."""
    indices = [index_of({"n": 1}, {"n": 2}, name="one"), index_of({"n": 5}, name="two")]
    tree = parse_aggregations(
        {
            "i": {"terms": {"field": "_index"}, "aggs": {"n": {"sum": {"field": "n"}}}},
            "c": {"value_count": {"field": "_index"}},
        }
    )
    final = combine(tree, [run_aggregations(indices, tree.ask())])
    assert counts_of(final["i"]) == {"one": 2, "two": 1}
    assert [each["n"]["value"] for each in final["i"]["buckets"]] == [3.0, 5.0]
    assert final["c"] == {"value": 3}
    assert run_aggregations([], tree.ask()) == {}


def test_too_much_for_the_library_is_asked_in_smaller_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library runs out of memory levels are asked for one after another."""
    request = {
        "terms": {"field": "k"},
        "aggs": {"n": {"histogram": {"field": "n", "interval": 2}, "aggs": {"f": {"max": {"field": "f"}}}}},
    }
    index = index_of(*({"k": "abc"[each % 3], "n": each, "f": each / 2} for each in range(12)))
    expected = answer(index, request)
    genuine = scope.AggregatedIndex.aggregate

    def limited(self: AggregatedIndex, query: Any, wanted: dict[str, Any]) -> Any:
        if any("aggs" in below for body in wanted.values() for below in body.get("aggs", {}).values()):
            raise MemoryLimitError
        return genuine(self, query, wanted)

    monkeypatch.setattr(scope.AggregatedIndex, "aggregate", limited)
    assert answer(index, request) == expected


def test_more_values_than_the_library_lists_are_ordered_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list too long to sort here is sorted by the library; where it cannot, the caller hears of it."""
    monkeypatch.setattr(native_terms, "MOST_BUCKETS", 20)
    index = index_of(*({"n": each, "k": f"k{each}", "f": float(each)} for each in range(40)))
    order = {
        "terms": {"field": "k", "size": 2, "order": {"f": "desc"}},
        "aggs": {"f": {"max": {"field": "f"}}},
    }
    assert counts_of(answer(index, order)) == {"k39": 1, "k38": 1}
    later = {
        "terms": {"field": "k", "order": {"f": "desc"}},
        "aggs": {"f": {"filter": {"match_all": {}}}},
    }
    with pytest.raises(Failure, match="too_many_buckets_exception"):
        answer(index, later)
    assert len(answer(index, {"terms": {"field": "n", "size": 50}})["buckets"]) == 20


def test_a_search_that_was_given_up_ends() -> None:
    """The check is made before every request to the library."""

    class GivenUpError(Exception):
        pass

    def check() -> None:
        raise GivenUpError

    index = dataclasses.replace(index_of({"n": 1}), check=check)
    with pytest.raises(GivenUpError):
        answer(index, {"max": {"field": "n"}})
