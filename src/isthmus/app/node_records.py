"""Where a node's records are: a file of its own, or a PostgreSQL that several nodes share."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Final

from isthmus.control.layout import DeploymentLayout
from isthmus.errors import Failure
from isthmus.store.copying import copy_records
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.node_records import SqlNodeRecords

logger = logging.getLogger(__name__)

_FROM_VARIABLE: Final = "env:"


class RecordsError(Exception):
    """The node's records cannot be used; the text says why and holds no secret."""


def read_records_url(directory: Path) -> str | None:
    """Answer the URL of the database that the folder names; None for the node's own file.

    The file ``records-url`` (0600) holds the URL, or ``env:NAME`` for one in an environment variable. Raises
    :class:`RecordsError`.
    """
    path = DeploymentLayout(directory).records_url
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordsError(f"cannot read {path}: {type(error).__name__}") from None
    if not text.startswith(_FROM_VARIABLE):
        return text
    name = text.removeprefix(_FROM_VARIABLE)
    url = os.environ.get(name)
    if not url:
        raise RecordsError(f"{path} names the environment variable {name}, which is not set")
    return url


async def open_records(directory: Path, cluster_id: str) -> Database:
    """Open the records of the deployment in this folder.

    A shared database that nobody has used takes over what the node's own file holds. Raises
    :class:`RecordsError` for what cannot be opened.
    """
    own_file = DeploymentLayout(directory).data / "node.sqlite3"
    url = read_records_url(directory)
    if url is None:
        return await asyncio.to_thread(Database.open, sqlite_url(own_file), Line.NODE)
    try:
        database = await asyncio.to_thread(Database.open, url, Line.NODE)
    except Failure as failure:
        raise RecordsError(_with_note(failure)) from None
    try:
        if await SqlNodeRecords(database).claim(cluster_id) and own_file.exists():
            rows = await copy_records(sqlite_url(own_file), database)
            logger.info("records taken over into the shared database", extra={"rows": rows})
    except Failure as failure:
        database.close()
        raise RecordsError(_with_note(failure)) from None
    return database


def _with_note(failure: Failure) -> str:
    return failure.reason if failure.log_note is None else f"{failure.reason} ({failure.log_note})"
