"""Fields and names of several clusters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clusters_harness import Clusters, clusters, user, write

from isthmus.errors import Failure, FailureKind
from isthmus.names import ClusterAlias, IndexName, IndicesOptions
from isthmus.search.fan_out import ask_clusters
from isthmus.search.field_capabilities import FieldQuestion
from isthmus.search.metadata import ClusterMetadata, FieldCapabilities, IndicesAsked, ResolvedNames
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor

ANN = user()
EU = ClusterAlias("eu")
US = ClusterAlias("us")
OPTIONS = IndicesOptions()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Clusters]:
    """Make three clusters whose indices disagree on a type and lack a field."""
    async with clusters(tmp_path, "eu", "us") as made:
        properties: dict[str, dict[str, Any]] = {
            "here": {"n": {"type": "long"}, "only": {"type": "keyword"}},
            "eu": {"n": {"type": "long"}, "secret": {"type": "keyword"}},
            "us": {"n": {"type": "keyword"}},
        }
        for name, engine in (("here", made.engine), *((a, c.engine) for a, c in made.far.items())):
            await write(engine, "logs", {"1": {"n": 1}}, {"properties": properties[name]})
            await engine.update_aliases({IndexName("logs"): {"newest": {}}})
        yield made


async def _caps(world: Clusters, *expressions: str, principal: Any = ANN, **asked: Any) -> FieldCapabilities:
    question = FieldQuestion(("n", "only", "secret"))
    metadata = ClusterMetadata(world.engine, world)
    return await metadata.field_capabilities(principal, IndicesAsked(expressions, OPTIONS), question, **asked)


async def _resolve(world: Clusters, *expressions: str, principal: Any = ANN) -> ResolvedNames:
    metadata = ClusterMetadata(world.engine, world)
    return await metadata.resolve(principal, IndicesAsked(expressions, OPTIONS))


async def test_fields_are_merged_over_clusters(world: Clusters) -> None:
    """As over the indices of one; each index has the name that a search would give it."""
    found = await _caps(world, "logs", "*:logs", include_unmapped=True)
    assert found.indices == ("eu:logs", "logs", "us:logs")
    assert {kind: each["indices"] for kind, each in found.fields["n"].items()} == {
        "keyword": ["us:logs"],
        "long": ["eu:logs", "logs"],
    }
    assert found.fields["only"]["unmapped"]["indices"] == ["eu:logs", "us:logs"]
    assert found.failures == ()


async def test_a_cluster_that_fails_is_told(world: Clusters) -> None:
    """Whatever its settings; those that fail alike are told together, and the others answer."""
    world.far[EU].is_down = world.far[US].is_down = True
    world.far[EU].skip_unavailable = False
    found = await _caps(world, "logs", "*:logs")
    assert found.indices == ("logs",)
    (failed,) = found.failures
    assert failed.expressions == ("eu:logs", "us:logs")
    assert failed.failure.error_type == "no_seed_node_left_exception"


async def test_where_nobody_answers_the_first_failure_is_the_answer(world: Clusters) -> None:
    """Fields of nothing would look like an answer."""
    world.far[EU].is_down = True
    with pytest.raises(Failure, match=r"error while communicating with remote cluster \[eu\]"):
        await _caps(world, "eu:logs")
    with pytest.raises(Failure, match=r"no such index \[none\]"):
        await _caps(world, "none", "eu:logs")


async def test_only_indices_with_a_matching_document_count(world: Clusters) -> None:
    """The filter is looked at where the documents are."""
    await write(world.far[EU].engine, "logs", {"2": {"n": 7}})
    found = await _caps(world, "logs", "eu:logs", index_filter={"term": {"n": 7}})
    assert found.indices == ("eu:logs",)


async def test_whoever_may_not_read_learns_nothing_of_documents(world: Clusters) -> None:
    """A filter leaves out what a reader's own documents do not match, and nothing for who is no reader."""
    role = RoleDescriptor(
        name="r", indices=(IndexPrivileges(names=("*",), privileges=("view_index_metadata",)),)
    )
    looker = Principal("ann", ("r",), ((role,),), "native1", "native")
    for value in (1, 7):
        found = await _caps(world, "logs", principal=looker, index_filter={"term": {"n": value}})
        assert found.indices == ("logs",)
    narrow = user("ann", "*", query={"term": {"n": 7}})
    found = await _caps(world, "logs", principal=narrow, index_filter={"term": {"n": 1}})
    assert found.indices == ()


async def test_names_of_other_clusters_carry_their_alias(world: Clusters) -> None:
    """Indices and aliases; what an alias is of is named as it is over there."""
    found = await _resolve(world, "*", "eu:*")
    assert [each.name for each in found.indices] == ["logs", "eu:logs"]
    assert [(each.name, each.indices) for each in found.aliases] == [
        ("newest", ("logs",)),
        ("eu:newest", ("logs",)),
    ]
    assert found.indices[1].attributes == ("open",)
    assert (await _resolve(world, "eu:newest")).indices == ()


async def test_who_does_not_answer_is_skipped_or_fails_it(world: Clusters) -> None:
    """As its settings say, and never in silence."""
    world.far[EU].is_down = True
    found = await _resolve(world, "*", "*:*")
    assert [each.name for each in found.indices] == ["logs", "us:logs"]
    assert list(found.skipped) == ["eu"]
    world.far[EU].skip_unavailable = False
    with pytest.raises(Failure, match=r"error while communicating with remote cluster \[eu\]"):
        await _resolve(world, "*:*")


async def test_what_a_caller_may_not_know_is_not_told(world: Clusters) -> None:
    """Wildcards narrow, names are refused."""
    await write(world.engine, "secret", {"1": {}})
    ann = user("ann", "logs")
    assert [each.name for each in (await _resolve(world, "*", principal=ann)).indices] == ["logs"]
    with pytest.raises(Failure) as denied:
        await _resolve(world, "secret", principal=ann)
    assert denied.value.kind is FailureKind.FORBIDDEN


async def test_one_that_never_answers_does_not_hold_the_others_back() -> None:
    """Its time is over like that of a search."""

    async def here(expressions: tuple[str, ...]) -> str:
        return ",".join(expressions)

    async def there(alias: ClusterAlias, _expressions: tuple[str, ...]) -> str:
        if alias == EU:
            await asyncio.Event().wait()
        return alias

    answers = await ask_clusters({US: ("b",), EU: ("c",), None: ("a",)}, here, there, 0.01)
    assert (answers[None], answers[US]) == ("a", "us")
    failure = answers[EU]
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.TIMED_OUT
