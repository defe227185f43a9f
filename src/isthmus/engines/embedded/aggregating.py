"""The aggregations of one search over some indices of this engine."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.engines.embedded.aggregations.execution import Execution
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.exchange import JsonObject
from isthmus.search.aggregations import merge, parse_aggregations

__all__ = ["AggregatedIndex", "merge_aggregations", "run_aggregations"]


def run_aggregations(indices: Sequence[AggregatedIndex], aggregations: JsonObject) -> JsonObject:
    """Answer aggregations in the combinable form in which they are asked, over all of the indices.

    No index at all answers nothing. Runs on the calling thread, most of it with the interpreter's
    lock released. Raises a failure of kind INVALID_REQUEST for what cannot be aggregated, and what
    ``check`` of an index raises.
    """
    if not indices:
        return {}
    tree = parse_aggregations(aggregations)
    answers = [Execution(index).run(index.query, tree.nodes) for index in indices]
    return answers[0] if len(answers) == 1 else merge(tree, answers)


def merge_aggregations(aggregations: JsonObject, answers: Sequence[JsonObject]) -> JsonObject:
    """Make one answer, in the same form, of those of several indices; of none, an empty one."""
    if len(answers) > 1:
        return merge(parse_aggregations(aggregations), answers)
    return answers[0] if answers else {}
