"""Diagnoses the remote clusters of one node."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from isthmus.doctor.checks import diagnose
from isthmus.doctor.findings import Diagnosis
from isthmus.doctor.observations import KeystoreSeen, Observations, SettingsSeen
from isthmus.doctor.observe import TIMEOUTS, observe
from isthmus.doctor.talk import Patient
from isthmus.errors import Failure
from isthmus.names import ClusterAlias, parse_cluster_alias
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.records import Revealable
from isthmus.remotes.settings import (
    ALIAS_SETTING_NAMES,
    PREFIX,
    RemoteSettings,
    credentials_name,
)
from isthmus.security.api_key_secrets import decode_credentials
from isthmus.security.principal import Principal

#: each looks over at most three connections; more than these wait
_AT_ONCE: Final = 4
_CREDENTIALS: Final = ".credentials"


class ListedSecrets(Protocol):
    """A keystore whose names can be listed; satisfied by :class:`isthmus.security.keystore.Keystore`."""

    def names(self) -> tuple[str, ...]:
        """Answer the names of all entries; raises Failure where the keystore cannot be read."""
        ...

    def get(self, name: str) -> Revealable | None:
        """Answer an entry's secret, None where there is none; raises Failure likewise."""
        ...


@dataclass(frozen=True, slots=True)
class _SetUp:
    """What this side has at one moment."""

    remotes: dict[ClusterAlias, RemoteSettings]
    settings_problem: str
    keystore_aliases: tuple[str, ...]
    keystore_problem: str


class Doctor:
    """Looks at remote clusters over fresh connections; satisfies ``DiagnosesRemotes`` of the data API.

    Whether a caller may have a diagnosis is for whoever asks to check; what they may search is
    one of the findings.
    """

    def __init__(
        self, settings: ClusterSettingsService, keystore: ListedSecrets, context: LinkContext
    ) -> None:
        self._settings = settings
        self._keystore = keystore
        self._context = replace(context, timeouts=TIMEOUTS)
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def diagnose(
        self, principal: Principal, alias: str, expressions: tuple[str, ...]
    ) -> dict[str, Any]:
        """Answer the diagnosis of one alias, be it configured or not, for this caller and these indices.

        Raises a 400 failure for an alias that none can have, and nothing else.
        """
        diagnosis = await self._diagnose(principal, parse_cluster_alias(alias), expressions)
        return diagnosis.to_json()

    async def diagnose_all(self, principal: Principal, expressions: tuple[str, ...]) -> dict[str, Any]:
        """Answer the diagnoses of every alias that has settings or a key; raises nothing."""
        set_up = self._set_up()
        aliases = {*map(str, set_up.remotes), *self._aliases_with_settings(), *set_up.keystore_aliases}
        found = await asyncio.gather(
            *(self._diagnose(principal, alias, expressions) for alias in sorted(aliases))
        )
        return {
            "healthy": all(diagnosis.healthy for diagnosis in found),
            "remotes": [diagnosis.to_json() for diagnosis in found],
        }

    async def _diagnose(self, principal: Principal, alias: str, expressions: tuple[str, ...]) -> Diagnosis:
        async with self._room:
            set_up = self._set_up()
            key, key_id = self._key(alias, set_up)
            remote = set_up.remotes.get(ClusterAlias(alias))
            seen = Observations(
                alias=alias,
                now_milliseconds=self._context.clock.now_milliseconds(),
                compatible_version=self._context.identity.compatible_version,
                settings=SettingsSeen(
                    remote=remote,
                    keys=self._keys(alias),
                    configured=tuple(map(str, sorted(set_up.remotes))),
                    problem=set_up.settings_problem,
                ),
                keystore=KeystoreSeen(set_up.keystore_aliases, key_id, set_up.keystore_problem),
            )
            if remote is not None:
                patient = Patient(remote.destination, key, principal, expressions)
                seen = await observe(seen, patient, self._context)
            return diagnose(seen)

    def _set_up(self) -> _SetUp:
        remotes: dict[ClusterAlias, RemoteSettings] = {}
        settings_problem, keystore_problem = "", ""
        names: tuple[str, ...] = ()
        try:
            remotes = self._settings.remotes
        except Failure as failure:
            settings_problem = failure.reason
        try:
            names = self._keystore.names()
        except Failure as failure:
            keystore_problem = failure.reason
        aliases = tuple(
            name.removeprefix(PREFIX).removesuffix(_CREDENTIALS)
            for name in names
            if name.startswith(PREFIX) and name.endswith(_CREDENTIALS)
        )
        return _SetUp(remotes, settings_problem, aliases, keystore_problem)

    def _key(self, alias: str, set_up: _SetUp) -> tuple[Revealable | None, str | None]:
        """Answer the key and its id, which is no secret; None for what is no encoded key."""
        if alias not in set_up.keystore_aliases:
            return None, None
        try:
            key = self._keystore.get(credentials_name(alias))
        except Failure:
            return None, None
        decoded = decode_credentials(key.reveal()) if key is not None else None
        return key, decoded[0] if decoded is not None else None

    def _keys(self, alias: str) -> tuple[str, ...]:
        return tuple(key for key in self._settings.current.effective if alias_of_or_none(key) == alias)

    def _aliases_with_settings(self) -> set[str]:
        aliases = map(alias_of_or_none, self._settings.current.effective)
        return {alias for alias in aliases if alias is not None}


def alias_of_or_none(key: str) -> str | None:
    """Answer the alias that this setting is of; None for one of something else, or of all remotes."""
    alias, _, name = key.removeprefix(PREFIX).partition(".")
    return alias if key.startswith(PREFIX) and name in ALIAS_SETTING_NAMES else None
