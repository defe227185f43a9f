"""Keys of the platform, attempts of plans, connections between deployments, single values."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "platform_keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("created_milliseconds", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "plan_attempts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("deployment_id", sa.String(32), nullable=False, index=True),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "remote_connections",
        sa.Column("local_id", sa.String(32), primary_key=True),
        sa.Column("alias", sa.String(255), primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "platform_values",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
