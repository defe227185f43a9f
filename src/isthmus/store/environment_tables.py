"""The tables of an environment's database.

Columns beside the document are those that the database itself must compare: what is unique,
ordered or guarded. A new member of a deployment therefore needs no new column.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from isthmus.store.database import environment_metadata

DEPLOYMENTS: Final = Table(
    "deployments",
    environment_metadata,
    Column("id", String(32), primary_key=True),
    Column("created_milliseconds", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("request_id", String(128), unique=True),
    Column("document", LargeBinary, nullable=False),
)

TRUST_RELATIONSHIPS: Final = Table(
    "trust_relationships",
    environment_metadata,
    Column("id", String(32), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
