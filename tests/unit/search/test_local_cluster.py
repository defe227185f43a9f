"""This cluster on behalf of one caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Engine, IndexDescription, IndexSelection, SearchRequest, SearchResult
from isthmus.names import IndexName, IndicesOptions
from isthmus.search.local import LocalCluster
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor


class FakeEngine:
    """Remembers what it was asked."""

    def __init__(self, *descriptions: IndexDescription) -> None:
        self.descriptions = {description.name: description for description in descriptions}
        self.selections: Sequence[IndexSelection] = ()

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer the given descriptions."""
        return self.descriptions

    async def search(self, selections: Sequence[IndexSelection], _request: SearchRequest) -> SearchResult:
        """Remember the selections and find nothing."""
        self.selections = selections
        return SearchResult()


def _index(name: str, **members: Any) -> IndexDescription:
    return IndexDescription(name=IndexName(name), uuid=name, created_milliseconds=0, **members)


def _principal(*names: str, privilege: str = "all", query: Any = None) -> Principal:
    role = RoleDescriptor(
        name="r", indices=(IndexPrivileges(names=names, privileges=(privilege,), query=query),)
    )
    return Principal("u", ("r",), ((role,),), "native1", "native")


ENGINE = (
    _index("logs-1", aliases={"logs": {}}),
    _index("logs-2", settings={"index.max_result_window": "50000"}),
    _index("logs-3", closed=True),
    _index("secret"),
)
OPTIONS = IndicesOptions(forbid_closed=True)


async def _searched(principal: Principal, *expressions: str, **asked: Any) -> list[str]:
    engine = FakeEngine(*ENGINE)
    cluster = LocalCluster(cast("Engine", engine), principal)
    await cluster.search(expressions, OPTIONS, SearchRequest(**asked))
    return [selection.index for selection in engine.selections]


async def test_searches_what_is_named_and_allowed() -> None:
    """Wildcards narrow to what the caller may read, closed indices are left out."""
    assert await _searched(_principal("logs-*"), "*") == ["logs-1", "logs-2"]
    assert await _searched(_principal("*"), "logs", "secret") == ["logs-1", "secret"]
    assert await _searched(_principal("logs-*"), "x*") == []


async def test_the_callers_documents_travel_with_the_selection() -> None:
    """What a role hides is left to the engine as part of the selection."""
    engine = FakeEngine(*ENGINE)
    cluster = LocalCluster(cast("Engine", engine), _principal("logs-1", query={"term": {"open": True}}))
    await cluster.search(("logs-1",), OPTIONS, SearchRequest())
    assert [len(selection.document_filters) for selection in engine.selections] == [1]


async def test_a_filtered_alias_shows_only_what_it_lets_through() -> None:
    """Its filter counts besides what the caller's roles hide."""
    open_ones = {"term": {"state": "open"}}
    engine = FakeEngine(_index("tickets", aliases={"open": {"filter": open_ones}}))
    cluster = LocalCluster(cast("Engine", engine), _principal("*"))
    await cluster.search(("open",), OPTIONS, SearchRequest())
    assert [selection.document_filters for selection in engine.selections] == [(open_ones,)]
    await cluster.search(("*",), OPTIONS, SearchRequest())
    assert [selection.document_filters for selection in engine.selections] == [()]
    restricted = LocalCluster(cast("Engine", engine), _principal("open"))
    await restricted.search(("*",), OPTIONS, SearchRequest())
    assert [(each.index, each.document_filters) for each in engine.selections] == [("tickets", (open_ones,))]


@pytest.mark.parametrize(
    ("expressions", "kind", "error_type"),
    [
        (("secret",), FailureKind.FORBIDDEN, "security_exception"),
        (("logs-9",), FailureKind.NOT_FOUND, "index_not_found_exception"),
        (("logs-3",), FailureKind.INVALID_REQUEST, "index_closed_exception"),
    ],
)
async def test_refuses_what_may_not_or_cannot_be_read(
    expressions: tuple[str, ...], kind: FailureKind, error_type: str
) -> None:
    """Forbidden, missing and closed are told apart."""
    with pytest.raises(Failure) as caught:
        await _searched(_principal("logs-*"), *expressions)
    assert (caught.value.kind, caught.value.error_type) == (kind, error_type)


async def test_an_index_says_how_large_a_window_may_be() -> None:
    """The default is ten thousand; the refusal names the index as a shard that failed."""
    everybody = _principal("*")
    assert await _searched(everybody, "logs-1", offset=9_990, size=10) == ["logs-1"]
    assert await _searched(everybody, "logs-2", offset=40_000, size=10_000) == ["logs-2"]
    with pytest.raises(Failure) as caught:
        await _searched(everybody, "logs-*", offset=9_991, size=10)
    refusal = caught.value
    assert (refusal.kind, refusal.error_type) == (
        FailureKind.INVALID_REQUEST,
        "search_phase_execution_exception",
    )
    assert refusal.metadata["failed_shards"][0]["index"] == "logs-1"
    assert refusal.caused_by is not None
    assert refusal.caused_by.reason.startswith(
        "Result window is too large, from + size must be less than or equal to: [10000] but was [10001]."
    )


def test_tells_whether_anything_matches() -> None:
    """Closed indices do not count, a name that is missing is an error."""
    cluster = LocalCluster(cast("Engine", FakeEngine(*ENGINE)), _principal("*"))
    every_state = IndicesOptions(expand_wildcards=("open", "closed"))
    assert cluster.has_matching_indices(("logs-*",), IndicesOptions())
    assert not cluster.has_matching_indices(("x*",), IndicesOptions())
    assert not cluster.has_matching_indices(("logs-3",), every_state)
    with pytest.raises(Failure, match="no such index"):
        cluster.has_matching_indices(("nope",), IndicesOptions())
