"""What a caller says about aliases, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument, parsing_failure, validation_failure
from isthmus.exchange import JsonObject
from isthmus.names import parse_index_name

_FLAGS: Final = ("is_write_index", "is_hidden")
_ROUTINGS: Final = ("routing", "index_routing", "search_routing")
_TARGETS: Final = {"index", "indices", "alias", "aliases", "must_exist"}


@dataclass(frozen=True, slots=True)
class AliasAction:
    """One entry of ``actions``: ``add``, ``remove`` or ``remove_index``."""

    kind: str
    indices: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    parameters: JsonObject = field(default_factory=dict)
    must_exist: bool | None = None


def require_alias_name(name: str) -> None:
    """Return if an alias may have this name; raises ``invalid_alias_name_exception`` (400)."""
    try:
        parse_index_name(name.lower())
    except Failure as failure:
        problem = failure.reason.partition("], ")[2]
        raise _invalid_alias(name, problem) from None


def _invalid_alias(name: str, problem: str) -> Failure:
    return Failure(
        FailureKind.INVALID_REQUEST,
        "invalid_alias_name_exception",
        f"Invalid alias name [{name[:300]}]: {problem}",
    )


def alias_exists_as_index(name: str) -> Failure:
    """Answer the failure of an alias that has the name of an index."""
    return _invalid_alias(name, "an index or data stream exists with the same name as the alias")


def alias_parameters(name: str, written: Any) -> JsonObject:
    """Answer an alias's parameters as they are shown; raises a 400 failure that names what is wrong.

    Routing is kept and shown, and changes nothing: an index has one shard.
    """
    require_alias_name(name)
    parameters: JsonObject = {}
    if written is None:
        return parameters
    if not isinstance(written, dict):
        raise parsing_failure(f"the parameters of alias [{name}] must be an object")
    for member, value in written.items():
        _require_alias_member(name, member, value)
    if written.get("filter"):
        parameters["filter"] = written["filter"]
    routing = written.get("routing")
    for member in ("index_routing", "search_routing"):
        value = written.get(member)
        value = routing if value is None else value
        if value is not None:
            parameters[member] = str(value)
    for member in _FLAGS:
        if written.get(member) is not None:
            parameters[member] = written[member]
    return parameters


def _require_alias_member(name: str, member: str, value: Any) -> None:
    if member == "filter":
        if not isinstance(value, dict | None):
            raise parsing_failure(f"[filter] of alias [{name}] must be a query")
    elif member in _FLAGS:
        if not isinstance(value, bool | None):
            raise parsing_failure(f"[{member}] of alias [{name}] must be true or false")
    elif member in _ROUTINGS:
        if isinstance(value, dict | list):
            raise parsing_failure(f"[{member}] of alias [{name}] must be a text")
    else:
        raise parsing_failure(f"Unknown field [{member[:100]}] in alias [{name}]")


def parse_alias_actions(body: Mapping[str, Any]) -> list[AliasAction]:
    """Read the body of ``POST /_aliases``; raises a 400 failure that names what is wrong."""
    for name in body:
        if name != "actions":
            raise parsing_failure(f"unknown field [{name[:100]}], expected [actions]")
    listed = body.get("actions")
    if not isinstance(listed, list):
        raise parsing_failure("[actions] must be an array")
    if not listed:
        raise validation_failure("Must specify at least one alias action")
    return [_parse_action(entry) for entry in listed]


def _parse_action(entry: Any) -> AliasAction:
    kind, members = _kind_and_members(entry)
    indices = _listed(members, "index", "indices")
    aliases = _listed(members, "alias", "aliases")
    if not indices:
        raise illegal_argument("One of [index] or [indices] is required")
    if kind == "remove_index":
        if aliases:
            raise illegal_argument("[alias] and [aliases] are not allowed in [remove_index]")
        _require_no_more(members, kind)
        return AliasAction(kind, indices)
    if not aliases:
        raise illegal_argument("One of [alias] or [aliases] is required")
    must_exist = members.get("must_exist")
    if not isinstance(must_exist, bool | None):
        raise parsing_failure("[must_exist] must be true or false")
    if kind == "remove":
        _require_no_more(members, kind)
        return AliasAction(kind, indices, aliases, must_exist=must_exist)
    rest = {name: value for name, value in members.items() if name not in _TARGETS}
    parameters = {}
    for alias in aliases:
        parameters = alias_parameters(alias, rest)
    return AliasAction(kind, indices, aliases, parameters)


def _kind_and_members(entry: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise parsing_failure(
            "an alias action must be an object with one member: add, remove or remove_index"
        )
    kind, members = next(iter(entry.items()))
    if kind not in {"add", "remove", "remove_index"}:
        raise parsing_failure(f"unknown alias action [{kind[:100]}], expected [add, remove, remove_index]")
    if not isinstance(members, dict):
        raise parsing_failure(f"alias action [{kind}] must be an object")
    return kind, members


def _require_no_more(members: Mapping[str, Any], kind: str) -> None:
    for name in members:
        if name not in _TARGETS:
            raise illegal_argument(f"[{name[:100]}] is unsupported for [{kind}]")


def _listed(members: Mapping[str, Any], one: str, many: str) -> tuple[str, ...]:
    value = members.get(one, members.get(many))
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(name, str) and name for name in listed):
        raise illegal_argument(f"[{one}] can't be empty string")
    return tuple(part for name in listed for part in name.split(",") if part)
