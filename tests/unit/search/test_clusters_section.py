"""The ``_clusters`` section."""

from __future__ import annotations

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import FailureReport, SearchRequest, SearchResult, ShardCounts
from isthmus.names import ClusterAlias
from isthmus.search.clusters import cluster_detail, clusters_object
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part


def _outcome(alias: str | None, **members: object) -> Outcome:
    skip = alias is not None and alias != "required"
    part = Part(None if alias is None else ClusterAlias(alias), ("logs-*", "x"), SearchRequest(), skip, 1.0)
    return Outcome(part, **members)  # type: ignore[arg-type]


def test_the_section_says_how_each_cluster_answered() -> None:
    """Counts add up to the total, and every cluster has its own story."""
    bad_shard = FailureReport(
        kind="INVALID_REQUEST", error_type="query_shard_exception", reason="failed to create query", index="i"
    )
    failure = Failure(FailureKind.UNAVAILABLE, "connect_transport_exception", "no connection")
    described = clusters_object(
        [
            cluster_detail(outcome)
            for outcome in (
                _outcome(
                    None, result=SearchResult(took_milliseconds=21, shards=ShardCounts(total=1, successful=1))
                ),
                _outcome("empty", result=SearchResult()),
                _outcome(
                    "half",
                    result=SearchResult(
                        shards=ShardCounts(total=2, successful=1, failed=1), failures=(bad_shard,)
                    ),
                ),
                _outcome("late", result=SearchResult(timed_out=True)),
                _outcome("down", failure=failure),
                _outcome("silent", failure=failure, timed_out=True),
                _outcome("required", failure=failure),
            )
        ]
    )
    details = described.pop("details")
    assert described == {
        "total": 7,
        "successful": 2,
        "skipped": 2,
        "running": 0,
        "partial": 2,
        "failed": 1,
    }
    assert details["(local)"] == {
        "status": "successful",
        "indices": "logs-*,x",
        "took": 21,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    }
    assert details["half"]["failures"] == [
        {
            "shard": 0,
            "index": "half:i",
            "reason": {"type": "query_shard_exception", "reason": "failed to create query"},
        }
    ]
    assert details["down"] == {
        "status": "skipped",
        "indices": "logs-*,x",
        "timed_out": False,
        "failures": [
            {
                "shard": -1,
                "index": None,
                "reason": {"type": "connect_transport_exception", "reason": "no connection"},
            }
        ],
    }
    assert {name: detail["status"] for name, detail in details.items()} == {
        "(local)": "successful",
        "empty": "successful",
        "half": "partial",
        "late": "partial",
        "down": "skipped",
        "silent": "skipped",
        "required": "failed",
    }
    assert (details["late"]["timed_out"], details["silent"]["timed_out"]) == (True, True)
