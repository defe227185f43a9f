"""The security API of a deployment, as a client of it sees it."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from isthmus.clock import SystemClock
from isthmus.rest.elasticsearch import (
    security_api_key_grant,
    security_api_keys,
    security_privileges,
    security_roles,
    security_users,
)
from isthmus.rest.elasticsearch.api import DataApi
from isthmus.rest.elasticsearch.call import ElasticsearchRouter
from isthmus.rest.http import Request, parse_query_string
from isthmus.rest.routing import Router
from isthmus.security.passwords import Passwords
from isthmus.security.secret import Secret
from isthmus.security.service import bootstrap_elastic, build_security
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.security_records import SqlSecurityRecords

PASSWORD = "changeme"
ELASTIC = "Basic " + base64.b64encode(b"elastic:changeme").decode()


def basic(username: str, password: str = PASSWORD) -> str:
    """Build an Authorization header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@dataclass
class Api:
    """The API as a client sees it."""

    application: DataApi

    async def ask(
        self,
        request: str,
        body: Any = None,
        *,
        by: str = ELASTIC,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send ``METHOD /path?query`` and answer the status and the parsed body."""
        method, _, target = request.partition(" ")
        path, _, query = target.partition("?")
        sent = {"authorization": by, "content-type": "application/json", **(headers or {})}
        response = await self.application.handle(
            Request(
                method,
                path,
                parse_query_string(query),
                sent,
                b"" if body is None else (body if isinstance(body, bytes) else orjson.dumps(body)),
            )
        )
        assert isinstance(response.body, bytes)
        return response.status, orjson.loads(response.body)

    async def reason(self, request: str, body: Any = None, *, by: str = ELASTIC) -> tuple[int, str]:
        """Send what is to be refused and answer the status and the reason."""
        status, answer = await self.ask(request, body, by=by)
        return status, answer["error"]["reason"]


@pytest.fixture(scope="session", name="deployment_database")
def new_deployment_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the database of a deployment whose superuser has the usual password; it is only copied."""
    path = tmp_path_factory.mktemp("security") / "node.sqlite"
    database = Database.open(sqlite_url(path), Line.NODE)
    asyncio.run(bootstrap_elastic(SqlSecurityRecords(database), Secret(PASSWORD), _cheap_passwords()))
    database.close()
    return path


@pytest.fixture(name="api")
async def fresh_api(tmp_path: Path, deployment_database: Path) -> AsyncIterator[Api]:
    """Give the security API of a fresh deployment."""
    path = tmp_path / "node.sqlite"
    shutil.copyfile(deployment_database, path)
    database = Database.open(sqlite_url(path), Line.NODE)
    security = build_security(SqlSecurityRecords(database), SystemClock(), _cheap_passwords())
    router: ElasticsearchRouter = Router()
    security_users.register(router, security.users)
    security_roles.register(router, security.roles)
    security_privileges.register(router)
    security_api_keys.register(router, security.api_keys)
    security_api_key_grant.register(router, security.api_keys, security.authenticator)
    yield Api(DataApi(router, security.authenticator))
    database.close()


def _cheap_passwords() -> Passwords:
    return Passwords(time_cost=1, memory_kibibytes=64)
