from __future__ import annotations

from typing import Any

import pytest

from isthmus.console.models.search_answers import LOCAL, cluster_rows, expression, hit_rows


@pytest.mark.parametrize(
    ("clusters", "indices", "searched"),
    [
        ((LOCAL, "e"), "a,b-*", "a,b-*,e:a,e:b-*"),
        (("e",), "", "e:*"),
        ((LOCAL,), "", "*"),
    ],
)
def test_chosen_clusters_make_one_expression(clusters: tuple[str, ...], indices: str, searched: str) -> None:
    """Every index is asked of every chosen cluster."""
    assert expression(clusters, indices) == searched


def test_hits_tell_their_cluster() -> None:
    """What stands before the colon is the cluster, and no colon is the one that was asked."""
    hits: list[dict[str, Any]] = [
        {"_index": "e:logs", "_id": "1", "_score": 1.5, "_source": {"a": 1}},
        {"_index": "logs", "_id": "2", "_score": None},
    ]
    rows = hit_rows({"hits": {"hits": hits}})
    assert [(row.cluster, row.index, row.id, row.score) for row in rows] == [
        ("e", "logs", "1", 1.5),
        (LOCAL, "logs", "2", None),
    ]


def test_clusters_tell_times_of_hops_and_failures() -> None:
    """A cluster that never answered has its reason and no time."""
    details: dict[str, Any] = {
        "e": {"status": "successful", "took": 3, "_shards": {"failed": 1},
              "hop": {"remote_time_in_nanos": 5_090_517, "network_time_in_nanos": 3_179_359}},
        "f": {"status": "skipped", "failures": [{"reason": {"reason": "nobody answers"}}]},
    }  # fmt: skip
    first, second = cluster_rows({"_clusters": {"details": details}})
    assert (first.took_milliseconds, first.failed_shards) == (3, 1)
    assert (first.network_milliseconds, first.remote_milliseconds) == (3.179, 5.091)
    assert (second.status, second.problem, second.took_milliseconds) == ("skipped", "nobody answers", None)
    assert second.network_milliseconds is None
    assert cluster_rows({"hits": {}}) == []
