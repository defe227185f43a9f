"""The best hits of an index scored anew, with the help of a second query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import tantivy

from isthmus.engines.embedded.query.compiled import Compiled, Extent
from isthmus.engines.embedded.ranking import Ranking, Scored
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.exchange import Rescore


@dataclass(frozen=True, slots=True)
class Rescorer:
    """A second query, compiled for one index."""

    asked: Rescore
    query: Compiled


_MODES: Final[Mapping[str, Callable[[float, float], float]]] = MappingProxyType(
    {
        "total": lambda first, second: first + second,
        "multiply": lambda first, second: first * second,
        "avg": lambda first, second: (first + second) / 2,
        "max": max,
        "min": min,
    }
)


def rescored(hits: Sequence[Scored], rescorer: Rescorer, ranking: Ranking) -> list[Scored]:
    """Answer the hits in their new order.

    ``hits`` are in order. What is beyond the window, and what the second query does not match, keeps its
    score times the first weight.
    """
    rescore = rescorer.asked
    combine = _MODES[rescore.score_mode]
    window = [address for _, address in hits[: rescore.window_size]]
    second = _second_scores(rescorer.query, window, ranking)
    second.extend([None] * (len(hits) - len(window)))
    scored = []
    for (score, address), other in zip(hits, second, strict=True):
        combined = score * rescore.query_weight
        if other is not None:
            combined = combine(combined, other * rescore.rescore_query_weight)
        scored.append((as_single(combined), address))
    scored.sort(key=lambda each: (-each[0], each[1].segment_ord, each[1].doc))
    return scored


def _second_scores(
    clause: Compiled, addresses: Sequence[tantivy.DocAddress], ranking: Ranking
) -> list[float | None]:
    if clause.extent is Extent.NOTHING:
        return [None] * len(addresses)
    return ranking.scores(clause, addresses)
