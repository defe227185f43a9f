"""Aliases of indices: checked, changed over several indices, and the change kept until it is whole.

A change over several indices touches several metadata files. It is therefore written down first; a
start that finds it written down finishes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from isthmus.engines.embedded.document_depth import DEEPEST, is_too_deep
from isthmus.engines.embedded.metadata import sync_directory, write_durably
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import JsonObject
from isthmus.names import IndexName

_JOURNAL: Final = "alias-changes.json"
_PARAMETERS: Final = frozenset({"filter", "index_routing", "search_routing", "is_write_index", "is_hidden"})


def check_aliases(aliases: JsonObject) -> JsonObject:
    """Answer the aliases of a new index in the form in which they are kept; raise a 400."""
    return {name: check_alias(name, parameters) for name, parameters in aliases.items()}


def check_alias(name: str, parameters: Any) -> JsonObject:
    """Answer one alias's parameters in the form in which they are kept; raise a 400."""
    if not isinstance(parameters, dict):
        raise illegal_argument(f"alias [{name}] must be an object")
    if is_too_deep(parameters):
        raise illegal_argument(f"alias [{name}] has more than {DEEPEST} levels")
    kept = dict(parameters)
    if "routing" in kept:
        routing = kept.pop("routing")
        kept = {"index_routing": routing, "search_routing": routing} | kept
    for key, value in kept.items():
        if key not in _PARAMETERS:
            raise illegal_argument(f"unknown field [{key}] of alias [{name}]")
        if key == "filter" and not isinstance(value, dict):
            raise illegal_argument(f"[filter] of alias [{name}] must be an object")
        if key.startswith("is_") and not isinstance(value, bool):
            raise illegal_argument(f"[{key}] of alias [{name}] must be true or false")
    return kept


def aliases_after(
    current: Mapping[IndexName, JsonObject],
    changes: Mapping[IndexName, Mapping[str, JsonObject | None]],
) -> dict[IndexName, JsonObject]:
    """Answer the aliases of each index that changes. ``current`` holds those of every index there is.

    Raises a failure for a name that is an index, and for an alias with two write indices.
    """
    after: dict[IndexName, JsonObject] = {}
    for index, changed in changes.items():
        aliases = dict(current[index])
        for name, parameters in changed.items():
            if parameters is None:
                aliases.pop(name, None)
                continue
            check_alias_is_free(name, current)
            aliases[name] = check_alias(name, parameters)
        after[index] = aliases
    check_write_indices({**current, **after})
    return after


def check_alias_is_free(name: str, indices: Mapping[IndexName, object]) -> None:
    """Raise a 400 for an alias that has the name of an index."""
    if IndexName(name) in indices:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "invalid_alias_name_exception",
            f"Invalid alias name [{name}]: an index or data stream exists with the same name as the alias",
        )


def check_write_indices(aliases: Mapping[IndexName, JsonObject]) -> None:
    """Raise a 400 for an alias that two indices call their own to write to."""
    writers: dict[str, list[str]] = {}
    for index in sorted(aliases):
        for name, parameters in aliases[index].items():
            if parameters.get("is_write_index"):
                writers.setdefault(name, []).append(index)
    for name, indices in writers.items():
        if len(indices) > 1:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "illegal_state_exception",
                f"alias [{name}] has more than one write index [{','.join(indices)}]",
            )


def write_alias_journal(directory: Path, after: Mapping[IndexName, JsonObject]) -> None:
    """Write down what is going to be changed."""
    write_durably(directory / _JOURNAL, orjson.dumps(dict(after)))


def read_alias_journal(directory: Path) -> dict[IndexName, JsonObject]:
    """Answer what was written down and not finished; usually nothing."""
    try:
        json: dict[IndexName, JsonObject] = orjson.loads((directory / _JOURNAL).read_bytes())
    except FileNotFoundError:
        return {}
    return json


def remove_alias_journal(directory: Path) -> None:
    """Forget what was written down: it is done."""
    (directory / _JOURNAL).unlink(missing_ok=True)
    sync_directory(directory)
