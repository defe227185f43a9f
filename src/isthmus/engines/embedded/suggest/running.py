"""The suggestions of a search: made index after index, then combined as if the indices were shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from isthmus.engines.embedded.searching_index import IndexPart, SearchedIndex
from isthmus.engines.embedded.suggest.completion import CompletingIndex, suggest_completions
from isthmus.engines.embedded.suggest.phrase import suggest_phrases
from isthmus.engines.embedded.suggest.term import SuggestingIndex, suggest_terms
from isthmus.errors import Failure
from isthmus.exchange import FailureReport, JsonObject, SearchRequest
from isthmus.remotes.failure_reports import report_of
from isthmus.search.suggestions import combine_suggestions


def suggested(
    parts: Sequence[IndexPart], request: SearchRequest, check: Callable[[], None]
) -> tuple[list[IndexPart], JsonObject, list[FailureReport]]:
    """Answer the indices that could suggest, what they suggest together, and the failures of the others."""
    kept: list[IndexPart] = []
    answers: list[JsonObject] = []
    refused: list[FailureReport] = []
    for part in parts:
        searched = part.searched
        try:
            answers.append(_of_index(searched, request, check))
        except Failure as failure:
            refused.append(report_of(failure, searched.snapshot.name))
        else:
            kept.append(part)
    return kept, combine_suggestions(request, answers, final=False), refused


def _of_index(searched: SearchedIndex, request: SearchRequest, check: Callable[[], None]) -> JsonObject:
    index = SuggestingIndex(searched.context, searched.limits, searched.to_aggregate(check).count, check)
    completing = CompletingIndex(searched, request.source, check)
    return {
        **{each.name: suggest_terms(index, each) for each in request.suggest},
        **{each.name: suggest_completions(completing, each) for each in request.completions},
        **{each.name: suggest_phrases(index, each) for each in request.phrases},
    }
