"""The suggester ``completion``: what is completed, in which order, and that it tells nothing hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from embedded_search_bench import SearchBench

from isthmus.exchange import (
    CompletionFuzziness,
    CompletionSuggester,
    FetchRequest,
    FieldAccess,
    FieldRequest,
    IndexSelection,
    SortKey,
)
from isthmus.names import IndexName

PROPERTIES = {
    "name": {
        "type": "completion",
        "fields": {
            "raw": {"type": "keyword"},
            "exact": {"type": "completion", "analyzer": "keyword"},
        },
    },
    "title": {"type": "text", "fields": {"ahead": {"type": "completion"}}},
    "joined": {"type": "completion", "preserve_separators": False},
    "stopped": {"type": "completion", "analyzer": "stop"},
    "tight": {"type": "completion", "analyzer": "stop", "preserve_position_increments": False},
    "short": {"type": "completion", "max_input_length": 5},
    "team": {"type": "keyword"},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Make an index of bands in two segments."""
    made = SearchBench(tmp_path_factory.mktemp("completions"))
    made.create("music", PROPERTIES)
    made.write(
        "music",
        {
            "1": {"name": {"input": ["Nevermind", "Nirvana"], "weight": 34}, "team": "red"},
            "2": {"name": [{"input": "Nirvana", "weight": 10}, {"input": "Nine Inch", "weight": 3}]},
            "3": {"name": "Night of Nine", "joined": "Foo Fighters", "team": "blue"},
        },
    )
    made.write(
        "music",
        {
            "4": {"name": ["Nirvana", None, "Ångström"], "stopped": "The Beatles", "tight": "The Beatles"},
            "5": {"title": "Nina Simone", "short": "abcdefghij", "name": {"input": "zero", "weight": 0}},
            "6": {"name": {"input": ["same", "samba"], "weight": "7"}},
            "7": {"name": {"input": ["same", "sample"], "weight": 5}},
            "gone": {"name": {"input": "Nirvana", "weight": 99}},
        },
    )
    made.write("music", {"gone": None})
    yield made
    made.close()


def options(
    bench: SearchBench, prefix: str, indices: Any = "music", **asked: Any
) -> list[tuple[str, str, float]]:
    """Answer text, id and score of each option."""
    suggester = CompletionSuggester(**{"name": "s", "prefix": prefix, "field": "name", **asked})
    result = bench.search(indices, query={"match_none": {}}, completions=(suggester,))
    assert result.failures == ()
    (entry,) = result.suggestions["s"]
    assert (entry["text"], entry["offset"], entry["length"]) == (prefix, 0, len(prefix))
    return [(each["text"], each["_id"], each["_score"]) for each in entry["options"]]


def test_the_heaviest_inputs_come_first_one_of_each_document(bench: SearchBench) -> None:
    """Equal weights are in the order of their texts, equal texts in that of their ids."""
    assert options(bench, "n") == [
        ("Nevermind", "1", 34.0),
        ("Nirvana", "2", 10.0),
        ("Night of Nine", "3", 1.0),
        ("Nirvana", "4", 1.0),
    ]
    assert options(bench, "NIR", size=2) == [("Nirvana", "1", 34.0), ("Nirvana", "2", 10.0)]
    assert options(bench, "zer") == [("zero", "5", 0.0)]


@pytest.mark.parametrize(
    ("prefix", "asked", "expected"),
    [
        ("nine", {}, ["Nine Inch"]),
        ("nine i", {}, ["Nine Inch"]),
        ("ninei", {}, []),  # words are kept apart
        ("foof", {"field": "joined"}, ["Foo Fighters"]),
        ("beat", {"field": "stopped"}, []),  # there was a word before
        ("the beat", {"field": "stopped"}, ["The Beatles"]),
        ("beat", {"field": "tight"}, ["The Beatles"]),
        ("nin", {"field": "title.ahead"}, ["Nina Simone"]),
        ("Nir", {"field": "name.exact"}, ["Nirvana", "Nirvana", "Nirvana"]),
        ("nir", {"field": "name.exact"}, []),
        ("nir", {"field": "name.exact", "analyzer": "simple"}, []),
        ("NIR", {"analyzer": "keyword"}, []),
        ("abcde", {"field": "short"}, ["abcde"]),  # the input was cut
        ("abcdef", {"field": "short"}, []),
        ("ång", {}, ["Ångström"]),
        ("", {}, []),
        ("42", {}, []),  # no word
        ("nir\x1fvana", {}, []),
    ],
)
def test_what_is_typed_and_what_is_kept_are_analysed(
    bench: SearchBench, prefix: str, asked: dict[str, Any], expected: list[str]
) -> None:
    """The field says how, and the suggester may name another analyzer."""
    assert [text for text, _, _ in options(bench, prefix, **asked)] == expected


def test_duplicates_may_be_skipped(bench: SearchBench) -> None:
    """A document whose best input is skipped is not suggested by another one, as upstream."""
    assert options(bench, "nir", skip_duplicates=True) == [("Nirvana", "1", 34.0)]
    assert options(bench, "sam") == [("samba", "6", 7.0), ("same", "7", 5.0)]
    assert options(bench, "same", skip_duplicates=True) == [("same", "6", 7.0)]


@pytest.mark.parametrize(
    ("prefix", "fuzzy", "expected"),
    [
        # the shortest beginning that is near enough counts: "ne" and then one letter less
        ("nevr", {}, [("Nevermind", "1", 34.0 * 3)]),
        ("nveer", {}, [("Nevermind", "1", 34.0)]),
        ("nveer", {"transpositions": False}, []),
        ("nveer", {"transpositions": False, "edits": 2}, [("Nevermind", "1", 34.0)]),
        ("mevermind", {}, []),  # the first letter has to be right
        ("mevermind", {"prefix_length": 0}, [("Nevermind", "1", 34.0)]),  # nothing in common: the weight
        ("ne", {}, [("Nevermind", "1", 34.0 * 2)]),  # too short to guess
        ("nevermind", {"edits": 0}, [("Nevermind", "1", 34.0 * 9)]),
        ("angst", {"prefix_length": 0, "unicode_aware": True}, [("Ångström", "4", 1.0)]),
        ("angst", {"prefix_length": 0}, []),  # two bytes differ
    ],
)
def test_fuzzy_completions_share_as_much_as_they_can(
    bench: SearchBench, prefix: str, fuzzy: dict[str, Any], expected: list[tuple[str, str, float]]
) -> None:
    """The score is the weight times the bytes in common."""
    assert options(bench, prefix, fuzzy=CompletionFuzziness(**fuzzy)) == expected


def test_options_show_the_document(bench: SearchBench) -> None:
    """Its source as far as the search asks for it, or none."""
    suggester = CompletionSuggester(name="s", prefix="nev", field="name")
    for source, shown in ((True, None), (["team"], {"team": "red"}), (False, "absent")):
        (entry,) = bench.search("music", completions=(suggester,), source=source).suggestions["s"]
        (option,) = entry["options"]
        if shown == "absent":
            assert option == {"text": "Nevermind", "_index": "music", "_id": "1", "_score": 34.0}
        else:
            whole = {"name": {"input": ["Nevermind", "Nirvana"], "weight": 34}, "team": "red"}
            assert orjson.loads(option["_source"]) == (shown or whole)


def test_hidden_documents_are_not_suggested(bench: SearchBench) -> None:
    """Nor is a field that the caller may not see, and sources leave out what is hidden."""
    red = [IndexSelection(index=IndexName("music"), document_filters=({"term": {"team": "red"}},))]
    assert options(bench, "n", red) == [("Nevermind", "1", 34.0)]
    none = [IndexSelection(index=IndexName("music"), document_filters=({"match_none": {}},))]
    assert options(bench, "n", none) == []
    suggester = CompletionSuggester(name="s", prefix="nev", field="name")
    blind = [IndexSelection(index=IndexName("music"), field_access=(FieldAccess(granted=("team",)),))]
    assert [each.reason for each in bench.search(blind, completions=(suggester,)).failures] == [
        "no mapping found for field [name]"
    ]
    access = FieldAccess(granted=("name*",))
    selection = [IndexSelection(index=IndexName("music"), field_access=(access,))]
    (entry,) = bench.search(selection, completions=(suggester,)).suggestions["s"]
    assert b"team" not in entry["options"][0]["_source"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"field": "nowhere"}, "no mapping found for field [nowhere]"),
        ({"field": "team"}, "Field [team] is not a completion suggest field"),
        ({"field": "name", "analyzer": "none"}, "analyzer [none] doesn't exists"),
    ],
)
def test_an_index_that_cannot_complete_fails(bench: SearchBench, asked: dict[str, Any], reason: str) -> None:
    """It is that index's failure and names the reason."""
    suggester = CompletionSuggester(**{"name": "s", "prefix": "n", **asked})
    result = bench.search("music", completions=(suggester,))
    assert [failure.reason for failure in result.failures] == [reason]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"term": {"name.raw": "Nirvana"}}, ["1", "2", "4"]),
        ({"exists": {"field": "name"}}, ["1", "2", "3", "4", "5", "6", "7"]),
        ({"query_string": {"query": "Nirvana"}}, ["1", "2", "4"]),
    ],
)
def test_multi_fields_get_every_input(bench: SearchBench, query: dict[str, Any], found: list[str]) -> None:
    """A keyword beside a completion finds the documents by their inputs."""
    assert sorted(bench.ids("music", query)) == found


@pytest.mark.parametrize("query", [{"term": {"name": "nirvana"}}, {"match": {"name": "nirvana"}}])
def test_a_completion_field_is_not_searched(bench: SearchBench, query: dict[str, Any]) -> None:
    """A query that names it is refused, not answered with nothing."""
    failures = bench.search("music", query=query).failures
    assert ["Cannot search on field [name] of type [completion]" in each.reason for each in failures] == [
        True
    ]


def test_a_completion_field_is_shown_as_it_was_given(bench: SearchBench) -> None:
    """Multi-fields show the inputs; nothing can be sorted by a completion."""
    wanted = FetchRequest(fields=(FieldRequest(pattern="name"), FieldRequest(pattern="name.raw")))
    (hit,) = bench.search("music", query={"ids": {"values": ["1"]}}, fetch=wanted).hits
    assert hit.sections is not None
    assert orjson.loads(hit.sections["fields"]) == {
        "name": [{"input": ["Nevermind", "Nirvana"], "weight": 34}],
        "name.raw": ["Nevermind", "Nirvana"],
    }
    (failure,) = bench.search("music", sort=(SortKey(field="name"),)).failures
    assert "fielddata is unsupported on fields of type [completion]" in failure.reason
