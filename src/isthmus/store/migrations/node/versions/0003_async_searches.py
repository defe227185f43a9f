"""Submitted searches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of async searches."""
    op.create_table(
        "async_searches",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.JSON, nullable=False),
        sa.Column("started_milliseconds", sa.BigInteger, nullable=False),
        sa.Column("expires_milliseconds", sa.BigInteger, nullable=False),
        sa.Column("completed_milliseconds", sa.BigInteger),
        sa.Column("is_partial", sa.Boolean, nullable=False),
        sa.Column("shards", sa.JSON, nullable=False),
        sa.Column("clusters", sa.JSON(none_as_null=True)),
        sa.Column("error", sa.JSON(none_as_null=True)),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("response", sa.LargeBinary),
        sa.Column("typed_response", sa.LargeBinary),
    )
    op.create_index("async_searches_expiry", "async_searches", ["expires_milliseconds"])
