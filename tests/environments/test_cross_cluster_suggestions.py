"""Completions and phrases over two environments."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from environments_support import Side, attempt, put_documents

_MAPPINGS = {
    "properties": {
        "name": {"type": "completion", "fields": {"words": {"type": "text"}}},
        "kind": {"type": "keyword"},
    }
}
_HERE = {
    "1": {"name": {"input": ["Nevermind", "Nirvana"], "weight": 34}, "kind": "record"},
    "3": {"name": {"input": "Nirvana", "weight": 5}, "kind": "band"},
}
_THERE = {
    "2": {"name": {"input": "Nirvana", "weight": 10}, "kind": "band"},
    "4": {"name": ["Night of nine"], "kind": "book"},
}


@dataclass(frozen=True)
class Music:
    """Four documents twice: half of them on each side, and whole here."""

    local: Side
    split: str
    whole: str
    alias: str

    def both(self, suggest: dict[str, Any], parameters: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
        """Answer what is suggested of the split documents, and of the whole."""
        split, whole = (
            self.local.client.call("POST", f"/{where}/_search{parameters}", {"suggest": suggest})["suggest"]
            for where in (self.split, self.whole)
        )
        return split, whole


@pytest.fixture(scope="module")
def music(local: Side, remote: Side) -> Iterator[Music]:
    """Write the documents."""
    name = f"music-{uuid.uuid4().hex[:8]}"
    whole = f"whole-{name}"
    placed = (
        (local.client, name, _HERE),
        (remote.client, name, _THERE),
        (local.client, whole, _HERE | _THERE),
    )
    for client, index, documents in placed:
        client.call("PUT", f"/{index}", {"mappings": _MAPPINGS})
        put_documents(client, index, documents)
    yield Music(local, f"{name},{remote.alias}:{name}", whole, remote.alias)
    for client, index, _ in placed:
        client.call("DELETE", f"/{index}")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 2},
        {"skip_duplicates": True},
        {"fuzzy": True},
        {"fuzzy": {"fuzziness": 2, "prefix_length": 0}},
    ],
    ids=str,
)
def test_completions_are_those_of_one_index(music: Music, options: dict[str, Any]) -> None:
    """The same options in the same order; each names the cluster of its document."""
    split, whole = music.both({"s": {"prefix": "nir", "completion": {"field": "name", **options}}})
    index = music.whole.removeprefix("whole-")
    for option in split["s"][0]["options"]:
        alias = f"{music.alias}:" if option["_id"] in _THERE else ""
        assert option.pop("_index") == f"{alias}{index}"
    for option in whole["s"][0]["options"]:
        assert option.pop("_index") == music.whole
    assert split == whole
    assert split["s"][0]["options"][0]["_source"] == _HERE["1"]


def test_phrases_are_corrected_from_both_sides(music: Music) -> None:
    """By the words of either."""
    phrase = {"field": "name.words", "direct_generator": [{"field": "name.words"}]}
    suggest = {"text": "nirvanaa", "p": {"phrase": phrase}, "c": {"completion": {"field": "name"}}}
    split, whole = music.both(suggest, "?typed_keys=true")
    assert set(split) == set(whole) == {"phrase#p", "completion#c"}
    for answer in (split, whole):
        (entry,) = answer["phrase#p"]
        assert [option["text"] for option in entry["options"]] == ["nirvana"]
        assert answer["completion#c"][0]["options"] == []


def test_what_is_not_supported_is_named(music: Music) -> None:
    """A 400 before anybody is asked."""
    for suggestion, named in (
        ({"regex": "n.*", "completion": {"field": "name"}}, "[suggest.regex]"),
        ({"prefix": "n", "completion": {"field": "name", "contexts": {}}}, "[suggest.completion.contexts]"),
        ({"text": "n", "phrase": {"field": "name.words", "collate": {}}}, "[suggest.phrase.collate]"),
    ):
        body = {"suggest": {"s": suggestion}}
        status, answer = attempt(music.local.client, "POST", f"/{music.split}/_search", body)
        assert (status, answer["error"]["type"]) == (400, "illegal_argument_exception")
        assert answer["error"]["reason"] == f"{named} is not supported by this deployment"
