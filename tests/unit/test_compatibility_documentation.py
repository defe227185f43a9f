"""docs/compatibility.md lists what the code supports, ignores and refuses: all of it and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from isthmus.engines.embedded import field_types, index_settings, mapping_parse
from isthmus.engines.embedded.query import compiler, reading
from isthmus.remotes import known_settings
from isthmus.rest.elasticsearch import (
    call,
    cat_table,
    documents,
    search_body,
    search_highlight,
    search_parameters,
    search_suggest,
    search_suggest_completion,
    search_suggest_phrase,
    stats,
)
from isthmus.search.aggregations import parse, pipelines, terms

PAGE = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text()
LISTS: dict[str, Collection[str]] = {
    "Types": field_types.FIELD_TYPES,
    "Types that are refused": field_types.UNSUPPORTED_TYPES,
    "Parameters without effect": mapping_parse.WITHOUT_EFFECT,
    "Settings that are acted on": index_settings._ACTED_ON,
    "Settings without effect": index_settings.KEPT_WITHOUT_EFFECT,
    "Settings that are refused": index_settings._UNSUPPORTED,
    "Cluster settings that are acted on": known_settings.ACTED_ON,
    "Cluster settings without effect": known_settings.KEPT_WITHOUT_EFFECT,
    "Body": {*search_body._READERS, *search_body.FETCH_READERS},
    "Options of the suggester term": search_suggest.READERS,
    "Options of the suggester completion": search_suggest_completion.READERS,
    "Options of fuzzy completions": search_suggest_completion.FUZZY_READERS,
    "Options of the suggester completion that are refused": search_suggest_completion.UNSUPPORTED,
    "Options of the suggester phrase": search_suggest_phrase.READERS,
    "Options of candidate generators": search_suggest_phrase.GENERATOR_READERS,
    "Options of candidate generators that are refused": search_suggest_phrase.UNSUPPORTED_OF_GENERATORS,
    "Options of the suggester phrase that are refused": search_suggest_phrase.UNSUPPORTED,
    "Options of highlight": search_highlight._READERS,
    "Options of highlight without effect": search_highlight.WITHOUT_EFFECT,
    "Options of highlight that are refused": search_highlight._UNSUPPORTED,
    "Body members that are refused": search_body._UNSUPPORTED,
    "Query string parameters without effect": search_parameters.IGNORED_PARAMETERS,
    "Query string parameters that are refused": search_parameters._UNSUPPORTED,
    "Query clauses": compiler._CLAUSES,
    "Query clauses that are refused": compiler._UNSUPPORTED,
    "Parameters of clauses without effect": reading.WITHOUT_EFFECT,
    "Aggregations that are here": {*parse.REGISTRY, "filter", *pipelines.PIPELINES},
    "Aggregations that are refused": parse._UNSUPPORTED,
    "Parameters of aggregations without effect": terms.WITHOUT_EFFECT,
    "Accepted without effect": {"error_trace", *call.CLUSTER_WAIT_PARAMETERS},
    "Accepted without effect by document APIs": documents.WITHOUT_EFFECT,
    "Accepted without effect by _cat": cat_table.WITHOUT_EFFECT,
    "Metrics of _stats that are refused": stats._UNSUPPORTED_METRICS,
}


def listed(heading: str) -> set[str]:
    """Answer the names of the list under a heading: the paragraph that is nothing but names."""
    section = PAGE.split(f"\n### {heading}\n", maxsplit=1)[1].split("\n#", maxsplit=1)[0]
    paragraphs = [" ".join(each.split()) for each in section.split("\n\n")]
    (names,) = [each for each in paragraphs if re.fullmatch(r"(`[^`]+`, )*`[^`]+`\.", each)]
    return set(re.findall(r"`([^`]+)`", names))


@pytest.mark.parametrize("heading", LISTS)
def test_the_page_lists_what_the_code_has(heading: str) -> None:
    """A name that only one of the two has is a gap or a lie."""
    assert listed(heading) == set(LISTS[heading])
