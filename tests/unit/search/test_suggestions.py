"""Suggestions of parts are those of the whole: exactly where every part tells all that it has."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, Fault
from isthmus.exchange import CompletionSuggester, PhraseSuggester, SearchRequest, TermSuggester
from isthmus.search.suggestions import combine_suggestions, in_order
from isthmus.search.suggestions_of_clusters import suggestions_of_cluster

_WORDS = ("bridge", "bridges", "brigde", "budge", "fridge")
_SCORES = {word: 0.5 + number / 10 for number, word in enumerate(_WORDS)}
_PARTS = st.lists(st.dictionaries(st.sampled_from(_WORDS), st.integers(1, 9)), max_size=5)


def entry(frequencies: dict[str, int], offset: int = 0) -> dict[str, Any]:
    """Answer an entry with these words as its options."""
    options = [{"text": word, "score": _SCORES[word], "freq": number} for word, number in frequencies.items()]
    return {"text": "bridgee", "offset": offset, "length": 7, "options": options}


@settings(max_examples=100, deadline=None)
@given(_PARTS, st.booleans(), st.integers(1, 6))
def test_words_are_counted_over_all_parts(parts: list[dict[str, int]], by_frequency: bool, size: int) -> None:
    """Frequencies add up, whatever the order and grouping of the parts; the size cuts at the very end."""
    suggester = TermSuggester(
        name="s", text="bridgee", field="f", by_frequency=by_frequency, size=size, shard_size=9
    )
    request = SearchRequest(suggest=(suggester,))
    answers = [{"s": [entry(part)]} for part in parts]
    combined = combine_suggestions(request, answers, final=True)
    whole: dict[str, int] = {}
    for part in parts:
        for word, number in part.items():
            whole[word] = whole.get(word, 0) + number
    expected = in_order(suggester, entry(whole)["options"])[:size]
    assert combined == {"s": [{**entry({}), "options": expected}] if parts else []}
    if len(parts) > 1:
        halves = [combine_suggestions(request, some, final=False) for some in (answers[:2], answers[2:])]
        assert combine_suggestions(request, halves, final=True) == combined


def test_each_suggester_and_each_word_is_combined_by_itself() -> None:
    """Entries stand in the order of the text; a part that lacks a suggester has none of its words."""
    request = SearchRequest(
        suggest=tuple(TermSuggester(name=name, text="bridgee bridgee", field="f") for name in ("a", "b"))
    )
    parts = [
        {"a": [entry({"bridge": 1}), entry({"budge": 2}, 8)], "b": [entry({"fridge": 1})]},
        {"a": [entry({"bridge": 4}), entry({}, 8)]},
    ]
    combined = combine_suggestions(request, parts, final=True)
    assert combined == {"a": [entry({"bridge": 5}), entry({"budge": 2}, 8)], "b": [entry({"fridge": 1})]}
    assert combine_suggestions(request, [], final=True) == {"a": [], "b": []}


_PHRASES = st.fixed_dictionaries(
    {
        "cutoff": st.integers(0, 4),
        "options": st.dictionaries(st.sampled_from(_WORDS), st.integers(1, 9), max_size=4),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_PHRASES, max_size=5), st.integers(1, 5))
def test_phrases_are_reduced_as_those_of_shards(parts: list[dict[str, Any]], size: int) -> None:
    """The best score of each text counts; it has to be above what was typed scores anywhere."""
    request = SearchRequest(phrases=(PhraseSuggester(name="s", text="bridgee", field="f", size=size),))
    answers = [
        {
            "s": [
                {
                    **entry({}),
                    "cutoff_score": part["cutoff"],
                    "options": [
                        {"text": word, "score": part["cutoff"] + more}
                        for word, more in part["options"].items()
                    ],
                }
            ]
        }
        for part in parts
    ]
    combined = combine_suggestions(request, answers, final=True)
    cutoff = max((part["cutoff"] for part in parts), default=0)
    best: dict[str, int] = {}
    for part in parts:
        for word, more in part["options"].items():
            best[word] = max(best.get(word, 0), part["cutoff"] + more)
    above = sorted((-score, word) for word, score in best.items() if score > cutoff)
    options = [{"text": word, "score": -negated} for negated, word in above[:size]]
    assert combined == {"s": [{**entry({}), "options": options}] if parts else []}
    if len(parts) > 1:
        halves = [combine_suggestions(request, some, final=False) for some in (answers[:2], answers[2:])]
        assert combine_suggestions(request, halves, final=True) == combined


_REQUEST = SearchRequest(
    suggest=(TermSuggester(name="t", text="a", field="f"),),
    completions=(CompletionSuggester(name="c", prefix="a", field="f"),),
    phrases=(PhraseSuggester(name="p", text="a", field="f"),),
)
_JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=2) | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["text", "options", "offset", "length", "score", "_id", "_index"]), inner
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from("tcp"), _JUNK))
def test_suggestions_that_make_no_sense_are_that_clusters_failure(told: dict[str, Any]) -> None:
    """Never an error of this node."""
    faults: list[Fault] = []
    try:
        orjson.dumps(
            combine_suggestions(_REQUEST, [suggestions_of_cluster(_REQUEST, told, "far")], final=True)
        )
    except Failure as failure:
        faults.append(failure.fault)
    assert faults in ([], [Fault.REMOTE])


def test_indices_of_completions_get_the_alias() -> None:
    """Sources stay as they are."""
    option = {"text": "ab", "_index": "i", "_id": "1", "_score": 2.0, "_source": b'{"a":1}'}
    told = {"c": [{"text": "a", "offset": 0, "length": 1, "options": [option]}]}
    checked = suggestions_of_cluster(_REQUEST, told, "far")
    assert checked == {"c": [{**told["c"][0], "options": [{**option, "_index": "far:i"}]}]}
    with pytest.raises(Failure):
        suggestions_of_cluster(_REQUEST, {"c": [{**told["c"][0], "options": [{"text": "a"}]}]}, "far")
