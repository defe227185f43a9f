"""Templates and headers of searches that nest beyond what can be written are refused."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest

from isthmus.errors import Failure
from isthmus.exchange import SearchRequest
from isthmus.rest.elasticsearch.search_multi import searches_of
from isthmus.rest.elasticsearch.search_template import Templates
from isthmus.rest.http import json_text
from isthmus.search.description import describe_search
from isthmus.search.stored_scripts import MOST_BYTES, StoredScript, StoredScripts


class _NoRecords:
    async def load(self) -> dict[str, StoredScript]:
        return {}

    async def put(self, script_id: str, script: StoredScript) -> None:
        raise AssertionError(script_id, script)

    async def delete(self, script_id: str) -> None:
        raise AssertionError(script_id)


def _nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def _body(sent: Any) -> Any:
    return Templates(StoredScripts(_NoRecords())).body(sent)


@pytest.mark.parametrize("levels", [300, 1_020])
@pytest.mark.parametrize("member", ["source", "params"])
def test_a_template_that_nests_too_deep_is_rendered_or_refused(levels: int, member: str) -> None:
    """As its object, and as what is put into it."""
    sent = {"source": '{"size": {{#toJson}}a{{/toJson}}}', member: _nested(levels)}
    with contextlib.suppress(Failure):
        assert isinstance(_body(sent), dict)


def test_a_template_that_is_sent_along_is_no_longer_than_a_stored_one() -> None:
    """In Elasticsearch's words."""
    with pytest.raises(Failure, match=r"exceeded max allowed inline script size in bytes \[65535\]"):
        _body({"source": "x" * (MOST_BYTES + 1)})


def test_an_answer_that_nests_too_deep_to_be_written_is_refused() -> None:
    """What can be read may be deeper than what can be written."""
    assert json_text(_nested(300)).startswith(b'{"a":')
    with pytest.raises(Failure, match="nested too deeply"):
        json_text(_nested(1_020))


def test_a_search_that_nests_too_deep_is_still_listed_as_a_task() -> None:
    """It runs until the engine refuses it."""
    assert "nested too deeply" in describe_search(("logs",), SearchRequest(query=_nested(1_020)), "x")


def test_a_header_of_a_search_holds_single_values() -> None:
    """An object is refused, however deep it is."""
    header = json_text({"preference": _nested(300)})
    with pytest.raises(Failure, match=r"\[preference\] must be a single value"):
        list(searches_of(None, {}, header + b"\n{}\n"))


def test_bytes_of_a_peer_are_written_as_text() -> None:
    """Wherever a cluster's answer is passed on untyped, also beside documents that are written already."""
    assert (
        json_text([{"node": b"\xff"}, orjson.Fragment(b'{"a": 1}')]) == '[{"node":"\ufffd"},{"a":1}]'.encode()
    )
