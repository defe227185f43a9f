"""Several nodes with the same records: who they are, and what tells them of each other's changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables, and note whose each submitted search is."""
    versions = op.create_table(
        "record_versions",
        sa.Column("topic", sa.String(32), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    topics = ("security", "settings", "scripts", "keystore", "nodes")
    op.bulk_insert(versions, [{"topic": topic, "version": 0} for topic in topics])
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.String(64), primary_key=True),
        sa.Column("seen_milliseconds", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "record_owner",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cluster_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "shared_files",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.add_column("async_searches", sa.Column("node_id", sa.String(64), nullable=False, server_default=""))
