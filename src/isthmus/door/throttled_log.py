"""Warnings that strangers cause: told at most once in a while, whatever they send."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

_INTERVAL_SECONDS: Final = 10.0


class ThrottledLog:
    """Logs warnings, the same event and key at most every ten seconds. To be used on an event loop."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last_logged_seconds: dict[tuple[str, ...], float] = {}

    def warning(self, event: str, key: tuple[str, ...], **values: str | None) -> None:
        """Log the event with these values. Keys must be few: they are remembered."""
        now_seconds = asyncio.get_running_loop().time()
        last_seconds = self._last_logged_seconds.get((event, *key), float("-inf"))
        if now_seconds - last_seconds >= _INTERVAL_SECONDS:
            self._last_logged_seconds[event, *key] = now_seconds
            self._logger.warning(event, extra=values)
