"""The suggester ``phrase``: what is corrected, how that is rated, and that it tells nothing hidden."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from embedded_search_bench import SearchBench

from isthmus.exchange import FieldAccess, IndexSelection, PhraseSuggester, TermSuggester
from isthmus.names import IndexName

PROPERTIES = {
    "body": {"type": "text"},
    "pairs": {"type": "keyword"},
    "team": {"type": "keyword"},
    "count": {"type": "long"},
}
ALWAYS = TermSuggester(name="g", text="", field="body", mode="always", max_term_frequency=100.0)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Make an index of prizes, ten documents."""
    made = SearchBench(tmp_path_factory.mktemp("phrases"))
    made.create("prizes", PROPERTIES)
    made.create("empty", PROPERTIES)
    documents = {f"n{number}": {"body": "nobel prize", "team": "red"} for number in range(6)}
    documents |= {f"o{number}": {"body": "noble cause", "team": "blue"} for number in range(2)}
    documents["p"] = {"body": "nobles prized secretly", "team": "blue"}
    documents["q"] = {"body": "peace", "team": "red", "pairs": ["nobel prize", "prize"], "count": 1}
    made.write("prizes", documents)
    yield made
    made.close()


def entry(bench: SearchBench, text: str, indices: Any = "prizes", **asked: Any) -> dict[str, Any]:
    """Answer the entry for a text."""
    suggester = PhraseSuggester(**{"name": "s", "text": text, "field": "body", **asked})
    result = bench.search(indices, query={"match_none": {}}, phrases=(suggester,))
    assert result.failures == ()
    (found,) = result.suggestions["s"]
    return dict(found)


def texts(bench: SearchBench, text: str, indices: Any = "prizes", **asked: Any) -> list[str]:
    """Answer the corrections of a text, the best first."""
    return [option["text"] for option in entry(bench, text, indices, **asked)["options"]]


def test_a_correction_is_rated_by_nearness_and_frequency(bench: SearchBench) -> None:
    """Each word is as likely as it is near, or as what is typed is right, times how usual it is."""
    found = entry(bench, "Nobel prizd", tags=("<em>", "</em>"))
    near = 1 - 1 / 5
    expected = math.exp(math.log10(0.95 * 7 / 9) + math.log10(near * 7 / 9))
    assert [option["text"] for option in found["options"]] == ["nobel prize", "nobel prized"]
    best = found["options"][0]
    assert best["score"] == pytest.approx(expected, rel=1e-6)
    assert best["highlighted"] == "nobel <em>prize</em>"
    typed = math.exp(math.log10(0.95 * 7 / 9) + math.log10(0.95 * 1 / 9))
    assert found["cutoff_score"] == pytest.approx(typed, rel=1e-9)
    assert (found["text"], found["offset"], found["length"]) == ("Nobel prizd", 0, 11)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("nobel prize", {}, []),  # nothing is better
        ("nobel prize", {"confidence": 0.0}, ["nobel prize"]),
        ("nobel prize", {"confidence": 0.0, "size": 1, "shard_size": 1}, ["nobel prize"]),
        ("noblr prizd", {"shard_size": 2}, ["noblr prize", "nobel prizd"]),  # one error
        ("noblr prizd", {"max_errors": 2.0, "shard_size": 1}, ["nobel prize"]),
        ("noblr prizd", {"max_errors": 0.9, "shard_size": 1}, ["nobel prize"]),
        ("noblr prizd", {"max_errors": 2.0, "shard_size": 1, "token_limit": 2}, []),  # too many words
        ("noble cause", {"generators": (ALWAYS,), "shard_size": 1}, ["nobel cause"]),
        ("noble cause", {}, []),  # there is such a word
        ("", {}, []),
        ("peac", {"confidence": 1000.0}, []),
        ("prize winner", {"analyzer": "keyword"}, []),
    ],
)
def test_options_say_what_is_corrected(
    bench: SearchBench, text: str, asked: dict[str, Any], expected: list[str]
) -> None:
    """Confidence, errors, generators and sizes limit what is suggested."""
    assert texts(bench, text, **asked) == expected


def test_neighbours_that_changed_share_a_tag(bench: SearchBench) -> None:
    """As in Elasticsearch."""
    found = entry(bench, "noblr prizd", max_errors=2.0, tags=("[", "]"), shard_size=1)
    assert found["options"][0]["highlighted"] == "[nobel prize]"


def test_pairs_of_words_count_where_they_are_kept(bench: SearchBench) -> None:
    """A pair that nobody wrote makes both words less likely by the discount."""
    plain = entry(bench, "nobel prizd", shard_size=1)["options"][0]["score"]
    pairs = entry(bench, "nobel prizd", shard_size=1, gram_size=2)["options"][0]["score"]
    assert pairs == pytest.approx(plain * math.exp(math.log10(0.4)), rel=1e-6)
    trios = entry(bench, "nobel prizd", shard_size=1, gram_size=3, discount=1.0)["options"][0]["score"]
    assert trios == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize(
    "extreme", [{"discount": 1e-320, "gram_size": 2}, {"real_word_error_likelihood": 1e308}]
)
def test_extremes_are_no_error(bench: SearchBench, extreme: dict[str, Any]) -> None:
    """A score has bounds."""
    for option in entry(bench, "nobel prizd", confidence=0.0, **extreme)["options"]:
        assert 0 <= option["score"] < 1e39


def test_words_of_hidden_documents_are_neither_suggested_nor_counted(bench: SearchBench) -> None:
    """Scores are those of an index that has only what the caller may see."""
    blue = [IndexSelection(index=IndexName("prizes"), document_filters=({"term": {"team": "blue"}},))]
    assert texts(bench, "nobel cause", blue) == ["noble cause", "nobles cause"]
    expected = math.exp(math.log10(0.8 * 3 / 2) + math.log10(0.95 * 3 / 2))
    assert entry(bench, "nobel cause", blue)["options"][0]["score"] == pytest.approx(expected, rel=1e-6)
    nothing = [IndexSelection(index=IndexName("prizes"), document_filters=({"match_none": {}},))]
    assert texts(bench, "nobel prizd", nothing) == []
    access = FieldAccess(granted=("team",))
    hidden = [IndexSelection(index=IndexName("prizes"), field_access=(access,))]
    result = bench.search(hidden, phrases=(PhraseSuggester(name="s", text="a", field="body"),))
    assert [failure.reason for failure in result.failures] == ["no mapping found for field [body]"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"field": "nowhere"}, "no mapping found for field [nowhere]"),
        ({"field": "count"}, "[suggest] field [count] of type [long] holds no words to suggest"),
        (
            {"generators": (TermSuggester(name="g", text="", field="nowhere"),)},
            "no mapping found for field [nowhere]",
        ),
    ],
)
def test_an_index_that_has_no_words_fails(bench: SearchBench, asked: dict[str, Any], reason: str) -> None:
    """It is that index's failure and names the field."""
    result = bench.search(
        "prizes", phrases=(PhraseSuggester(**{"name": "s", "text": "a", "field": "body", **asked}),)
    )
    assert [failure.reason for failure in result.failures] == [reason]


def test_a_text_with_too_many_corrections_is_refused(
    bench: SearchBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what would make them fewer."""
    monkeypatch.setattr("isthmus.engines.embedded.suggest.corrections._MOST", 3)
    suggester = PhraseSuggester(name="s", text="noblr prizd", field="body", max_errors=2.0)
    (failure,) = bench.search("prizes", phrases=(suggester,)).failures
    assert "a lower [max_errors] or [size] of its generators" in failure.reason


def test_an_index_without_documents_suggests_nothing(bench: SearchBench) -> None:
    """And takes nothing away from another one."""
    assert texts(bench, "nobel prizd", "empty") == []
    both = [IndexSelection(index=IndexName(name)) for name in ("empty", "prizes")]
    assert texts(bench, "nobel prizd", both) == ["nobel prize", "nobel prized"]
