"""Users, roles and API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of security."""
    op.create_table(
        "security_users",
        sa.Column("username", sa.String(1024), primary_key=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("full_name", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
    )
    op.create_table(
        "security_roles",
        sa.Column("name", sa.String(1024), primary_key=True),
        sa.Column("descriptor", sa.JSON, nullable=False),
    )
    op.create_table(
        "security_api_keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("created_milliseconds", sa.BigInteger, nullable=False),
        sa.Column("expires_milliseconds", sa.BigInteger),
        sa.Column("invalidated_milliseconds", sa.BigInteger),
        sa.Column("owner_username", sa.String(1024), nullable=False),
        sa.Column("owner_realm", sa.String(256), nullable=False),
        sa.Column("owner_realm_type", sa.String(256), nullable=False),
        sa.Column("role_descriptors", sa.JSON, nullable=False),
        sa.Column("limited_by", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("access", sa.JSON(none_as_null=True)),
        sa.Column("certificate_identity", sa.Text),
    )
    op.create_index("security_api_keys_owner", "security_api_keys", ["owner_username", "owner_realm"])
