"""The indices of an engine as they are described here."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.engines.attached.answers import not_understood
from isthmus.errors import Failure
from isthmus.exchange import IndexDescription, Json, JsonObject
from isthmus.names import IndexName, parse_index_name


def read_descriptions(answer: JsonObject, closed: frozenset[str]) -> Mapping[IndexName, IndexDescription]:
    """Read ``GET /*`` with flat settings. Raises a failure for what is not understood.

    An index whose name cannot be one here is left out: nobody could say it.
    """
    found: dict[IndexName, IndexDescription] = {}
    for given, members in answer.items():
        try:
            name = parse_index_name(given)
        except Failure:
            if not given.startswith("."):
                continue
            name = IndexName(given)
        try:
            found[name] = _description(name, members, closed)
        except (AttributeError, TypeError) as problem:
            raise not_understood(f"index {given}: {problem!r}") from problem
    return found


def _description(name: IndexName, members: JsonObject, closed: frozenset[str]) -> IndexDescription:
    settings = _flat(members.get("settings") or {})
    mappings = members.get("mappings") or {}
    return IndexDescription(
        name=name,
        uuid=str(settings.get("index.uuid", "_na_")),
        created_milliseconds=_number(settings.get("index.creation_date")),
        settings=settings,
        mappings=_without_type(mappings),
        aliases={
            alias: parameters if isinstance(parameters, dict) else {}
            for alias, parameters in (members.get("aliases") or {}).items()
        },
        hidden=str(settings.get("index.hidden", "false")) == "true",
        closed=name in closed or str(settings.get("index.verified_before_close", "false")) == "true",
    )


def _without_type(mappings: JsonObject) -> JsonObject:
    """Answer a mapping without the name of a type around it, which old answers may have."""
    if len(mappings) == 1 and "properties" not in mappings:
        ((name, inner),) = mappings.items()
        if isinstance(inner, dict) and "properties" in inner and name in ("_doc", "doc"):
            return inner
    return mappings


def _flat(settings: JsonObject) -> JsonObject:
    """Answer settings as one level, however the engine wrote them."""
    flat: JsonObject = {}

    def add(prefix: str, value: Json) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                add(f"{prefix}.{name}" if prefix else name, inner)
        else:
            flat[prefix] = value

    add("", settings)
    return flat


def _number(value: Json) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
