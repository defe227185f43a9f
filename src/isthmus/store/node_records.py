"""The nodes that share a database, and the deployment that it belongs to."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, delete, func, insert, literal, select, update
from sqlalchemy import cast as sql_cast

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Record
from isthmus.store.async_search_records import ASYNC_SEARCHES
from isthmus.store.change_watch import Topic
from isthmus.store.database import Database
from isthmus.store.sharing_tables import NODES, RECORD_OWNER, SHARED_FILES

#: a node writes every two seconds that it is there; five times missed is gone
LIVING_MILLISECONDS: Final = 10_000
#: how long after that its record is kept, for people who look for it
_REMEMBERED_MILLISECONDS: Final = 86_400_000


class SharingNode(Record, frozen=True, kw_only=True):
    """One node as the others tell of it. Addresses are ``host:port``, empty where it has none of its own."""

    node_id: str
    name: str
    data_address: str = ""
    remote_cluster_address: str = ""
    #: the host name that certificates of these addresses are valid for
    server_name: str = ""
    engine: str = "embedded"


class SqlNodeRecords:
    """A node's database as what it knows of the nodes that share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, cluster_id: str) -> bool:
        """Make the database this deployment's; True where it was nobody's before.

        Raises a failure that says so where it is another deployment's.
        """

        def owner(connection: Connection) -> str | None:
            found: str | None = connection.execute(select(RECORD_OWNER.c.cluster_id)).scalar()
            if found is None:
                connection.execute(insert(RECORD_OWNER).values(number=1, cluster_id=cluster_id))
            return found

        found = await self._database.write(owner)
        if found not in (None, cluster_id):
            raise Failure(
                FailureKind.INTERNAL,
                "database_exception",
                f"the database holds the records of another deployment, cluster [{found}]: give each its own",
            )
        return found is None

    async def put(self, node: SharingNode) -> None:
        """Tell that this node is there now; the database's clock counts. Other nodes hear of a change."""
        now = _now(self._database)
        document = msgspec.json.encode(node)

        def seen_again(connection: Connection) -> bool:
            same = (NODES.c.node_id == node.node_id) & (NODES.c.document == document)
            return connection.execute(update(NODES).where(same).values(seen_milliseconds=now)).rowcount > 0

        def replace(connection: Connection) -> None:
            forgotten = NODES.c.seen_milliseconds < now - _REMEMBERED_MILLISECONDS
            connection.execute(delete(NODES).where((NODES.c.node_id == node.node_id) | forgotten))
            values = {"node_id": node.node_id, "seen_milliseconds": now, "document": document}
            connection.execute(insert(NODES).values(**values))

        if not await self._database.write(seen_again):
            await self._database.write(replace, topic=Topic.NODES)

    async def remove(self, node_id: str) -> None:
        """Tell that this node stops."""
        statement = delete(NODES).where(NODES.c.node_id == node_id)
        await self._database.write(
            lambda connection: connection.execute(statement).rowcount, topic=Topic.NODES
        )

    async def living(self) -> tuple[SharingNode, ...]:
        """Answer the nodes that are there, by their ids."""
        recently = NODES.c.seen_milliseconds > _now(self._database) - LIVING_MILLISECONDS
        query = select(NODES.c.document).where(recently)

        def documents(connection: Connection) -> list[bytes]:
            return list(connection.execute(query).scalars())

        found = await self._database.read(documents)
        nodes = (msgspec.json.decode(document, type=SharingNode) for document in found)
        return tuple(sorted(nodes, key=lambda node: node.node_id))

    async def owners_gone(self) -> tuple[str, ...]:
        """Answer the ids of nodes with unfinished submitted searches that are not there any more."""
        recently = NODES.c.seen_milliseconds > _now(self._database) - LIVING_MILLISECONDS
        is_unfinished = ASYNC_SEARCHES.c.completed_milliseconds.is_(None)
        query = (
            select(ASYNC_SEARCHES.c.node_id)
            .where(is_unfinished & ASYNC_SEARCHES.c.node_id.not_in(select(NODES.c.node_id).where(recently)))
            .distinct()
        )

        def ids(connection: Connection) -> list[str]:
            return list(connection.execute(query).scalars())

        return tuple(await self._database.read(ids))

    async def find_file_or_none(self, name: str) -> bytes | None:
        """Answer the content of a file that all nodes have alike."""
        query = select(SHARED_FILES.c.content).where(SHARED_FILES.c.name == name)
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def put_file(self, name: str, content: bytes, topic: Topic) -> None:
        """Have all nodes take over this content."""

        def replace(connection: Connection) -> None:
            connection.execute(delete(SHARED_FILES).where(SHARED_FILES.c.name == name))
            connection.execute(insert(SHARED_FILES).values(name=name, content=content))

        await self._database.write(replace, topic=topic)


def _now(database: Database) -> ColumnElement[int]:
    """Answer the database's own time: clocks of nodes differ."""
    if database.is_shared:
        return sql_cast(func.extract("epoch", func.clock_timestamp()) * literal(1_000), BigInteger)
    return sql_cast(func.unixepoch("now"), BigInteger) * literal(1_000)
