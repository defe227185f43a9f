"""Stored scripts, over the real database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from isthmus.errors import Failure
from isthmus.search.stored_scripts import MOST_BYTES, StoredScript, StoredScripts
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.stored_script_records import SqlStoredScriptRecords


async def test_scripts_survive_a_restart(tmp_path: Path) -> None:
    """What was stored, replaced and removed is so afterwards."""
    for step in range(2):
        database = await asyncio.to_thread(Database.open, sqlite_url(tmp_path / "node.sqlite3"), Line.NODE)
        scripts = StoredScripts(SqlStoredScriptRecords(database))
        await scripts.load()
        if step == 0:
            await scripts.put("one", StoredScript(source="{{a}}"))
            await scripts.put("one", StoredScript(source="{{b}}", options={"content_type": "x"}))
            await scripts.put("two", StoredScript(source="{}"))
            await scripts.delete("two")
        assert scripts.get("one") == StoredScript(source="{{b}}", options={"content_type": "x"})
        assert scripts.find("two") is None
        with pytest.raises(Failure, match="unable to find script"):
            scripts.get("two")
        with pytest.raises(Failure, match="does not exist and cannot be deleted"):
            await scripts.delete("two")
        await asyncio.to_thread(database.close)


class NoRecords:
    """Keeps nothing."""

    async def load(self) -> dict[str, StoredScript]:
        return {}

    async def put(self, script_id: str, script: StoredScript) -> None:
        raise AssertionError(script_id, script)

    async def delete(self, script_id: str) -> None:
        raise AssertionError(script_id)


@pytest.mark.parametrize(
    ("script_id", "source", "problem"),
    [
        ("a#b", "{}", "id cannot contain '#'"),
        ("", "{}", "must specify id"),
        ("i" * 513, "{}", "id cannot be longer than [512]"),
        ("a", "x" * (MOST_BYTES + 1), "exceeded max allowed stored script size in bytes [65535]"),
        ("a", "{{#a}}", "Failed to close 'a' tag"),
    ],
)
async def test_what_cannot_be_stored_is_refused(script_id: str, source: str, problem: str) -> None:
    """Before anything is written."""
    with pytest.raises(Failure) as refused:
        await StoredScripts(NoRecords()).put(script_id, StoredScript(source=source))
    assert problem in refused.value.reason
