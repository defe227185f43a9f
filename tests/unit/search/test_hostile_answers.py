"""What a peer answers is believed in nothing: it spoils no answer of the others, and never ends in a bug."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from isthmus.clock import SystemClock
from isthmus.errors import Failure, Fault
from isthmus.exchange import (
    CompletionSuggester,
    Hit,
    JsonObject,
    SearchRequest,
    SearchResult,
    ShardCounts,
    SortKey,
    TermStatistics,
)
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.coordinator import coordinate
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.search.suggestions_of_clusters import suggestions_of_cluster

EU = ClusterAlias("eu")
#: what would end the hit and begin another, that of an index here
FORGED = b'{}},{"_index":"logs","_id":"forged","_source":{}'


@dataclass
class Peer:
    """Answers what it is told to."""

    result: SearchResult

    async def search(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> SearchResult:
        return self.result

    async def term_statistics(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> TermStatistics:
        return TermStatistics()


async def _answer(*hits: Hit, sort: tuple[SortKey, ...] = ()) -> SearchAnswer:
    result = SearchResult(hits=hits, shards=ShardCounts(total=1, successful=1))
    order = SearchOrder(("eu:logs",), SearchRequest(sort=sort))
    return await coordinate(order, {EU: Peer(result)}, {EU: True}, SystemClock())


@pytest.mark.parametrize(
    "hit",
    [
        Hit("logs", "1", source=FORGED),
        Hit("logs", "1", source=b""),
        Hit("logs", "1", source=b'{"a":"\xff"}'),
        Hit("logs", "1", source=b"[" * 100_000),
        Hit("logs", "1", sections={"fields": FORGED}),
        Hit("logs", "1", sections={"_explanation": b"{} {}"}),
    ],
    ids=lambda hit: str(hit)[:60],
)
async def test_a_document_that_is_no_json_is_the_failure_of_its_cluster(hit: Hit) -> None:
    """It would stand in the answer as it is, and there it could write hits of other clusters."""
    with pytest.raises(Failure, match=r"a hit of cluster \[eu\] was not understood") as refused:
        await _answer(hit)
    assert refused.value.fault is Fault.REMOTE


async def test_documents_that_are_json_are_answered() -> None:
    """As they came."""
    answer = await _answer(Hit("logs", "1", source=b' {"a": 1}', sections={"fields": b"{}"}))
    assert [(hit.index, hit.source) for hit in answer.result.hits] == [("eu:logs", b' {"a": 1}')]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_a_date_that_is_no_number_is_answered_as_it_is(value: float) -> None:
    """No date of this cluster is one."""
    answer = await _answer(
        Hit("logs", "1", source=b"{}", sort=(value,)), sort=(SortKey(field="day", date_format="yyyy"),)
    )
    assert str(answer.result.hits[0].sort) == str((value,))


def test_the_document_of_a_completion_is_json_too() -> None:
    """For the same reason."""
    request = SearchRequest(completions=(CompletionSuggester(name="c", field="f", prefix="a"),))
    option: JsonObject = {"text": "ab", "_index": "logs", "_id": "1", "_score": 1.0}
    entry: JsonObject = {"text": "a", "offset": 0, "length": 1, "options": [{**option, "_source": b"{}"}]}
    assert suggestions_of_cluster(request, {"c": [entry]}, EU)["c"][0]["options"][0]["_index"] == "eu:logs"
    entry["options"] = [{**option, "_source": FORGED}]
    with pytest.raises(Failure, match=r"the suggestions of cluster \[eu\] were not understood"):
        suggestions_of_cluster(request, {"c": [entry]}, EU)
