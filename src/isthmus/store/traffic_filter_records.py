"""Rule sets and their associations in SQL."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    insert,
    select,
    update,
)

from isthmus.control.traffic_filter_rules import RuleSet
from isthmus.control.traffic_filters_records import Association
from isthmus.store.database import Database, environment_metadata
from isthmus.store.environment_tables import DEPLOYMENTS

TRAFFIC_FILTER_RULE_SETS: Final = Table(
    "traffic_filter_rule_sets",
    environment_metadata,
    Column("id", String(32), primary_key=True),
    Column("created_milliseconds", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
TRAFFIC_FILTER_ASSOCIATIONS: Final = Table(
    "traffic_filter_associations",
    environment_metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column(
        "rule_set_id",
        ForeignKey(TRAFFIC_FILTER_RULE_SETS.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("deployment_id", ForeignKey(DEPLOYMENTS.c.id, ondelete="CASCADE"), nullable=False, index=True),
    UniqueConstraint("rule_set_id", "deployment_id"),
)


class SqlTrafficFilterRecords:
    """An environment's database as ``TrafficFilterRecords`` of :mod:`isthmus.control`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[RuleSet, ...]:
        """Answer all rule sets, the oldest first."""
        table = TRAFFIC_FILTER_RULE_SETS
        return await self._select(select(table.c.document).order_by(table.c.created_milliseconds, table.c.id))

    async def find_or_none(self, rule_set_id: str) -> RuleSet | None:
        """Answer the rule set of that id."""
        table = TRAFFIC_FILTER_RULE_SETS
        found = await self._select(select(table.c.document).where(table.c.id == rule_set_id))
        return found[0] if found else None

    async def add(self, rule_set: RuleSet) -> None:
        """Keep a new rule set."""
        statement = insert(TRAFFIC_FILTER_RULE_SETS).values(
            id=rule_set.id,
            created_milliseconds=rule_set.created_milliseconds,
            document=msgspec.json.encode(rule_set),
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def replace(self, rule_set: RuleSet) -> None:
        """Keep another version of a rule set that is there."""
        table = TRAFFIC_FILTER_RULE_SETS
        document = msgspec.json.encode(rule_set)
        statement = update(table).where(table.c.id == rule_set.id).values(document=document)
        await self._database.write(lambda connection: connection.execute(statement))

    async def remove(self, rule_set_id: str) -> None:
        """Forget the rule set and its associations; one that is not there is no error."""
        statement = delete(TRAFFIC_FILTER_RULE_SETS).where(TRAFFIC_FILTER_RULE_SETS.c.id == rule_set_id)
        await self._database.write(lambda connection: connection.execute(statement))

    async def associations(self) -> tuple[Association, ...]:
        """Answer all associations, the oldest first."""
        table = TRAFFIC_FILTER_ASSOCIATIONS
        query = select(table.c.rule_set_id, table.c.deployment_id).order_by(table.c.number)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(
            Association(rule_set_id=rule_set_id, deployment_id=deployment_id)
            for rule_set_id, deployment_id in rows
        )

    async def associate(self, rule_set_ids: Collection[str], deployment_id: str) -> bool:
        """Keep associations; answer False, and change nothing, where all of them are kept already."""
        table = TRAFFIC_FILTER_ASSOCIATIONS
        known_query = select(table.c.rule_set_id).where(table.c.deployment_id == deployment_id)

        def add_missing(connection: Connection) -> bool:
            known = set(connection.execute(known_query).scalars())
            missing = [rule_set_id for rule_set_id in rule_set_ids if rule_set_id not in known]
            for rule_set_id in missing:
                connection.execute(insert(table).values(rule_set_id=rule_set_id, deployment_id=deployment_id))
            return bool(missing)

        return await self._database.write(add_missing)

    async def dissociate(self, rule_set_id: str, deployment_id: str) -> bool:
        """Forget an association; answer whether there was one."""
        table = TRAFFIC_FILTER_ASSOCIATIONS
        is_it = and_(table.c.rule_set_id == rule_set_id, table.c.deployment_id == deployment_id)
        statement = delete(table).where(is_it)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def _select(self, query: Select[tuple[bytes]]) -> tuple[RuleSet, ...]:
        def documents(connection: Connection) -> list[bytes]:
            return [row.document for row in connection.execute(query)]

        found = await self._database.read(documents)
        return tuple(msgspec.json.decode(document, type=RuleSet) for document in found)
