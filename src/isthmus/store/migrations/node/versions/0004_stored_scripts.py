"""Stored scripts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table of stored scripts."""
    op.create_table(
        "stored_scripts",
        sa.Column("id", sa.String(512), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
    )
