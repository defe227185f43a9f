"""Passwords: argon2id, off the event loop, at the same cost whether or not there is such a user."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from hashlib import sha256
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from isthmus.security.secret import Secret

#: OWASP's minimum for argon2id (19 MiB, two passes, one lane): 20 to 50 ms on the machines we know
_TIME_COST: Final = 2
_MEMORY_KIBIBYTES: Final = 19_456
_LANES: Final = 1
#: more at a time would only take memory and processor from searches
_CONCURRENT_VERIFICATIONS: Final = 2
_REMEMBERED_PASSWORDS: Final = 1_000


class Passwords:
    """Hashes and verifies; remembers what verified without keeping it.

    A remembered entry is the HMAC of the password under a key that only this process has, next to
    the stored hash that it matched: once the stored hash changes the entry matches nothing.
    """

    def __init__(
        self, *, time_cost: int = _TIME_COST, memory_kibibytes: int = _MEMORY_KIBIBYTES, lanes: int = _LANES
    ) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kibibytes, parallelism=lanes)
        self._process_key = secrets.token_bytes(32)
        self._verified: OrderedDict[str, bytes] = OrderedDict()
        self._gate = asyncio.Semaphore(_CONCURRENT_VERIFICATIONS)
        self._nobodys_hash: str | None = None

    async def hash(self, password: Secret) -> str:
        """Answer what may be stored of a password."""
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, password.reveal())

    async def matches(self, password: Secret, stored_hash: str | None) -> bool:
        """Tell whether this is the password behind the stored hash.

        None stands for a user who does not exist: it takes as long and is never True.
        """
        if stored_hash is not None:
            fingerprint = self._fingerprint(password)
            remembered = self._verified.get(stored_hash)
            if remembered is not None and hmac.compare_digest(remembered, fingerprint):
                self._verified.move_to_end(stored_hash)
                return True
        async with self._gate:
            verified = await asyncio.to_thread(self._verify, password, stored_hash)
        if verified and stored_hash is not None:
            self._verified[stored_hash] = fingerprint
            while len(self._verified) > _REMEMBERED_PASSWORDS:
                self._verified.popitem(last=False)
        return verified

    def _verify(self, password: Secret, stored_hash: str | None) -> bool:
        if stored_hash is None:
            if self._nobodys_hash is None:
                self._nobodys_hash = self._hasher.hash(secrets.token_hex())
            stored_hash = self._nobodys_hash
        try:
            return self._hasher.verify(stored_hash, password.reveal())
        except (Argon2Error, InvalidHashError):
            return False

    def _fingerprint(self, password: Secret) -> bytes:
        return hmac.new(
            self._process_key, password.reveal().encode("utf-8", "surrogatepass"), sha256
        ).digest()
