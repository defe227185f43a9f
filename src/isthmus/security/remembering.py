"""What was verified lately, remembered without what verified it."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, TypeVar

from isthmus.clock import Clock
from isthmus.security.changes import Changes

ResultT = TypeVar("ResultT")

#: another process (a command of the administrator's) may change users too: nothing is believed longer
_BELIEVED_SECONDS: Final = 5.0
_REMEMBERED: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Entry(Generic[ResultT]):
    result: ResultT
    changes: int
    until_seconds: float


class Remembered(Generic[ResultT]):
    """Results by the fingerprint of the credentials that led to them.

    Bounded; a result is forgotten after a few seconds, when its credentials expire, and as soon as
    a user, role or key changes.
    """

    def __init__(self, clock: Clock, changes: Changes) -> None:
        self._clock = clock
        self._changes = changes
        self._process_key = secrets.token_bytes(32)
        self._entries: OrderedDict[bytes, _Entry[ResultT]] = OrderedDict()

    def fingerprint(self, *credentials: str | None) -> bytes:
        """Answer the HMAC of these texts, under a key that only this object has."""
        text = "\0".join("" if part is None else f"={part}" for part in credentials)
        return hmac.new(self._process_key, text.encode("utf-8", "surrogatepass"), sha256).digest()

    def find(self, fingerprint: bytes) -> ResultT | None:
        """Answer what is remembered and still to be believed, None otherwise."""
        entry = self._entries.get(fingerprint)
        if entry is None:
            return None
        current = entry.changes == self._changes.count
        if not current or self._clock.monotonic_seconds() >= entry.until_seconds:
            del self._entries[fingerprint]
            return None
        self._entries.move_to_end(fingerprint)
        return entry.result

    def remember(
        self, fingerprint: bytes, result: ResultT, changes: int, expires_milliseconds: int | None = None
    ) -> None:
        """Keep a result. ``changes`` is the count from **before** what it rests on was read."""
        seconds = _BELIEVED_SECONDS
        if expires_milliseconds is not None:
            seconds = min(seconds, (expires_milliseconds - self._clock.now_milliseconds()) / 1_000)
        self._entries[fingerprint] = _Entry(result, changes, self._clock.monotonic_seconds() + seconds)
        while len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)
