"""``Warning`` headers of answers that are not whole."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isthmus.rest.elasticsearch.search_warnings import warning_header, warnings_of, warnings_of_many

FORM = re.compile(r'299 Elasticsearch-\d+\.\d+\.\d+-unknown "([\x20-\x21\x23-\x5b\x5d-\x7e]*)"')
SHARDS = {"total": 3, "successful": 2, "skipped": 0, "failed": 1}
REASON = [{"shard": -1, "index": None, "reason": {"type": "connect_transport_exception", "reason": "down"}}]


def _texts(headers: tuple[tuple[str, str], ...]) -> list[str]:
    found = [FORM.fullmatch(value) for name, value in headers if name == "Warning"]
    return [match[1] for match in found if match is not None]


def _clusters(**details: dict[str, Any]) -> dict[str, Any]:
    return {"_clusters": {"details": details}, "_shards": SHARDS}


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"_shards": {**SHARDS, "failed": 0}, "timed_out": False}, []),
        ({"_shards": SHARDS, "timed_out": False}, ["partial results: [1] of [3] shards failed"]),
        ({"_shards": SHARDS, "timed_out": True}, ["partial results: the search timed out"]),
        ({"error": {}, "status": 404}, []),
        (_clusters(eu={"status": "successful"}, us={"status": "running"}), []),
        (
            _clusters(
                eu={"status": "skipped", "failures": REASON},
                us={"status": "partial", "_shards": SHARDS, "failures": REASON},
                zz={"status": "partial", "timed_out": True, "_shards": {**SHARDS, "failed": 0}},
                yy={"status": "failed"},
            ),
            [
                "partial results: remote cluster [eu] was skipped: [connect_transport_exception] down",
                (
                    "partial results: remote cluster [us] answered in part, [1] of [3] shards failed:"
                    " [connect_transport_exception] down"
                ),
                "partial results: remote cluster [zz] answered in part, timed out",
                "partial results: remote cluster [yy] failed",
            ],
        ),
        (
            {"_clusters": {"details": {"(local)": {"status": "partial", "_shards": SHARDS}}}},
            ["partial results: this cluster answered in part, [1] of [3] shards failed"],
        ),
    ],
)
def test_each_cluster_that_is_not_whole_is_named(body: dict[str, Any], texts: list[str]) -> None:
    """With what became of it."""
    assert _texts(warnings_of(body)) == texts


def test_many_are_summed_up() -> None:
    """A header has to stay small."""
    body = _clusters(**{f"c{number}": {"status": "skipped"} for number in range(15)})
    texts = _texts(warnings_of(body))
    assert len(texts) == 10
    assert texts[-1] == "partial results: and 6 more"


def test_several_answers_say_the_same_once() -> None:
    """``_msearch`` asks the same cluster many times."""
    skipped = _clusters(eu={"status": "skipped"})
    assert len(warnings_of_many([skipped, skipped, {"error": {}}])) == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain [x]: a, b", "plain [x]: a, b"),
        ('say "no"', "say 'no'"),
        ("line\r\nX-Evil: 1", "line%0D%0AX-Evil: 1"),
        ("back\\slash", "back%5Cslash"),
        ("100 %", "100 %25"),
        ("grün", "gr%C3%BCn"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_no_text_can_end_the_header(text: str, written: str) -> None:
    """Whatever another cluster says of itself."""
    assert _texts((warning_header(text),)) == [written]
