"""When to warn that a cross-cluster key is about to expire. Pure."""

from __future__ import annotations

from typing import Final

_HOUR_MILLISECONDS: Final = 3_600_000
_DAY_MILLISECONDS: Final = 24 * _HOUR_MILLISECONDS
#: as the doctor warns: enough for somebody who looks once a week
EXPIRES_SOON_MILLISECONDS: Final = 7 * _DAY_MILLISECONDS


def expires_soon(expires_milliseconds: int, now_milliseconds: int) -> bool:
    """Tell whether it is time to replace a key of this expiration (both since 1970)."""
    return expires_milliseconds - now_milliseconds < EXPIRES_SOON_MILLISECONDS


class ExpiryWarning:
    """Says when a warning is due: once a day, in the last day once an hour, and anew for each key."""

    def __init__(self) -> None:
        self._warned_of: tuple[str, int] | None = None
        self._warned_at_milliseconds = 0

    def is_due(self, key_id: str, expires_milliseconds: int, now_milliseconds: int) -> bool:
        """Tell whether to warn now; remembers that it has said so."""
        if not expires_soon(expires_milliseconds, now_milliseconds):
            return False
        last_day = expires_milliseconds - now_milliseconds < _DAY_MILLISECONDS
        pause_milliseconds = _HOUR_MILLISECONDS if last_day else _DAY_MILLISECONDS
        known = self._warned_of == (key_id, expires_milliseconds)
        if known and now_milliseconds - self._warned_at_milliseconds < pause_milliseconds:
            return False
        self._warned_of = (key_id, expires_milliseconds)
        self._warned_at_milliseconds = now_milliseconds
        return True
