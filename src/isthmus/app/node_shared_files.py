"""Files that all nodes of a deployment have alike, kept in step through their database.

The keystore is changed on any node: what is on disk and was not taken from the database goes there, and what
others put there comes to disk. It is encrypted, and its key never leaves the folders. What the platform
writes (trust, traffic filter) goes one way, from the node that the platform runs to those that have joined.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from isthmus.control.layout import DeploymentLayout
from isthmus.errors import Failure
from isthmus.security.private_files import write_private
from isthmus.store.change_watch import Topic
from isthmus.store.node_records import SqlNodeRecords

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25
_SYNCED_SUFFIX: Final = ".shared"


@dataclass(frozen=True, slots=True)
class SharedFile:
    """One file. ``may_be_absent``: that it is not there is told to the others, too."""

    name: str
    path: Path
    publishes: bool = True
    may_be_absent: bool = False

    @property
    def mark(self) -> Path:
        """Where the digest of what was last shared is kept, over restarts."""
        return self.path.with_name(f"{self.path.name}{_SYNCED_SUFFIX}")


def shared_files(layout: DeploymentLayout, *, is_joined: bool) -> tuple[SharedFile, ...]:
    """Answer what is kept in step in this folder."""
    return (
        SharedFile("keystore", layout.keystore),
        SharedFile("transport-trust", layout.transport_trust, not is_joined, may_be_absent=True),
        SharedFile("traffic-filter", layout.traffic_filter, not is_joined, may_be_absent=True),
    )


class SharedFiles:
    """The shared files of one node's folder."""

    def __init__(self, records: SqlNodeRecords, files: tuple[SharedFile, ...]) -> None:
        self._records = records
        self._files = files
        #: what files looked like when they were last compared; one without an entry is compared again
        self._seen: dict[str, tuple[int, int] | None] = {}
        self._lock = asyncio.Lock()

    async def take_up(self) -> None:
        """Bring every file in step; raises failures of the database."""
        async with self._lock:
            for file in self._files:
                await self._bring_in_step(file)

    async def run(self) -> None:
        """Share what changes on disk, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if all(self._seen.get(file.name, ()) == _signature(file.path) for file in self._files):
                continue
            try:
                await self.take_up()
            except (Failure, OSError) as error:  # tried again at the next look
                logger.warning("files not shared", extra={"error": type(error).__name__})

    async def _bring_in_step(self, file: SharedFile) -> None:
        signature = _signature(file.path)
        here = await asyncio.to_thread(_read, file.path)
        mark = await asyncio.to_thread(_read, file.mark)
        is_changed_here = mark.decode("ascii", "replace").strip() != _digest(here)
        there = await self._records.find_file_or_none(file.name)
        is_replaced = False
        if file.publishes and (there is None or (is_changed_here and there != here)):
            if here or file.may_be_absent:
                await self._records.put_file(file.name, here, Topic.KEYSTORE)
                logger.info("file shared with the other nodes", extra={"file": file.name})
        elif there is not None and there != here:
            await asyncio.to_thread(_replace, file, there)
            logger.info("file of another node taken over", extra={"file": file.name})
            here, is_replaced = there, True
        if mark.decode("ascii", "replace").strip() != _digest(here):
            await asyncio.to_thread(write_private, file.mark, _digest(here).encode())
        self._seen[file.name] = signature
        if is_replaced:  # somebody may have written it since: it is compared again
            del self._seen[file.name]


def _replace(file: SharedFile, content: bytes) -> None:
    if content or not file.may_be_absent:
        write_private(file.path, content)
        return
    with contextlib.suppress(FileNotFoundError):
        file.path.unlink()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
