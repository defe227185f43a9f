"""Terms of ``_index`` over several clusters."""

from __future__ import annotations

from isthmus.exchange import SearchRequest, SearchResult
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.aggregations import parse_aggregations
from isthmus.search.merge import merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan

EU = ClusterAlias("eu")


def _answered(*names: str) -> SearchResult:
    buckets = [{"key": name, "doc_count": 1} for name in names]
    terms = {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": buckets}
    return SearchResult(aggregations={"where": terms})


def test_remote_indices_are_named_with_their_alias() -> None:
    """A bucket of an index far away has the name by which it can be searched from here."""
    request = SearchRequest(size=0)
    tree = parse_aggregations({"where": {"terms": {"field": "_index", "order": {"_key": "asc"}}}})
    parts = {alias: Part(alias, ("logs",), request, alias is not None, 1.0) for alias in (None, EU)}
    plan = Plan(request, IndicesOptions(), tuple(parts.values()), tree, True)
    outcomes = [Outcome(part, result=_answered("logs")) for part in parts.values()]
    found = merge(plan, outcomes, 1).result.aggregations["where"]["buckets"]
    assert [bucket["key"] for bucket in found] == ["eu:logs", "logs"]
