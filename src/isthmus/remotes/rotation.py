"""Two keys for one alias: which one requests carry, and what became of them. Pure.

An alias has a *current* key and, while its key is being replaced, the *next* one. The next key is tried
by a handshake of its own. Once that has succeeded all requests carry it; before that, and again from
the moment in which it is refused, they carry the current one. So a bad next key harms nobody. The
next key is used untried in one case only: when the current one is refused or absent, it cannot get worse.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from isthmus.remotes.backoff import AFTER_FAILURE, AFTER_REFUSAL
from isthmus.remotes.phases import PhaseFailure
from isthmus.remotes.records import Revealable
from isthmus.security.api_key_secrets import decode_credentials

#: uses of keys longer gone than this many replacements are forgotten
_REMEMBERED_KEYS: Final = 8


class NextKeyState(Enum):
    """What is known of the next key."""

    UNTRIED = "untried"
    ACCEPTED = "accepted"
    REFUSED = "refused"


def key_id_of(key: Revealable) -> str:
    """Answer the public part of an encoded key, "" for what is none."""
    decoded = decode_credentials(key.reveal())
    return "" if decoded is None else decoded[0]


def same_key(one: Revealable | None, other: Revealable | None) -> bool:
    """Tell whether these are the same secret, or both absent."""
    if one is None or other is None:
        return one is other
    return one is other or one.reveal() == other.reveal()


class KeyRotation:
    """The keys of one alias. ``chance`` and the times are the caller's: no clock is read here."""

    def __init__(self, current: Revealable | None, following: Revealable | None) -> None:
        self._current = current
        self._next = following
        self._state = NextKeyState.UNTRIED
        self._reason = ""
        self._trials_failed = 0
        self._next_trial_at_seconds = 0.0

    @property
    def current(self) -> Revealable | None:
        """The key that is to be replaced, or the only one."""
        return self._current

    @property
    def following(self) -> Revealable | None:
        """The next key."""
        return self._next

    @property
    def in_use(self) -> Revealable | None:
        """The key that requests carry; None where there is none at all."""
        if self._next is not None and (self._current is None or self._state is NextKeyState.ACCEPTED):
            return self._next
        return self._current

    @property
    def on_trial(self) -> Revealable | None:
        """The next key, as long as it is not in use."""
        return None if self._next is self.in_use else self._next

    @property
    def trial_due_seconds(self) -> float | None:
        """When the next key is to be tried (monotonic); None where there is nothing to try."""
        return None if self.on_trial is None else self._next_trial_at_seconds

    def set(self, current: Revealable | None, following: Revealable | None, now_seconds: float) -> None:
        """Take the keys as the keystore has them now. A key that is there already stays what it is."""
        if same_key(current, following):
            following = None
        in_use = self.in_use
        # The objects stay as long as the secrets do, so that a request can be told by identity.
        known = [key for key in (self._current, self._next, in_use) if key is not None]
        current = next((key for key in known if same_key(key, current)), current)
        if not same_key(following, self._next):
            self._next = following
            self._state = NextKeyState.UNTRIED
            self._reason = ""
            self._trials_failed = 0
            self._next_trial_at_seconds = now_seconds
        self._current = current

    def accepted(self, key: Revealable) -> None:
        """Take note that the far side has taken the next key in a handshake: requests carry it now."""
        if key is self._next:
            self._state = NextKeyState.ACCEPTED
            self._reason = ""

    def trial_failed(self, key: Revealable, failure: PhaseFailure, now_seconds: float, chance: float) -> None:
        """Take note that a trial went wrong. Only an answer of the far side is a refusal."""
        if key is not self._next or self._state is NextKeyState.ACCEPTED:
            return
        self._trials_failed += 1
        policy = AFTER_REFUSAL if failure.refused else AFTER_FAILURE
        self._next_trial_at_seconds = now_seconds + policy.delay_seconds(self._trials_failed, chance)
        self._state = NextKeyState.REFUSED if failure.refused else NextKeyState.UNTRIED
        self._reason = failure.reason

    def refused(self, key: Revealable, failure: PhaseFailure, now_seconds: float, chance: float) -> bool:
        """Take note that a request with this key was refused; tell whether another is in use now.

        From a next key that was in use back to the current one; from the current one to a next
        key that was not refused so far.
        """
        if key is not self.in_use:
            return True
        if key is self._next and self._current is not None:
            self._state = NextKeyState.UNTRIED
            self.trial_failed(key, failure, now_seconds, chance)
            return True
        if key is self._current and self._next is not None and self._state is NextKeyState.UNTRIED:
            self._state = NextKeyState.ACCEPTED
            return True
        return False

    def ids(self) -> dict[str, str]:
        """Answer the ids of the current and the next key, for logs."""
        named = {"current": self._current, "next": self._next}
        return {name: key_id_of(key) for name, key in named.items() if key is not None}

    def to_json(self) -> dict[str, Any]:
        """Answer the keys by their ids, for ``_remote/info``."""
        described: dict[str, Any] = {}
        if self.in_use is not None:
            described["in_use"] = key_id_of(self.in_use)
        if self._current is not None:
            described["current"] = {"id": key_id_of(self._current)}
        if self._next is not None:
            described["next"] = {"id": key_id_of(self._next), "state": self._state.value}
            if self._reason:
                described["next"]["reason"] = self._reason
        return described


@dataclass(slots=True)
class KeyUse:
    """How one key has fared in requests: ``sent`` counts every attempt, ``refused`` answers with 401."""

    sent: int = 0
    refused: int = 0
    under_way: int = 0

    def to_json(self) -> dict[str, int]:
        """Answer the form of ``_remote/info``."""
        return {"sent": self.sent, "refused": self.refused, "under_way": self.under_way}


class KeyUses:
    """Requests by the key that they carried, since the link was made; without handshakes and pings."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, KeyUse] = OrderedDict()

    def of(self, key: Revealable) -> KeyUse:
        """Answer the counters of this key, which the caller counts up."""
        key_id = key_id_of(key)
        use = self._by_id.get(key_id)
        if use is None:
            use = self._by_id[key_id] = KeyUse()
            while len(self._by_id) > _REMEMBERED_KEYS:
                self._by_id.popitem(last=False)
        return use

    def to_json(self) -> dict[str, dict[str, int]]:
        """Answer ``{key id: {"sent", "refused", "under_way"}}``."""
        return {key_id: use.to_json() for key_id, use in self._by_id.items()}
