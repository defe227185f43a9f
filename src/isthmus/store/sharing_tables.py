"""The tables of what several nodes with the same records need to know of each other."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from isthmus.store.database import node_metadata

RECORD_VERSIONS: Final = Table(
    "record_versions",
    node_metadata,
    Column("topic", String(32), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
NODES: Final = Table(
    "nodes",
    node_metadata,
    Column("node_id", String(64), primary_key=True),
    Column("seen_milliseconds", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
#: one row: records of two deployments in one database would be one deployment's users in the other
RECORD_OWNER: Final = Table(
    "record_owner",
    node_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("cluster_id", String(64), nullable=False),
)
SHARED_FILES: Final = Table(
    "shared_files",
    node_metadata,
    Column("name", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
