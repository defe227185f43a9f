"""The platform's administrator: a password, and sessions that stand for it for an hour."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import argon2

from isthmus.clock import Clock
from isthmus.control.failures import unauthenticated
from isthmus.security.passwords import Passwords
from isthmus.security.secret import Secret

ADMINISTRATOR: Final = "admin"
SESSION_SECONDS: Final = 3600
_MAXIMUM_SESSIONS: Final = 10_000
_MAXIMUM_PASSWORD_CHARACTERS: Final = 1024


def hash_password(password: str) -> str:
    """Answer the argon2id hash (RFC 9106's second recommendation) to keep in place of the password."""
    return argon2.PasswordHasher().hash(password)


class Administrator:
    """Verifies who calls the platform API."""

    def __init__(self, password_hash: str, clock: Clock) -> None:
        self._password_hash = password_hash
        self._clock = clock
        self._passwords = Passwords()
        #: SHA-256 of a token -> when it ends (monotonic seconds)
        self._sessions: dict[bytes, float] = {}

    async def verify_password(self, username: str, password: str) -> None:
        """Return if they are right; raises a 401 failure that does not say which of them was wrong."""
        known_hash = self._password_hash if username == ADMINISTRATOR else None
        is_too_long = len(password) > _MAXIMUM_PASSWORD_CHARACTERS
        if is_too_long or not await self._passwords.matches(Secret(password), known_hash):
            raise unauthenticated("the supplied authentication is invalid")

    async def log_in(self, username: str, password: str) -> tuple[str, int]:
        """Answer a new token and when it ends (milliseconds since 1970); raises a 401 failure."""
        await self.verify_password(username, password)
        return self._new_session()

    def refresh(self, token: str) -> tuple[str, int]:
        """Answer a new token in place of a valid one; raises a 401 failure."""
        self.verify_token(token)
        self.log_out(token)
        return self._new_session()

    def verify_token(self, token: str) -> None:
        """Return if the session goes on; raises a 401 failure."""
        ends_seconds = self._sessions.get(_digest(token))
        if ends_seconds is None or ends_seconds <= self._clock.monotonic_seconds():
            raise unauthenticated("the token is invalid or has expired")

    def log_out(self, token: str) -> None:
        """End the session; one that is not there is no error."""
        self._sessions.pop(_digest(token), None)

    def _new_session(self) -> tuple[str, int]:
        now_seconds = self._clock.monotonic_seconds()
        self._sessions = {digest: ends for digest, ends in self._sessions.items() if ends > now_seconds}
        while len(self._sessions) >= _MAXIMUM_SESSIONS:
            del self._sessions[next(iter(self._sessions))]  # the oldest
        token = secrets.token_urlsafe(32)
        self._sessions[_digest(token)] = now_seconds + SESSION_SECONDS
        return token, self._clock.now_milliseconds() + SESSION_SECONDS * 1000


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
