"""What a search's body may say of its hits, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import (
    CompletionFuzziness,
    CompletionSuggester,
    FieldRequest,
    PhraseSuggester,
    SearchRequest,
    TermSuggester,
)
from isthmus.rest.elasticsearch.search_order import search_question
from isthmus.rest.http import parse_query_string

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"fields": [1]}, "[fields] must be text or an object, found VALUE_NUMBER"),
    ({"fields": [{"format": "x"}]}, "Required [field] in an entry of [fields]"),
    ({"fields": [{"field": "a", "what": 1}]}, "[fields] unknown field [what]"),
    ({"fields": [{"field": "a", "format": 1}]}, "[fields] [format] must be text"),
    ({"fields": ["a"] * 1001}, "[fields] may list [1000] fields at most, found [1001]"),
    ({"docvalue_fields": [{"field": "a", "include_unmapped": True}]}, "[docvalue_fields] unknown field"),
    ({"stored_fields": {"a": 1}}, "Expected [VALUE_STRING] or [START_ARRAY] in [stored_fields]"),
    ({"stored_fields": ["_none_", "a"]}, "cannot combine _none_ with other fields"),
    ({"stored_fields": "_none_", "_source": True}, "[stored_fields] cannot be disabled if [_source]"),
    ({"stored_fields": "_none_", "fields": ["a"]}, "[stored_fields] cannot be disabled when using the"),
    ({"script_fields": {"a": {}}}, "[script_fields] is not supported by this deployment: cannot execute"),
    ({"explain": "what"}, "[explain] must be a boolean"),
    ({"indices_boost": [{"a": 1, "b": 2}]}, "[indices_boost] must list objects of one index each"),
    ({"indices_boost": [{"a": "x"}]}, "[indices_boost] must be a number"),
    ({"indices_boost": [{"a": -1}]}, "[indices_boost] of [a] must not be negative"),
    ({"indices_boost": 5}, "Expected [START_ARRAY] in [indices_boost]"),
    ({"suggest": {"s": {"text": "a"}}}, "suggestion [s] has no type"),
    ({"suggest": {"s": {"term": {"field": "a"}}}}, "The required text option is missing"),
    ({"suggest": {"s": {"text": "a", "term": {}}}}, "the required field option [field] is missing"),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "collate": {}}}}},
        "[suggest.phrase.collate] is not supported",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "what": 1}}}},
        "suggester[phrase] doesn't support field [what]",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "max_errors": 0}}}},
        "max_errors must be > 0.0",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "confidence": -1}}}},
        "confidence must be >= 0.0",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "highlight": {"pre_tag": "a"}}}}},
        "Pre and post tag must both be null or both not be null.",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "highlight": {"tag": "a"}}}}},
        "suggester[phrase][highlight] doesn't support field [tag]",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "smoothing": {"laplace": {}}}}}},
        "[suggest.phrase.smoothing.laplace] is not supported",
    ),
    (
        {
            "suggest": {
                "s": {"text": "a", "phrase": {"field": "a", "smoothing": {"stupid_backoff": {"alpha": 1}}}}
            }
        },
        "[stupid_backoff] unknown field [alpha]",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "smoothing": {}}}}},
        "[smoothing] has no model",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "direct_generator": {}}}}},
        "[direct_generator] must be a list, found START_OBJECT",
    ),
    (
        {"suggest": {"s": {"text": "a", "phrase": {"field": "a", "direct_generator": [{"size": 1}]}}}},
        "[direct_generator] expects exactly one field parameter",
    ),
    (
        {
            "suggest": {
                "s": {
                    "text": "a",
                    "phrase": {"field": "a", "direct_generator": [{"field": "a", "pre_filter": "b"}]},
                }
            }
        },
        "[suggest.phrase.direct_generator.pre_filter] is not supported",
    ),
    (
        {
            "suggest": {
                "s": {"text": "a", "phrase": {"field": "a", "direct_generator": [{"field": "a", "x": "b"}]}}
            }
        },
        "[direct_generator] unknown field [x]",
    ),
    ({"suggest": {"s": {"text": "a", "phrase": {}}}}, "the required field option [field] is missing"),
    ({"suggest": {"s": {"prefix": "a", "term": {"field": "a"}}}}, "[suggest.prefix] is for the suggester"),
    ({"suggest": {"s": {"prefix": "a", "completion": {}}}}, "the required field option [field] is missing"),
    (
        {"suggest": {"s": {"text": "a", "term": {}, "completion": {}}}},
        "suggestion [s] has more than one type",
    ),
    ({"suggest": {"s": {"completion": {"field": "a"}}}}, "The required text option is missing"),
    (
        {"suggest": {"s": {"regex": "a.*", "completion": {"field": "a"}}}},
        "[suggest.regex] is not supported",
    ),
    (
        {"suggest": {"s": {"prefix": "a", "completion": {"field": "a", "contexts": {}}}}},
        "[suggest.completion.contexts] is not supported",
    ),
    (
        {"suggest": {"s": {"prefix": "a", "completion": {"field": "a", "what": 1}}}},
        "[completion] unknown field [what]",
    ),
    (
        {"suggest": {"s": {"prefix": "a", "completion": {"field": "a", "size": 0}}}},
        "[size] must be between [1]",
    ),
    (
        {"suggest": {"s": {"prefix": "a", "completion": {"field": "a", "fuzzy": {"fuzziness": 3}}}}},
        "Invalid fuzziness value: 3",
    ),
    (
        {"suggest": {"s": {"prefix": "a", "completion": {"field": "a", "fuzzy": {"fuzzy": 3}}}}},
        "[fuzzy] unknown field [fuzzy]",
    ),
    ({"suggest": {"s": {"text": "a", "other": {}}}}, "unknown suggestion type [other]"),
    ({"suggest": {"text": 5}}, "[suggest] [text] must be text"),
    ({"suggest": {"s": {"text": "a", "term": {"what": 1}}}}, "suggester[term] doesn't support field [what]"),
    ({"suggest": {"s": {"text": "a", "term": {"max_edits": 3}}}}, "[max_edits] must be between [1] and [2]"),
    ({"suggest": {"s": {"text": "a", "term": {"sort": "x"}}}}, "Illegal suggest [sort] [x]"),
    (
        {"suggest": {"s": {"text": "a", "term": {"string_distance": "ngram"}}}},
        "[suggest.term.string_distance] [ngram] is not supported",
    ),
    ({"suggest": {"s": {"text": "a", "term": {"min_doc_freq": 1.5}}}}, "if [min_doc_freq] is greater than 1"),
    ({"highlight": []}, "Unknown key for a START_ARRAY in [highlight]."),
    ({"highlight": {"fields": [{"a": {}, "b": {}}]}}, "[fields] can be a single object with any number"),
    ({"highlight": {"fields": 5}}, "[highlight] [fields] must be an object"),
    ({"highlight": {"what": 1, "fields": {}}}, "[highlight] unknown field [what]"),
    ({"highlight": {"fields": {"a": {"what": 1}}}}, "[highlight_field] unknown field [what]"),
    ({"highlight": {"fields": {"a": {"encoder": "html"}}}}, "[highlight_field] unknown field [encoder]"),
    ({"highlight": {"encoder": "xml", "fields": {}}}, "[encoder] must be [default] or [html]"),
    ({"highlight": {"tags_schema": "plain", "fields": {}}}, "Unknown tag schema [plain]"),
    ({"highlight": {"phrase_limit": 1, "fields": {}}}, "[highlight.phrase_limit] is not supported"),
    ({"highlight": {"fields": {"a": {"matched_fields": ["b"]}}}}, "[highlight.matched_fields] is not"),
    ({"highlight": {"fields": {"a": {"type": "fvh"}}}}, "[highlight.type] [fvh] is not supported"),
    ({"highlight": {"fields": {"a": {"type": "new"}}}}, "unknown highlighter type [new] for the field [a]"),
    ({"highlight": {"fields": {"a": {"boundary_scanner": "chars"}}}}, "Invalid boundary scanner type: CHARS"),
    ({"highlight": {"boundary_scanner": "x", "fields": {}}}, "[boundary_scanner] must be one of"),
    ({"highlight": {"fields": {"a": {"type": "plain", "fragmenter": "x"}}}}, "unknown fragmenter option [x]"),
    ({"highlight": {"fragment_size": -1, "fields": {}}}, "[fragment_size] must be at least [0]"),
    ({"highlight": {"pre_tags": [], "fields": {}}}, "[pre_tags] must be text or a list of texts"),
    ({"highlight": {"max_analyzed_offset": 0, "fields": {}}}, "[max_analyzed_offset] must be a positive"),
    ({"highlight": {"highlight_query": [], "fields": {}}}, "Unknown key for a START_ARRAY"),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED, ids=lambda value: str(value)[:50])
def test_what_is_no_request_is_refused_by_name(body: dict[str, Any], reason: str) -> None:
    """A 400 that says which key and why."""
    with pytest.raises(Failure) as caught:
        search_question((), {}, body)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason.startswith(reason)


def asked(query: str, body: dict[str, Any] | None = None) -> SearchRequest:
    """Answer what query string and body ask for together."""
    return search_question((), parse_query_string(query), body).order.request


def test_the_query_string_adds_doc_values_and_replaces_stored_fields() -> None:
    """As in Elasticsearch; asking for stored fields takes the source out unless it is asked for."""
    body = {"docvalue_fields": ["a"], "stored_fields": ["s"], "explain": True}
    request = asked("docvalue_fields=b,c&stored_fields=t,u&explain=false", body)
    assert request.fetch is not None
    assert [each.pattern for each in request.fetch.docvalue_fields] == ["a", "b", "c"]
    assert (request.fetch.stored_fields, request.fetch.explain, request.source) == (("t", "u"), False, False)
    assert asked("stored_fields=t,_source").source is True
    assert asked("stored_fields=t&_source=a").source == {"includes": ["a"]}


def test_options_of_a_field_win_over_those_of_all() -> None:
    """Every option, once for all fields and once for one; lists of tags count by their first."""
    options = {
        "pre_tags": ["<a>", "<b>"],
        "post_tags": ["</a>"],
        "number_of_fragments": 3,
        "no_match_size": 10,
        "require_field_match": False,
        "boundary_scanner": "WORD",
        "boundary_scanner_locale": "de",
        "max_analyzed_offset": 500,
        "encoder": "html",
        "fields": [{"x": {"pre_tags": "<c>", "fragment_size": 7}}, {"y": {"max_analyzed_offset": -1}}],
    }
    fetch = asked("", {"highlight": options}).fetch
    assert fetch is not None
    x, y = fetch.highlight
    assert (x.pattern, x.opening, x.closing, x.fragment_size, x.fragments) == ("x", "<c>", "</a>", 7, 3)
    assert (y.pattern, y.opening, y.fragment_size, y.boundary, y.escape_html) == (
        "y",
        "<a>",
        100,
        "word",
        True,
    )
    assert (x.max_analyzed_offset, y.max_analyzed_offset, x.require_field_match) == (500, None, False)
    styled = asked("", {"highlight": {"tags_schema": "styled", "fields": {"a": {}}}}).fetch
    assert styled is not None
    assert styled.highlight[0].opening == '<em class="hlt1">'


def test_asking_for_nothing_costs_nothing() -> None:
    """No record is made for empty lists and objects."""
    body = {"fields": [], "docvalue_fields": [], "highlight": {"fields": {}}, "explain": False}
    assert asked("", body).fetch is None
    single = asked("", {"fields": {"field": "a"}}).fetch
    assert single is not None
    assert single.fields == (FieldRequest(pattern="a"),)


def test_suggesters_have_a_text_of_their_own_or_one_for_all() -> None:
    """Who asks for suggestions alone gets no hits; as many options are asked of each index as are wanted."""
    named = {"term": {"field": "f", "size": 9, "suggest_mode": "always", "sort": "frequency"}}
    request = asked("", {"suggest": {"text": "shared", "a": named, "b": {"text": "own", **named}}})
    assert [(each.name, each.text) for each in request.suggest] == [("a", "shared"), ("b", "own")]
    first = request.suggest[0]
    assert (first.size, first.shard_size, first.mode, first.by_frequency) == (9, 9, "always", True)
    assert request.query == {"match_none": {}}
    with_query = asked("", {"suggest": {"text": "shared", "a": named}, "query": {"match_all": {}}})
    assert with_query.query == {"match_all": {}}
    assert asked("", {"suggest": {}}) == SearchRequest()


@pytest.mark.parametrize(
    ("fuzzy", "read"),
    [
        (True, CompletionFuzziness()),
        (False, None),
        ({}, CompletionFuzziness()),
        ({"fuzziness": "AUTO"}, CompletionFuzziness()),
        ({"fuzziness": "AUTO:2,4"}, CompletionFuzziness(edits=2)),
        ({"fuzziness": "auto:6,9"}, CompletionFuzziness(edits=0)),
        ({"fuzziness": "2"}, CompletionFuzziness(edits=2)),
        (
            {
                "fuzziness": 0,
                "transpositions": False,
                "min_length": 4,
                "prefix_length": 0,
                "unicode_aware": True,
                "max_determinized_states": 5,
            },
            CompletionFuzziness(
                edits=0, transpositions=False, min_length=4, prefix_length=0, unicode_aware=True
            ),
        ),
    ],
)
def test_completions_may_be_fuzzy(fuzzy: Any, read: CompletionFuzziness | None) -> None:
    """How far is told by an object, or left to what is usual by a flag."""
    options = {"field": "f", "fuzzy": fuzzy, "skip_duplicates": True, "size": 3, "analyzer": "whitespace"}
    request = asked("", {"suggest": {"s": {"prefix": "ab", "completion": options}, "text": "other"}})
    assert request.completions == (
        CompletionSuggester(
            name="s", prefix="ab", field="f", analyzer="whitespace", size=3, skip_duplicates=True, fuzzy=read
        ),
    )
    assert request.query == {"match_none": {}}
    by_text = asked("", {"suggest": {"s": {"completion": {"field": "f"}}, "text": "other"}})
    assert by_text.completions == (CompletionSuggester(name="s", prefix="other", field="f"),)


def test_phrases_are_read_with_their_generators() -> None:
    """What is not said is as usual; a generator is asked for as many words as it may find."""
    options = {
        "field": "f",
        "direct_generator": [{"field": "g", "suggest_mode": "always", "size": 3, "prefix_length": 0}],
        "highlight": {"pre_tag": "<", "post_tag": ">"},
        "smoothing": {"stupid_backoff": {"discount": 0.5}},
        "force_unigrams": False,
        "size": 9,
    }
    request = asked("", {"suggest": {"s": {"text": "a b", "phrase": options}}})
    generator = TermSuggester(
        name="direct_generator", text="", field="g", size=3, shard_size=3, mode="always", prefix_length=0
    )
    assert request.phrases == (
        PhraseSuggester(
            name="s",
            text="a b",
            field="f",
            generators=(generator,),
            size=9,
            shard_size=9,
            discount=0.5,
            tags=("<", ">"),
        ),
    )
    assert request.query == {"match_none": {}}
