"""Trust relationships with other environments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of trust relationships."""
    op.create_table(
        "trust_relationships",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
