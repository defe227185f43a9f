"""Suggestions of parts are those of the whole: exactly where every part tells all that it has."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.exchange import SearchRequest, TermSuggester
from isthmus.search.suggestions import combine_suggestions, in_order

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
