"""The suggester ``term``: which words it suggests, how it rates them, and that it tells nothing hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from embedded_search_bench import SearchBench

from isthmus.exchange import FieldAccess, IndexSelection, SearchResult, TermSuggester
from isthmus.names import IndexName

PROPERTIES = {
    "body": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
    "other": {"type": "text"},
    "team": {"type": "keyword"},
    "count": {"type": "long"},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Make two indices with words that are near each other."""
    made = SearchBench(tmp_path_factory.mktemp("suggest"))
    for name in ("one", "two"):
        made.create(name, PROPERTIES)
    made.write(
        "one",
        {
            "1": {"body": "Amsterdam meetup", "team": "red", "count": 1},
            "2": {"body": "Amsterdam bridge bridges", "team": "red"},
            "3": {"body": "a brigde secretly misspelt", "team": "blue", "other": "amstredam"},
        },
    )
    made.write("two", {"4": {"body": "amsterdamn bridge", "team": "red"}})
    yield made
    made.close()


def entries(bench: SearchBench, text: str, indices: Any = "one", **options: Any) -> list[dict[str, Any]]:
    """Answer what is suggested for a text."""
    suggester = TermSuggester(**{"name": "s", "text": text, "field": "body", **options})
    result: SearchResult = bench.search(indices, query={"match_none": {}}, suggest=(suggester,))
    assert result.failures == ()
    found: list[dict[str, Any]] = result.suggestions["s"]
    return found


def texts(bench: SearchBench, word: str, indices: Any = "one", **options: Any) -> list[str]:
    """Answer what is suggested for one word."""
    (entry,) = entries(bench, word, indices, **options)
    return [option["text"] for option in entry["options"]]


def test_each_word_has_an_entry(bench: SearchBench) -> None:
    """Where it stands in the text, and words that differ by few edits with score and frequency."""
    assert entries(bench, "The Amsterdma  meetpu") == [
        {"text": "the", "offset": 0, "length": 3, "options": []},
        {
            "text": "amsterdma",
            "offset": 4,
            "length": 9,
            "options": [{"text": "amsterdam", "score": 0.8888889, "freq": 2}],
        },
        {
            "text": "meetpu",
            "offset": 15,
            "length": 6,
            "options": [{"text": "meetup", "score": 0.8333333, "freq": 1}],
        },
    ]


@pytest.mark.parametrize(
    ("word", "options", "expected"),
    [
        ("bridge", {}, []),  # there is such a word
        ("bridge", {"mode": "always"}, ["bridges", "brigde"]),
        ("brigde", {"mode": "popular"}, []),  # none is in more documents
        ("brigdee", {}, ["brigde", "bridges", "bridge"]),
        ("brigdee", {"max_edits": 1}, ["brigde"]),
        ("brigdee", {"size": 1, "shard_size": 1}, ["brigde"]),
        ("meetpu", {"max_edits": 1, "distance": "damerau_levenshtein"}, ["meetup"]),
        ("neetup", {}, []),  # the first letter has to be right
        ("neetup", {"prefix_length": 0}, ["meetup"]),
        ("met", {}, []),  # too short to guess
        ("amsterdma", {"min_document_frequency": 2.0}, []),  # two are not more than two
        ("amsterdma", {"min_document_frequency": 1.0}, ["amsterdam"]),
        ("amsterdam", {"mode": "always", "max_term_frequency": 1.0}, []),  # too usual to be wrong
    ],
)
def test_options_say_which_words(
    bench: SearchBench, word: str, options: dict[str, Any], expected: list[str]
) -> None:
    """Mode, edits, beginning, length and frequencies limit what is suggested."""
    assert texts(bench, word, **options) == expected


def test_a_keyword_is_suggested_whole(bench: SearchBench) -> None:
    """The text is one word then, unless an analyzer is named."""
    (entry,) = entries(bench, "Amsterdam meetupp", field="body.raw", min_word_length=4)
    assert [option["text"] for option in entry["options"]] == ["Amsterdam meetup"]
    assert len(entries(bench, "Amsterdam meetupp", field="body.raw", analyzer="standard")) == 2


def test_indices_suggest_together(bench: SearchBench) -> None:
    """The same word counts in both; the order is by score, or by frequency when asked."""
    both = [IndexSelection(index=IndexName(name)) for name in ("one", "two")]
    (entry,) = entries(bench, "bridgee", both)
    assert entry["options"] == [
        {"text": "bridges", "score": 0.85714287, "freq": 1},
        {"text": "bridge", "score": 0.8333333, "freq": 2},
        {"text": "brigde", "score": 0.6666667, "freq": 1},
    ]
    assert texts(bench, "bridgee", both, by_frequency=True) == ["bridge", "bridges", "brigde"]


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("nowhere", "no mapping found for field [nowhere]"),
        ("count", "[suggest] field [count] of type [long] holds no words to suggest"),
    ],
)
def test_an_index_that_has_no_words_fails(bench: SearchBench, field: str, reason: str) -> None:
    """It is that index's failure and names the field."""
    result = bench.search("one", suggest=(TermSuggester(name="s", text="a", field=field),))
    assert [failure.reason for failure in result.failures] == [reason]
    assert result.hits == ()


def test_words_of_hidden_documents_are_neither_suggested_nor_counted(bench: SearchBench) -> None:
    """Frequencies are those of the documents that the caller may see, also that of the word itself."""
    red = [IndexSelection(index=IndexName("one"), document_filters=({"term": {"team": "red"}},))]
    (entry,) = entries(bench, "brigde", red)
    assert entry["options"] == [
        {"text": "bridge", "score": 0.8333333, "freq": 1},
        {"text": "bridges", "score": 0.6666667, "freq": 1},
    ]
    nothing = [IndexSelection(index=IndexName("one"), document_filters=({"match_none": {}},))]
    assert texts(bench, "brigdee", nothing) == []


def test_a_hidden_field_is_none(bench: SearchBench) -> None:
    """Its words cannot be asked for."""
    access = FieldAccess(granted=("*",), excepted=("other",))
    selection = [IndexSelection(index=IndexName("one"), field_access=(access,))]
    result = bench.search(selection, suggest=(TermSuggester(name="s", text="amsterdam", field="other"),))
    assert [failure.reason for failure in result.failures] == ["no mapping found for field [other]"]
    assert texts(bench, "amsterdam", field="other") == ["amstredam"]
