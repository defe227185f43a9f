"""Several clusters in one process: real engines, and what travels between them as the bytes it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Record, RefreshPolicy, SearchTarget, WriteKind, WriteOperation
from isthmus.names import ClusterAlias, IndexName
from isthmus.remotes.protocol import Decoders, encode
from isthmus.remotes.questions import Question
from isthmus.remotes.terms import USUAL_TERMS, CallTerms
from isthmus.rest.remote.answers import Answers
from isthmus.search.coordinator import SearchCoordinator
from isthmus.search.keep_alive import KeepAliveLimits
from isthmus.search.local import LocalCluster
from isthmus.search.point_in_time import PointsInTime
from isthmus.search.running import RunningTasks
from isthmus.search.scroll import Scrolls
from isthmus.search.views import HeldViews
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.remote_caller import CrossClusterKey, RemoteSubject, remote_principal

T = TypeVar("T")


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now_milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def user(name: str = "ann", *indices: str, query: Any = None) -> Principal:
    """Answer somebody who may read these indices, all of them unless named."""
    role = RoleDescriptor(
        name="reader",
        cluster=("all",),
        indices=(IndexPrivileges(names=indices or ("*",), privileges=("all",), query=query),),
    )
    return Principal(name, ("reader",), ((role,),), "native1", "native")


@dataclass(frozen=True)
class FakeVisitor:
    """Another cluster that was let in by a key."""

    key: CrossClusterKey

    @property
    def identity(self) -> str:
        return f"key:{self.key.id}"

    @property
    def key_id(self) -> str:
        return self.key.id

    @property
    def key_name(self) -> str:
        return self.key.name

    @property
    def key_expires_milliseconds(self) -> int | None:
        return None

    @property
    def access(self) -> RoleDescriptor:
        return self.key.role

    async def principal(self, subject: RemoteSubject) -> Principal:
        return remote_principal(self.key, subject)


def visitor(key_id: str = "key1") -> FakeVisitor:
    """Answer a cluster whose key gives everything."""
    role = RoleDescriptor(name="key", indices=(IndexPrivileges(names=("*",), privileges=("all",)),))
    return FakeVisitor(CrossClusterKey(key_id, "a key", "admin", "native", role))


@dataclass
class FarCluster:
    """A cluster as another one knows it: what is asked goes there, and comes back, as bytes."""

    answers: Answers
    engine: EmbeddedEngine
    visitor: FakeVisitor = field(default_factory=visitor)
    skip_unavailable: bool = True
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    async def ask(
        self,
        principal: Principal,
        question: Question[T],
        record: Callable[[RemoteSubject], Record],
        terms: CallTerms = USUAL_TERMS,
    ) -> T:
        del terms
        self.asked.append(question.action.value)
        if self.is_down:
            raise Failure(FailureKind.UNAVAILABLE, "no_seed_node_left_exception", "the cluster is down")
        body = encode(record(_subject(principal)))
        answer = await self.answers.handlers[question.action](self.visitor, body)
        return Decoders().decode(question.answer, encode(answer))

    def search_target(self, principal: Principal, terms: CallTerms = USUAL_TERMS) -> SearchTarget:
        del terms
        if self.is_down:
            raise Failure(FailureKind.UNAVAILABLE, "no_seed_node_left_exception", "the cluster is down")
        return LocalCluster(self.engine, principal)


def _subject(principal: Principal) -> RemoteSubject:
    plain = tuple(
        tuple(RoleDescriptor(name=role.name, indices=role.indices) for role in roles)
        for roles in principal.role_sets
    )
    return RemoteSubject(
        username=principal.username,
        realm_name=principal.realm_name,
        realm_type=principal.realm_type,
        role_names=principal.role_names,
        role_sets=plain,
        api_key_id=principal.api_key_id,
    )


@dataclass
class Clusters:
    """This cluster, and those that it knows; satisfies what searching needs of the remotes."""

    clock: ManualClock
    engine: EmbeddedEngine
    far: dict[ClusterAlias, FarCluster]
    limits: KeepAliveLimits = field(default_factory=KeepAliveLimits)

    def __post_init__(self) -> None:
        self.views = HeldViews(self.engine, self.clock, lambda: self.limits)
        self.points = PointsInTime(self.views, self)
        self.coordinator = SearchCoordinator(self.engine, self, self.clock, points=self.points)
        self.scrolls = Scrolls(self.coordinator, self.points, self.clock)

    def aliases(self) -> Collection[ClusterAlias]:
        return list(self.far)

    def get(self, alias: ClusterAlias) -> FarCluster:
        if alias not in self.far:
            raise Failure(
                FailureKind.NOT_FOUND,
                "no_such_remote_cluster_exception",
                f"no such remote cluster: [{alias}]",
            )
        return self.far[alias]


@asynccontextmanager
async def clusters(directory: Path, *aliases: str) -> AsyncIterator[Clusters]:
    """Make this cluster and others of these aliases, all without an index."""
    clock = ManualClock()
    engine = EmbeddedEngine(directory / "here")
    far: dict[ClusterAlias, FarCluster] = {}
    for alias in aliases:
        there = EmbeddedEngine(directory / alias)
        answers = Answers(there, HeldViews(there, clock), RunningTasks())
        far[ClusterAlias(alias)] = FarCluster(answers, there)
    made = Clusters(clock, engine, far)
    try:
        yield made
    finally:
        made.views.close()
        for cluster in far.values():
            cluster.answers.views.close()
            await cluster.engine.close()
        await engine.close()


async def write(
    engine: EmbeddedEngine,
    index: str,
    documents: Mapping[str, Mapping[str, Any]],
    mappings: Mapping[str, Any] | None = None,
) -> None:
    """Write documents by id into an index, which is made where there is none, and refresh."""
    name = IndexName(index)
    if name not in engine.indices():
        await engine.create_index(name, {}, dict(mappings or {}), {})
    operations = [
        WriteOperation(kind=WriteKind.INDEX, id=key, source=orjson.dumps(source))
        for key, source in documents.items()
    ]
    outcomes = await engine.write(name, operations, RefreshPolicy.IMMEDIATE)
    assert all(outcome.failure is None for outcome in outcomes)


async def remove(engine: EmbeddedEngine, index: str, *ids: str) -> None:
    """Delete documents and refresh."""
    operations = [WriteOperation(kind=WriteKind.DELETE, id=each) for each in ids]
    await engine.write(IndexName(index), operations, RefreshPolicy.IMMEDIATE)
