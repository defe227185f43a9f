"""Cluster settings as Elasticsearch keeps them: flat keys, text values, null to delete.

Pure: from the JSON of a request to an update, and from the stored settings to an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from isthmus.errors import illegal_argument

SettingValue: TypeAlias = str | tuple[str, ...]
FlatSettings: TypeAlias = Mapping[str, SettingValue]
#: an update: None deletes the key, or everything below it
SettingsUpdate: TypeAlias = Mapping[str, SettingValue | None]

#: as deep as any setting that exists, with room; a request may not make us recurse without end
_MAXIMUM_DEPTH: Final = 20


def flatten(section: Any, kind: str) -> dict[str, SettingValue | None]:
    """Answer the update that ``persistent`` or ``transient`` (``kind``) of a request holds.

    Nested, flat and mixed forms mean the same. Raises ``illegal_argument_exception`` (400) for what
    is not an object, for a key given twice with different values, and for lists of anything but scalars.
    """
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise illegal_argument(f"[{kind}] must be an object of settings")
    flat: dict[str, SettingValue | None] = {}
    for key, value in _walk(section, "", 0):
        if key in flat and flat[key] != value:
            raise illegal_argument(f"{kind} setting [{key}] is given twice with different values")
        flat[key] = value
    return flat


def nest(settings: FlatSettings) -> dict[str, Any]:
    """Answer ``{"cluster": {"remote": …}}``; a key that is also a prefix of another keeps its dots."""
    nested: dict[str, Any] = {}
    for key in sorted(settings):
        value = settings[key]
        *parents, last = key.split(".")
        place = nested
        for depth, parent in enumerate(parents):
            following = place.setdefault(parent, {})
            if not isinstance(following, dict):
                last = ".".join((*parents[depth:], last))
                break
            place = following
        place[last] = list(value) if isinstance(value, tuple) else value
    return nested


def flat_json(settings: FlatSettings) -> dict[str, Any]:
    """Answer the flat form of an answer, in the order of the keys."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in sorted(settings.items())
    }


def updated(settings: FlatSettings, update: SettingsUpdate) -> dict[str, SettingValue]:
    """Answer the settings after this update.

    None under ``a.b`` removes ``a.b`` and all below it; under ``a.*`` what matches the prefix.
    Deletions come first, so one request may replace a whole subtree.
    """
    remaining = dict(settings)
    for key, value in update.items():
        if value is None:
            prefix = key.removesuffix("*") if key.endswith("*") else f"{key}."
            remaining = {
                name: kept for name, kept in remaining.items() if name != key and not name.startswith(prefix)
            }
    for key, value in update.items():
        if value is not None:
            remaining[key] = value
    return remaining


def _walk(section: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, SettingValue | None]]:
    if depth > _MAXIMUM_DEPTH:
        raise illegal_argument(
            f"settings are nested deeper than [{_MAXIMUM_DEPTH}] levels below [{prefix[:100]}]"
        )
    for name, value in section.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _walk(value, f"{key}.", depth + 1)
        elif isinstance(value, list):
            yield key, tuple(_scalar(item, key) for item in value)
        elif value is None:
            yield key, None
        else:
            yield key, _scalar(value, key)


def _scalar(value: Any, key: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise illegal_argument(f"the list of setting [{key}] may hold strings, numbers and booleans only")
