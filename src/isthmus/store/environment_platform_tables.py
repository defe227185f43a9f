"""Tables of an environment's database beside the deployments: keys of the platform, plans, remotes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, String, Table

from isthmus.store.database import environment_metadata

PLATFORM_KEYS: Final = Table(
    "platform_keys",
    environment_metadata,
    Column("id", String(64), primary_key=True),
    Column("created_milliseconds", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

#: ``number`` is the order in which attempts began, also where two did in one millisecond
PLAN_ATTEMPTS: Final = Table(
    "plan_attempts",
    environment_metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("deployment_id", String(32), nullable=False, index=True),
    Column("pending", Boolean, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

#: connections between deployments of this environment that were made and are to be undone one day
REMOTE_CONNECTIONS: Final = Table(
    "remote_connections",
    environment_metadata,
    Column("local_id", String(32), primary_key=True),
    Column("alias", String(255), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

#: single values of the platform, such as the trust of its account
PLATFORM_VALUES: Final = Table(
    "platform_values",
    environment_metadata,
    Column("name", String(64), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
