"""Runs this line's migrations on the connection that `isthmus.store.database` hands over."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
