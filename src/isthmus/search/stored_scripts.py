"""Stored scripts: templates by name. Only mustache: there is no other language here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import JsonObject, Record
from isthmus.search.mustache_parse import parse_template

LANGUAGE: Final = "mustache"
#: Elasticsearch's ``script.max_size_in_bytes``
MOST_BYTES: Final = 65_535
_LONGEST_ID_BYTES: Final = 512


class StoredScript(Record, frozen=True, kw_only=True):
    """One script. ``options`` are kept and answered, as Elasticsearch does."""

    source: str
    options: JsonObject = {}


class StoredScriptRecords(Protocol):
    """Where stored scripts are kept."""

    async def load(self) -> Mapping[str, StoredScript]:
        """Answer all of them by id."""
        ...

    async def put(self, script_id: str, script: StoredScript) -> None:
        """Store a script in place of any of the same id."""
        ...

    async def delete(self, script_id: str) -> None:
        """Remove it."""
        ...


class StoredScripts:
    """The stored scripts of this node: read once, written through."""

    def __init__(self, records: StoredScriptRecords) -> None:
        self._records = records
        self._scripts: dict[str, StoredScript] = {}
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read what is stored; call once before serving."""
        self._scripts = dict(await self._records.load())

    def find(self, script_id: str) -> StoredScript | None:
        """Answer the script of this id; None where there is none."""
        return self._scripts.get(script_id)

    def get(self, script_id: str) -> StoredScript:
        """Answer the script of this id; raises a 404 failure where there is none."""
        script = self._scripts.get(script_id)
        if script is None:
            raise Failure(
                FailureKind.NOT_FOUND,
                "resource_not_found_exception",
                f"unable to find script [{script_id[:200]}] in cluster state",
            )
        return script

    async def put(self, script_id: str, script: StoredScript) -> None:
        """Store a script; when this returns it survives a crash.

        Raises a 400 failure for one that cannot be.
        """
        _require_storable(script_id, script)
        async with self._lock:
            await asyncio.shield(self._put(script_id, script))

    async def delete(self, script_id: str) -> None:
        """Remove a script; raises a 404 failure where there is none."""
        async with self._lock:
            if script_id not in self._scripts:
                raise Failure(
                    FailureKind.NOT_FOUND,
                    "resource_not_found_exception",
                    f"stored script [{script_id[:200]}] does not exist and cannot be deleted",
                )
            await asyncio.shield(self._delete(script_id))

    async def _put(self, script_id: str, script: StoredScript) -> None:
        await self._records.put(script_id, script)
        self._scripts[script_id] = script

    async def _delete(self, script_id: str) -> None:
        await self._records.delete(script_id)
        del self._scripts[script_id]


def require_inline_size(source: str) -> None:
    """Return if a template that was sent along is short enough; raises a 400 failure otherwise."""
    _require_size("inline", source, source)


def _require_size(kind: str, name: str, source: str) -> None:
    size_bytes = len(source.encode("utf-8", "surrogatepass"))
    if size_bytes > MOST_BYTES:
        raise illegal_argument(
            f"exceeded max allowed {kind} script size in bytes [{MOST_BYTES}] with size [{size_bytes}] for "
            f"script [{name[:200]}]"
        )


def _require_storable(script_id: str, script: StoredScript) -> None:
    if not script_id:
        raise illegal_argument("must specify id for stored script")
    if "#" in script_id:
        raise illegal_argument("id cannot contain '#' for stored script")
    if len(script_id.encode("utf-8", "surrogatepass")) > _LONGEST_ID_BYTES:
        raise illegal_argument(f"id cannot be longer than [{_LONGEST_ID_BYTES}] bytes for stored script")
    _require_size("stored", script_id, script.source)
    parse_template(script.source)
