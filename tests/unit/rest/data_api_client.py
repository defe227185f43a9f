"""A client of the data API that needs no socket: a request in, status, headers and JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from fake_engine import FakeEngine

from isthmus.errors import Failure, FailureKind
from isthmus.names import ClusterAlias
from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch import (
    aliases,
    bulk,
    cat,
    cluster,
    documents,
    documents_multi_get,
    field_caps,
    index_settings,
    indices,
    indices_open_close,
    mappings,
    nodes,
    refresh,
    root,
    stats,
    validate_query,
)
from isthmus.rest.elasticsearch.api import DataApi
from isthmus.rest.elasticsearch.call import ElasticsearchRouter
from isthmus.rest.http import Request, Response, parse_query_string
from isthmus.rest.routing import Router
from isthmus.search.metadata import ClusterMetadata
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor

SUPERUSER = RoleDescriptor(
    name="superuser",
    cluster=("all",),
    indices=(IndexPrivileges(names=("*",), privileges=("all",), allow_restricted_indices=True),),
)
IDENTITY = NodeIdentity(
    cluster_name="fake",
    cluster_id="cluster-uuid",
    node_name="node-0",
    node_id="node-id",
    publish_address="127.0.0.1:9243",
    software_version="0.1.0",
)


class ManualClock:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now_milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class FakeAuthenticator:
    """Knows callers by their ``Authorization`` header; without one the caller is a superuser."""

    principals: dict[str, Principal] = field(default_factory=dict)

    async def authenticate(self, headers: Mapping[str, str], path: str = "/") -> Principal:
        del path
        name = headers.get("authorization")
        if name is None:
            return principal_of("elastic", SUPERUSER)
        if name not in self.principals:
            raise Failure(
                FailureKind.UNAUTHENTICATED,
                "security_exception",
                "unable to authenticate with provided credentials",
            )
        return self.principals[name]


def principal_of(username: str, *roles: RoleDescriptor) -> Principal:
    """Answer a user with these roles."""
    return Principal(
        username=username,
        role_names=tuple(role.name for role in roles),
        role_sets=(roles,),
        realm_name="native1",
        realm_type="native",
    )


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: bytes
    content_type: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.text)

    @property
    def error_type(self) -> str:
        return str(self.json["error"]["type"])

    @property
    def reason(self) -> str:
        return str(self.json["error"]["reason"])


class NoRemotes:
    """No remote cluster is configured."""

    def aliases(self) -> tuple[ClusterAlias, ...]:
        return ()

    def get(self, alias: ClusterAlias) -> Any:
        raise AssertionError(alias)


class DataApiClient:
    """The data API over a fake engine."""

    def __init__(self, auto_create_index: str = "true", *, destructive_requires_name: bool = True) -> None:
        self.engine = FakeEngine()
        self.clock = ManualClock()
        self.authenticator = FakeAuthenticator()
        router: ElasticsearchRouter = Router()
        documents.register(router, self.engine, auto_create_index)
        bulk.register(router, self.engine, auto_create_index)
        documents_multi_get.register(router, self.engine)
        indices.register(router, self.engine, lambda: destructive_requires_name)
        indices_open_close.register(router, self.engine, lambda: destructive_requires_name)
        field_caps.register(router, ClusterMetadata(self.engine, NoRemotes()))
        validate_query.register(router, self.engine)
        index_settings.register(router, self.engine)
        mappings.register(router, self.engine)
        aliases.register(router, self.engine)
        refresh.register(router, self.engine)
        stats.register(router, self.engine)
        cat.register(router, self.engine, IDENTITY, self.clock)
        cluster.register(router, self.engine, IDENTITY, self.clock)
        nodes.register(router, IDENTITY)
        root.register(router, IDENTITY)
        self.api = DataApi(router, self.authenticator)

    async def __call__(
        self,
        method: str,
        target: str,
        body: Any = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        path, _, query = target.partition("?")
        text = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"content-type": "application/json"} if text else {}
        response: Response = await self.api.handle(
            Request(method, path, parse_query_string(query), {**sent, **(headers or {})}, text)
        )
        assert isinstance(response.body, bytes)
        return Answer(response.status, response.body, response.content_type, dict(response.headers))

    async def bulk(
        self, *lines: Any, target: str = "/_bulk", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send lines, each JSON text or a value."""
        text = b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines)
        return await self("POST", target, text, {"content-type": "application/x-ndjson", **(headers or {})})
