"""API keys of the platform: for programs that administer an environment in the administrator's place.

A key is told once, when it is made. What is kept is a salted SHA-256 of it, as for the keys of
deployments: it is random, so a fast hash is enough.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol

from isthmus.clock import Clock
from isthmus.control.administrator import ADMINISTRATOR
from isthmus.control.failures import invalid_field, unauthenticated
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Record
from isthmus.security.api_key_secrets import (
    UNKNOWN_KEY_HASH,
    decode_credentials,
    encode_credentials,
    hash_key_secret,
    key_secret_matches,
    new_key_id,
    new_key_secret,
)
from isthmus.security.secret import Secret
from isthmus.security.time_values import parse_duration_milliseconds

_INVALID_INPUT: Final = "api_keys.invalid_input"
_MAXIMUM_DESCRIPTION_CHARACTERS: Final = 1024
#: more than this many are a program that makes one at each run and never deletes it
_MAXIMUM_KEYS: Final = 10_000


class PlatformKey(Record, frozen=True, kw_only=True):
    """One key, without its secret. ``expires_milliseconds`` None is a key that never ends."""

    id: str
    description: str
    secret_hash: str
    created_milliseconds: int
    expires_milliseconds: int | None = None
    user_id: str = ADMINISTRATOR


class PlatformKeyRecords(Protocol):
    """Where the keys are kept. Every write is durable once it returns."""

    async def all(self) -> tuple[PlatformKey, ...]:
        """Answer all keys, the oldest first."""
        ...

    async def find_or_none(self, key_id: str) -> PlatformKey | None:
        """Answer the key of that id."""
        ...

    async def add(self, key: PlatformKey) -> None:
        """Keep a new key."""
        ...

    async def remove(self, key_ids: Collection[str]) -> None:
        """Forget these keys; one that is not there is no error."""
        ...


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key, and the text that clients send, which cannot be told again."""

    key: PlatformKey
    credentials: Secret


class PlatformKeys:
    """Makes, tells, verifies and ends the platform's API keys."""

    def __init__(self, records: PlatformKeyRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def create(self, description: object, expiration: object) -> CreatedKey:
        """Make a key that lasts for ``expiration`` (``"1d"``), for ever where that is None.

        Raises a 400 failure that names the member which cannot be used.
        """
        now_milliseconds = self._clock.now_milliseconds()
        described = _check_description(description)
        lasts_milliseconds = None if expiration is None else _check_expiration(expiration)
        if len(await self._records.all()) >= _MAXIMUM_KEYS:
            reason = f"there are {_MAXIMUM_KEYS} keys already; delete some"
            raise Failure(FailureKind.INVALID_REQUEST, _INVALID_INPUT, reason)
        secret = new_key_secret()
        key = PlatformKey(
            id=new_key_id(),
            description=described,
            secret_hash=hash_key_secret(secret),
            created_milliseconds=now_milliseconds,
            expires_milliseconds=None
            if lasts_milliseconds is None
            else now_milliseconds + lasts_milliseconds,
        )
        await self._records.add(key)
        return CreatedKey(key, Secret(encode_credentials(key.id, secret)))

    async def all(self) -> tuple[PlatformKey, ...]:
        """Answer all keys that have not ended, the oldest first."""
        return tuple(key for key in await self._records.all() if self._is_valid(key))

    async def get(self, key_id: str) -> PlatformKey:
        """Answer one key; raises a 404 failure, for one that has ended too."""
        key = await self._records.find_or_none(key_id)
        if key is None or not self._is_valid(key):
            raise key_not_found(key_id)
        return key

    async def delete(self, key_id: str) -> None:
        """End one key at once; raises a 404 failure."""
        await self.get(key_id)
        await self._records.remove((key_id,))

    async def delete_several(self, key_ids: Collection[str]) -> None:
        """End these keys at once; those that are not there are no error."""
        await self._records.remove(key_ids)

    async def verify(self, credentials: Secret) -> None:
        """Return if this is a valid key; raises a 401 failure that does not say what was wrong."""
        decoded = decode_credentials(credentials.reveal())
        key_id, secret = decoded or ("", Secret(""))
        key = await self._records.find_or_none(key_id) if decoded is not None else None
        stored = UNKNOWN_KEY_HASH if key is None else key.secret_hash
        if not key_secret_matches(secret, stored) or key is None or not self._is_valid(key):
            raise unauthenticated("the API key is invalid or has expired")

    def _is_valid(self, key: PlatformKey) -> bool:
        return key.expires_milliseconds is None or key.expires_milliseconds > self._clock.now_milliseconds()


def key_not_found(key_id: str) -> Failure:
    """Answer the failure for a key that does not exist (404)."""
    return Failure(FailureKind.NOT_FOUND, "api_keys.key_not_found", f"no API key has the id [{key_id[:64]}]")


def _check_description(description: object) -> str:
    if (
        not isinstance(description, str)
        or not description.strip()
        or len(description) > _MAXIMUM_DESCRIPTION_CHARACTERS
        or not description.isprintable()
    ):
        reason = f"must be a text of 1 to {_MAXIMUM_DESCRIPTION_CHARACTERS} printable characters"
        raise invalid_field("description", reason, _INVALID_INPUT)
    return description


def _check_expiration(expiration: object) -> int:
    if not isinstance(expiration, str):
        raise invalid_field("expiration", "must be a duration such as [1d]", _INVALID_INPUT)
    try:
        return parse_duration_milliseconds("expiration", expiration)
    except Failure as failure:
        raise invalid_field("expiration", failure.reason, _INVALID_INPUT) from failure
