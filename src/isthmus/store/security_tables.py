"""The tables of security, in a node's database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, String, Table, Text

from isthmus.store.database import node_metadata

USERS: Final = Table(
    "security_users",
    node_metadata,
    Column("username", String(1024), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("full_name", Text),
    Column("email", Text),
    Column("metadata", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
)

ROLES: Final = Table(
    "security_roles",
    node_metadata,
    Column("name", String(1024), primary_key=True),
    Column("descriptor", JSON, nullable=False),
)

API_KEYS: Final = Table(
    "security_api_keys",
    node_metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("type", String(32), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("created_milliseconds", BigInteger, nullable=False),
    Column("expires_milliseconds", BigInteger),
    Column("invalidated_milliseconds", BigInteger),
    Column("owner_username", String(1024), nullable=False),
    Column("owner_realm", String(256), nullable=False),
    Column("owner_realm_type", String(256), nullable=False),
    Column("role_descriptors", JSON, nullable=False),
    Column("limited_by", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("access", JSON(none_as_null=True)),
    Column("certificate_identity", Text),
    Index("security_api_keys_owner", "owner_username", "owner_realm"),
)
