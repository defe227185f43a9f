"""Aggregations that the library has not, over one index and over several: all must answer the same."""

from __future__ import annotations

from typing import Any

import pytest
from embedded_aggregations_buckets import DOCUMENTS, WORD, answer, one, rows

from isthmus.engines.embedded.aggregations import multi_terms_buckets
from isthmus.errors import Failure
from isthmus.search.aggregations import parse_aggregations
from isthmus.search.aggregations.contract import too_many_buckets


def test_rare_terms_are_rare_in_all_clusters_together() -> None:
    """``b`` is once here and once there, and so it is not rare."""
    assert rows(one({"rare_terms": {"field": "word"}})) == [("c", 1)]
    assert rows(one({"rare_terms": {"field": "word", "max_doc_count": 2}})) == [("c", 1), ("b", 2)]
    assert rows(one({"rare_terms": {"field": "word", "exclude": "c"}})) == []
    assert rows(one({"rare_terms": {"field": "long", "missing": 99}})) == [(-3, 1), (10, 1), (99, 1)]
    below = one(
        {"rare_terms": {"field": "word", "max_doc_count": 2}, "aggs": {"m": {"max": {"field": "long"}}}}
    )
    assert [each["m"]["value"] for each in below["buckets"]] == [10.0, 7.0]
    assert [each["key_as_string"] for each in one({"rare_terms": {"field": "flag"}})["buckets"]] == ["false"]
    assert rows(one({"rare_terms": {"field": "ip", "max_doc_count": 1}})) == [
        ("::1", 1),
        ("10.0.0.200", 1),
        ("192.168.0.1", 1),
    ]
    assert rows(one({"rare_terms": {"field": "nowhere"}})) == []
    with pytest.raises(Failure, match="does not support floating point fields"):
        one({"rare_terms": {"field": "real"}})


def test_multi_terms_are_combinations_of_values() -> None:
    """A document with several values has several combinations."""
    request = {"multi_terms": {"terms": [{"field": "word"}, {"field": "long"}], "order": {"_key": "asc"}}}
    found = one({**request, "aggs": {"r": {"sum": {"field": "real"}}}})
    assert [
        (each["key"], each["key_as_string"], each["doc_count"], each["r"]["value"])
        for each in found["buckets"]
    ] == [
        (["a", 1], "a|1", 2, 3.0),
        (["a", 7], "a|7", 1, 2.5),
        (["b", 1], "b|1", 1, 2.5),
        (["b", 7], "b|7", 2, 5.0),
        (["c", 10], "c|10", 1, 0.0),
    ]
    first = one({"multi_terms": {"terms": [{"field": "word"}, {"field": "long"}], "size": 1}})
    assert (first["sum_other_doc_count"], rows(first)) == (5, [(["a", 1], 2)])
    odd = {"terms": [{"field": "flag"}, {"field": "when"}, {"field": "ip", "missing": "::"}]}
    assert [each["key"] for each in one({"multi_terms": odd})["buckets"]] == [
        [False, "2024-02-01T00:00:00.000Z", "10.0.0.200"],
        [True, "2024-01-31T00:00:00.000Z", "10.0.0.1"],
        [True, "2025-03-01T00:00:00.000Z", "::"],
    ]
    by_metric = {**request["multi_terms"], "order": {"r": "desc"}, "size": 2}
    found = one({"multi_terms": by_metric, "aggs": {"r": {"sum": {"field": "real"}}}})
    assert rows(found)[0] == (["b", 7], 2)


def test_combinations_beyond_what_the_library_holds_are_found_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A search for each value of the field with the fewest answers the same."""
    requests: list[dict[str, Any]] = [
        {
            "multi_terms": {
                "terms": [{"field": "word"}, {"field": "long"}, {"field": "flag", "missing": False}]
            }
        },
        {"multi_terms": {"terms": [{"field": "nowhere", "missing": "x"}, {"field": "word"}]}},
    ]
    below = {"r": {"sum": {"field": "real"}}}
    whole = [one({**each, "aggs": below}) for each in requests]

    def too_many(*_: Any) -> Any:
        raise too_many_buckets()

    at_once = multi_terms_buckets._Search.rows
    monkeypatch.setattr(
        multi_terms_buckets._Search,
        "rows",
        lambda search, query, known: at_once(search, query, known) if known else too_many(),
    )
    assert [one({**each, "aggs": below}) for each in requests] == whole


def test_dates_are_put_between_dates() -> None:
    """Limits are texts, numbers, or date math of the moment of the search; a bucket may have its own key."""
    ranges = [
        {"from": "2024-02-01", "to": "now"},
        {"to": "2024-02-01", "key": "before"},
        {"from": "2024-01-31||+1y/M"},
    ]
    found = one({"date_range": {"field": "when", "ranges": ranges, "format": "yyyy-MM-dd"}})
    assert [
        (each["key"], each.get("from"), each.get("to_as_string"), each["doc_count"])
        for each in found["buckets"]
    ] == [
        ("before", None, "2024-02-01", 1),
        ("2024-02-01-2023-11-14", 1_706_745_600_000.0, "2023-11-14", 0),
        ("2025-01-01-*", 1_735_689_600_000.0, None, 1),
    ]
    zoned = {"field": "when", "time_zone": "+01:00", "keyed": True, "ranges": [{"from": "2024-02-01"}]}
    (key,) = one({"date_range": zoned})["buckets"]
    assert key == "2024-02-01T00:00:00.000+01:00-*"
    lacking = {
        "field": "when",
        "missing": "2024-06-01",
        "ranges": [{"from": "2024-05-01", "to": 1_719_792_000_000}],
    }
    assert [each["doc_count"] for each in one({"date_range": lacking})["buckets"]] == [2]


def test_addresses_are_put_between_addresses_and_into_networks() -> None:
    """IPv4 stands among IPv6; a network is written by its mask."""
    ranges = [
        {"to": "10.0.0.128"},
        {"from": "10.0.0.128", "to": "11.0.0.0"},
        {"mask": "192.168.0.0/16"},
        {"mask": "::/0"},
    ]
    found = one({"ip_range": {"field": "ip", "ranges": ranges}})
    assert [
        (each["key"], each.get("from"), each.get("to"), each["doc_count"]) for each in found["buckets"]
    ] == [
        ("*-10.0.0.128", None, "10.0.0.128", 2),
        ("::/0", "::", None, 4),
        ("10.0.0.128-11.0.0.0", "10.0.0.128", "11.0.0.0", 1),
        ("192.168.0.0/16", "192.168.0.0", "192.169.0.0", 1),
    ]
    lacking = {
        "field": "ip",
        "missing": "10.0.0.5",
        "keyed": True,
        "ranges": [{"mask": "10.0.0.127/25", "key": "near"}],
    }
    assert one({"ip_range": lacking}) == {
        "buckets": {"near": {"from": "10.0.0.0", "to": "10.0.0.128", "doc_count": 4}}
    }


def test_an_adjacency_matrix_has_what_matches_two_filters() -> None:
    """Pairs without a document are left out."""
    filters = {"B": {"term": {"word": "b"}}, "A": {"term": {"word": "a"}}, "C": {"term": {"word": "c"}}}
    found = one({"adjacency_matrix": {"filters": filters}, "aggs": {"n": {"sum": {"field": "real"}}}})
    assert rows(found) == [("A", 3), ("A&B", 1), ("B", 2), ("C", 1)]
    assert [each["n"]["value"] for each in found["buckets"]] == [13.5, 2.5, 5.0, 0.0]
    assert rows(one({"adjacency_matrix": {"filters": filters, "separator": "+"}}))[1] == ("A+B", 1)


@pytest.mark.parametrize(
    ("buckets", "interval", "expected"),
    [
        (1, "5y", [("2024-01-01T00:00:00.000Z", 4)]),
        (2, "1y", [("2024-01-01T00:00:00.000Z", 3), ("2025-01-01T00:00:00.000Z", 1)]),
        (
            5,
            "3M",
            [
                ("2024-01-01T00:00:00.000Z", 3),
                ("2024-04-01T00:00:00.000Z", 0),
                ("2024-07-01T00:00:00.000Z", 0),
                ("2024-10-01T00:00:00.000Z", 0),
                ("2025-01-01T00:00:00.000Z", 1),
            ],
        ),
    ],
)
def test_dates_fall_into_about_as_many_buckets_as_wanted(
    buckets: int, interval: str, expected: list[tuple[str, int]]
) -> None:
    """The dates of all clusters together say how long a bucket is."""
    found = one({"auto_date_histogram": {"field": "when", "buckets": buckets}})
    assert found["interval"] == interval
    assert [(each["key_as_string"], each["doc_count"]) for each in found["buckets"]] == expected


def test_no_dates_have_the_shortest_interval() -> None:
    """As in Elasticsearch; a shortest interval may be given."""
    assert one({"auto_date_histogram": {"field": "nowhere"}}) == {"buckets": [], "interval": "1s"}
    month = {"auto_date_histogram": {"field": "when", "minimum_interval": "month", "buckets": 100}}
    found = one(month, DOCUMENTS[:2])
    assert (found["interval"], len(found["buckets"])) == ("1M", 2)


def test_partitions_of_terms_are_parts_of_all_terms() -> None:
    """Every term is in exactly one of them."""
    for field, whole in (("word", ["a", "b", "c"]), ("long", [-3, 1, 7, 10]), ("real", [0.5, 2.5, 10.0])):
        found = []
        for number in range(3):
            include = {"partition": number, "num_partitions": 3}
            found += [key for key, _ in rows(one({"terms": {"field": field, "include": include}}))]
        assert sorted(found) == whole


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"composite": {"sources": []}}, "Composite [sources] cannot be null or empty"),
        ({"composite": {}}, "Required [sources]"),
        (
            {"composite": {"sources": [WORD, WORD]}},
            "Composite source names must be unique, found duplicates: [word]",
        ),
        ({"composite": {"sources": [WORD], "size": 0}}, "[size] must be greater than 0"),
        ({"composite": {"sources": [WORD], "size": 70_000}}, "but was [70000]"),
        ({"composite": {"sources": [WORD], "after": {"x": 1}}}, "Missing value for [after.word]"),
        ({"composite": {"sources": [WORD], "after": {}}}, "[after] has 0 value(s) but [sources] has 1"),
        ({"composite": {"sources": [WORD], "after": {"word": None}}}, "Missing value for [after.word]"),
        ({"composite": {"sources": [{"g": {"geotile_grid": {}}}]}}, "[geotile_grid] in [x] is not supported"),
        ({"composite": {"sources": [{"g": {"terms": {"field": "k", "x": 1}}}]}}, "[terms] unknown field [x]"),
        (
            {"terms": {"field": "k"}, "aggs": {"c": {"composite": {"sources": [WORD]}}}},
            "cannot be used with a parent",
        ),
        ({"multi_terms": {"terms": [{"field": "k"}]}}, "must be present and have at least 2"),
        ({"rare_terms": {"field": "k", "max_doc_count": 101}}, "must be smaller than or equal to [100]"),
        ({"auto_date_histogram": {"field": "k", "buckets": 3_000}}, "buckets must be less than 2184"),
        ({"ip_range": {"field": "k", "ranges": [{"from": "x"}]}}, "'x' is not an IP string literal."),
        (
            {"ip_range": {"field": "k", "ranges": [{"mask": "10.0.0.1"}]}},
            "Expected [ip/prefix] but was [10.0.0.1]",
        ),
        ({"date_range": {"field": "k"}}, "No [ranges] specified for the [x] aggregation"),
        ({"adjacency_matrix": {"filters": {}}}, "[filters] cannot be empty."),
        ({"terms": {"field": "k", "include": {"partition": 0}}}, "Missing [num_partitions] parameter"),
        (
            {"terms": {"field": "k", "include": {"partition": 2, "num_partitions": 2}}},
            "Partition must be >=0",
        ),
        ({"nested": {"path": "k"}}, "aggregation type [nested] in [x] is not supported"),
        (
            {"significant_terms": {"field": "k"}},
            "aggregation type [significant_terms] in [x] is not supported",
        ),
    ],
)
def test_what_is_wrong_is_refused_before_any_cluster_is_asked(request_: dict[str, Any], problem: str) -> None:
    """The failure names it."""
    with pytest.raises(Failure) as refused:
        parse_aggregations({"x": request_})
    cause = refused.value.caused_by
    assert problem in refused.value.reason or (cause is not None and problem in cause.reason)


@pytest.mark.parametrize(
    "request_",
    [
        {"date_range": {"field": "word", "ranges": [{"to": "2024"}]}},
        {"date_range": {"field": "when", "ranges": [{"to": "soon"}]}},
        {"ip_range": {"field": "word", "ranges": [{"to": "::1"}]}},
        {"auto_date_histogram": {"field": "word"}},
        {"composite": {"sources": [{"i": {"terms": {"field": "_index"}}}]}},
        {"composite": {"sources": [{"n": {"terms": {"field": "long"}}}], "after": {"n": "many"}}},
        {"rare_terms": {"field": "ip", "include": "10.*"}},
    ],
)
def test_what_an_index_cannot_serve_is_its_failure(request_: dict[str, Any]) -> None:
    """A 400, never anything else."""
    with pytest.raises(Failure):
        answer({"x": request_}, [DOCUMENTS])
