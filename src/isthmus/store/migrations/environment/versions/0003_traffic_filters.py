"""Traffic filters: rule sets and which deployments have them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "traffic_filter_rule_sets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created_milliseconds", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "traffic_filter_associations",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "rule_set_id",
            sa.String(32),
            sa.ForeignKey("traffic_filter_rule_sets.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column(
            "deployment_id",
            sa.String(32),
            sa.ForeignKey("deployments.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.UniqueConstraint("rule_set_id", "deployment_id"),
    )
