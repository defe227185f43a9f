"""What several results say together in numbers: of clusters, or of parts of one engine."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.exchange import SearchResult, ShardCounts, TotalHits


def total_of(results: Sequence[SearchResult], track: bool | int) -> TotalHits | None:  # noqa: FBT001 - as asked
    """Answer the sum, cut to what the caller wanted counted; None where nothing was to be tracked."""
    if track is False:
        return None
    counted = [result.total for result in results if result.total is not None]
    value = sum([part.value for part in counted])
    relation = "gte" if "gte" in [part.relation for part in counted] else "eq"
    if track is not True and value > track:
        return TotalHits(value=track, relation="gte")
    return TotalHits(value=value, relation=relation)


def highest_score(results: Sequence[SearchResult]) -> float | None:
    """Answer the highest score; None where there is none."""
    return max([result.max_score for result in results if result.max_score is not None], default=None)


def terminated_early(results: Sequence[SearchResult]) -> bool | None:
    """Answer whether any was; None where none said anything about it."""
    said = [result.terminated_early for result in results if result.terminated_early is not None]
    return True in said if said else None


def shards_of(results: Sequence[SearchResult]) -> ShardCounts:
    """Answer the counts of all shards."""
    total = successful = skipped = failed = 0
    for result in results:
        part = result.shards
        total += part.total
        successful += part.successful
        skipped += part.skipped
        failed += part.failed
    return ShardCounts(total=total, successful=successful, skipped=skipped, failed=failed)
