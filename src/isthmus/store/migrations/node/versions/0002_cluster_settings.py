"""Persistent cluster settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of cluster settings."""
    op.create_table(
        "cluster_settings",
        sa.Column("name", sa.String(1024), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
