"""Members of JSON objects, read strictly. Pure."""

from __future__ import annotations

from typing import Any

from isthmus.control.failures import invalid_field


def checked_members(value: Any, path: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Answer the object if it has no other members than these; raises a 400 failure that names one."""
    if not isinstance(value, dict):
        raise invalid_field(path or "(whole)", "must be an object")
    for name in value:
        if name not in known:
            raise invalid_field(f"{path}.{name[:100]}" if path else name[:100], "unknown member")
    return value


def optional_members(value: Any, path: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Answer the same, and no members for null."""
    return {} if value is None else checked_members(value, path, known)


def refuse_filled(members: dict[str, Any], prefix: str, names: tuple[str, ...]) -> None:
    """Refuse members that are known but not offered; empty ones, which clients always send, pass."""
    for name in names:
        if members.get(name):
            raise invalid_field(f"{prefix}{name}", "not supported")
