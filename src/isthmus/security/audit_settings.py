"""Which events are audited: the cluster settings ``xpack.security.audit.*``, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from isthmus.errors import illegal_argument
from isthmus.security.audit_events import INCLUDED_BY_DEFAULT, WITHOUT_EVENTS, EventType

SettingValue: TypeAlias = str | tuple[str, ...]

PREFIX: Final = "xpack.security.audit."
ENABLED: Final = f"{PREFIX}enabled"
INCLUDE: Final = f"{PREFIX}logfile.events.include"
EXCLUDE: Final = f"{PREFIX}logfile.events.exclude"
#: the settings there are, with what holds where they are not set
DEFAULTS: Final[Mapping[str, SettingValue]] = {
    ENABLED: "true",
    INCLUDE: tuple(sorted(event.value for event in INCLUDED_BY_DEFAULT)),
    EXCLUDE: (),
}
_EVERYTHING: Final = "_all"
_REFUSED: Final = {
    f"{PREFIX}logfile.events.emit_request_body": "bodies are never written: they may hold passwords",
    f"{PREFIX}logfile.events.ignore_filters": "filters are not supported; use [events.exclude]",
}


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What is written. ``excluded`` wins over ``included``."""

    enabled: bool = True
    included: frozenset[EventType] = INCLUDED_BY_DEFAULT
    excluded: frozenset[EventType] = frozenset()

    #: the kinds of events that are written
    wanted: frozenset[EventType] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wanted", self.included - self.excluded if self.enabled else frozenset())

    def wants(self, event: EventType) -> bool:
        """Tell whether events of this kind are written."""
        return event in self.wanted


def is_audit_setting(key: str) -> bool:
    """Tell whether :func:`check_audit_setting` decides on this key."""
    return key.startswith(PREFIX)


def is_above_audit_settings(key: str) -> bool:
    """Tell whether deleting this key deletes audit settings below it."""
    return any(setting.startswith(f"{key}.") for setting in DEFAULTS)


def check_audit_setting(key: str, value: SettingValue | None, kind: str) -> None:
    """Return if there is such a setting and it may have this value (None: deleted).

    ``kind`` is ``persistent`` or ``transient``. Raises an ``illegal_argument_exception`` (400) that names
    the setting otherwise.
    """
    for refused, reason in _REFUSED.items():
        if key == refused or key.startswith(f"{refused}."):
            raise illegal_argument(f"{kind} setting [{key[:200]}], not supported: {reason}")
    if key not in DEFAULTS:
        raise illegal_argument(f"{kind} setting [{key[:500]}], not recognized")
    if value is not None and key == ENABLED:
        _read_flag(value)
    elif value is not None:
        _read_events(key, value)


def audit_settings_of(settings: Mapping[str, SettingValue]) -> AuditSettings:
    """Answer what the effective cluster settings say; other keys are not looked at. Raises likewise."""
    return AuditSettings(
        enabled=_read_flag(settings.get(ENABLED, DEFAULTS[ENABLED])),
        included=_read_events(INCLUDE, settings.get(INCLUDE, DEFAULTS[INCLUDE])),
        excluded=_read_events(EXCLUDE, settings.get(EXCLUDE, DEFAULTS[EXCLUDE])),
    )


def _read_flag(value: SettingValue) -> bool:
    if value not in ("true", "false"):
        raise illegal_argument(
            f"Failed to parse value [{_shown(value)}] for setting [{ENABLED}]: only [true] or [false] are "
            "allowed"
        )
    return value == "true"


def _read_events(key: str, value: SettingValue) -> frozenset[EventType]:
    names = value if isinstance(value, tuple) else tuple(name.strip() for name in value.split(","))
    wanted: set[EventType] = set()
    for name in names:
        lowered = name.lower()
        if lowered == _EVERYTHING:
            wanted.update(EventType)
        elif lowered and lowered not in WITHOUT_EVENTS:
            try:
                wanted.add(EventType(lowered))
            except ValueError:
                known = ", ".join(sorted({event.value for event in EventType} | WITHOUT_EVENTS))
                raise illegal_argument(
                    f"Failed to parse value [{_shown(name)}] for setting [{key}]: there is no such audit "
                    f"event; known are [{_EVERYTHING}, {known}]"
                ) from None
    return frozenset(wanted)


def _shown(value: SettingValue) -> str:
    return (value if isinstance(value, str) else ",".join(value))[:100]
