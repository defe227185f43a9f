"""Where a write goes: an index, the write index of an alias, or an index that is made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument, index_not_found
from isthmus.exchange import Engine, IndexDescription
from isthmus.names import IndexName, parse_index_name, require_local, wildcard_matches
from isthmus.names.date_math import resolve_date_math
from isthmus.security.authorize import require_index_action
from isthmus.security.principal import Principal

_AUTO_CREATE_ACTION: Final = "indices:admin/auto_create"


def write_index_or_none(
    name: str,
    descriptions: Mapping[IndexName, IndexDescription],
    *,
    require_alias: bool = False,
) -> IndexName | None:
    """Answer the index that a write to this name goes to, None where neither index nor alias has it.

    Raises 400 for an alias without a write index, 404 for a name that must be an alias and is none.
    """
    if IndexName(name) in descriptions:
        if require_alias:
            raise _not_an_alias(name)
        return IndexName(name)
    behind: dict[IndexName, Any] = {
        index: description.aliases[name]
        for index, description in descriptions.items()
        if name in description.aliases
    }
    if not behind:
        if require_alias:
            raise _not_an_alias(name)
        return None
    chosen = [index for index, parameters in behind.items() if parameters.get("is_write_index") is True]
    if not chosen and len(behind) == 1:
        chosen = [
            index for index, parameters in behind.items() if parameters.get("is_write_index") is not False
        ]
    if not chosen:
        raise illegal_argument(
            f"no write index is defined for alias [{name}]. The write index may be explicitly disabled using "
            "is_write_index=false or the alias points to multiple indices without one being designated as a "
            "write index"
        )
    return chosen[0]


def single_index(name: str, descriptions: Mapping[IndexName, IndexDescription]) -> IndexName:
    """Answer the one index to read a document from; raises 404, 400 for an alias of several and elsewhere."""
    require_local((name,))
    resolved = resolve_date_math(name)
    if IndexName(resolved) in descriptions:
        return IndexName(resolved)
    behind = sorted(index for index, description in descriptions.items() if resolved in description.aliases)
    if not behind:
        raise index_not_found(resolved)
    if len(behind) > 1:
        raise illegal_argument(
            f"alias [{resolved}] has more than one index associated with it [{', '.join(behind)}], "
            "can't execute a single index op"
        )
    return behind[0]


def require_auto_create(name: str, setting: str) -> None:
    """Return if ``action.auto_create_index`` lets a write make this index; raises 404 where not.

    The setting is ``true``, ``false`` or a list of patterns, each with an optional ``+`` or ``-``.
    """
    if setting == "true":
        return
    if setting == "false":
        raise _no_such_index(name, "and [action.auto_create_index] is [false]")
    for entry in setting.split(","):
        pattern = entry.strip()
        if wildcard_matches(pattern.lstrip("+-"), name):
            if pattern.startswith("-"):
                raise _no_such_index(
                    name,
                    f"and [action.auto_create_index] contains [{pattern}] which forbids automatic creation",
                )
            return
    raise _no_such_index(name, f"and [action.auto_create_index] ([{setting}]) doesn't match")


def _not_an_alias(name: str) -> Failure:
    return _no_such_index(name, f"and [require_alias] request flag is [true] and [{name}] is not an alias")


def _no_such_index(name: str, why: str) -> Failure:
    missing = index_not_found(name)
    return Failure(
        FailureKind.NOT_FOUND, missing.error_type, f"{missing.reason} {why}", metadata=missing.metadata
    )


class WriteTargets:
    """Finds the index for each write, and makes it where the caller may have it made."""

    def __init__(self, engine: Engine, auto_create_index: str) -> None:
        self._engine = engine
        self._auto_create_index = auto_create_index

    async def index_for(
        self,
        principal: Principal,
        action: str,
        name: str,
        *,
        require_alias: bool = False,
        create: bool = True,
    ) -> IndexName:
        """Answer the index for a write to ``name``, which may be an alias or date math.

        Raises 403 where the caller may not do ``action`` there or may not have the index made,
        404 where it is missing and not made, 400 for a name that no index can have.
        """
        resolved = resolve_date_math(name)
        require_index_action(principal, action, (resolved,))
        found = write_index_or_none(resolved, self._engine.indices(), require_alias=require_alias)
        if found is not None:
            return found
        if not create:
            raise index_not_found(resolved)
        new = parse_index_name(resolved)
        require_auto_create(new, self._auto_create_index)
        require_index_action(principal, _AUTO_CREATE_ACTION, (new,))
        try:
            await self._engine.create_index(new, {}, {}, {})
        except Failure as failure:
            if failure.error_type != "resource_already_exists_exception":  # another write was quicker
                raise
        return new
