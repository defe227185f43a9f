"""The platform's records in SQL: a row a deployment, its members as one JSON document.

Columns beside the document are those that the database itself must compare: what is unique,
ordered or guarded. A new member of :class:`Deployment` therefore needs no new column.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from isthmus.control.records import Deployment

_metadata: Final = sa.MetaData()

_deployments: Final = sa.Table(
    "deployments",
    _metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("created_milliseconds", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("request_id", sa.String(128), unique=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
)


class SqlDeploymentRecords:
    """Deployments in a database; satisfies :class:`isthmus.control.records.DeploymentRecords`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, path: Path) -> SqlDeploymentRecords:
        """Open the SQLite file, with its table where it has none yet; mode 0600."""
        path.touch(mode=0o600)
        engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        _metadata.create_all(engine)
        return cls(engine)

    async def all(self) -> tuple[Deployment, ...]:
        """Answer all deployments, the oldest first."""
        order = (_deployments.c.created_milliseconds, _deployments.c.id)
        return await self._select(sa.select(_deployments.c.document).order_by(*order))

    async def find_or_none(self, deployment_id: str) -> Deployment | None:
        """Answer the deployment of that id."""
        query = sa.select(_deployments.c.document).where(_deployments.c.id == deployment_id)
        return next(iter(await self._select(query)), None)

    async def find_by_request_or_none(self, request_id: str) -> Deployment | None:
        """Answer the deployment that was created with that request id."""
        query = sa.select(_deployments.c.document).where(_deployments.c.request_id == request_id)
        return next(iter(await self._select(query)), None)

    async def add(self, deployment: Deployment) -> None:
        """Keep a new deployment."""
        await self._execute(
            _deployments.insert().values(
                id=deployment.id,
                created_milliseconds=deployment.created_milliseconds,
                request_id=deployment.request_id,
                revision=deployment.revision,
                document=msgspec.json.encode(deployment),
            )
        )

    async def replace(self, deployment: Deployment) -> bool:
        """Keep the next revision; answer False, and change nothing, unless the one before is kept now."""
        is_previous = sa.and_(
            _deployments.c.id == deployment.id, _deployments.c.revision == deployment.revision - 1
        )
        changed = await self._execute(
            _deployments.update()
            .where(is_previous)
            .values(revision=deployment.revision, document=msgspec.json.encode(deployment))
        )
        return changed == 1

    async def remove(self, deployment_id: str) -> None:
        """Forget the deployment; one that is not there is no error."""
        await self._execute(_deployments.delete().where(_deployments.c.id == deployment_id))

    async def _select(self, query: sa.Select[tuple[bytes]]) -> tuple[Deployment, ...]:
        def read() -> tuple[Deployment, ...]:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            return tuple(msgspec.json.decode(row.document, type=Deployment) for row in rows)

        return await asyncio.to_thread(read)

    async def _execute(self, statement: sa.Insert | sa.Update | sa.Delete) -> int:
        def write() -> int:
            with self._engine.begin() as connection:
                return connection.execute(statement).rowcount

        return await asyncio.to_thread(write)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a record survives a power loss, as the contract says
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
