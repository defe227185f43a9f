"""The cluster settings of this node: loaded once, changed under one lock, followed by the links.

Persistent settings are stored; transient ones last until the node stops, as they last in
Elasticsearch until the whole cluster does. Transient wins over persistent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from isthmus.errors import Failure
from isthmus.names import ClusterAlias
from isthmus.remotes.flat_settings import FlatSettings, SettingsUpdate, SettingValue, updated
from isthmus.remotes.known_settings import ACTED_ON, DESTRUCTIVE_REQUIRES_NAME
from isthmus.remotes.records import ClusterSettingsRecords, SettingsObserver
from isthmus.remotes.search_settings import (
    ALLOW_PARTIAL_RESULTS,
    DEFAULT_KEEP_ALIVE,
    MAXIMUM_ASYNC_RESPONSE_SIZE,
    MAXIMUM_CONTEXTS,
    MAXIMUM_KEEP_ALIVE,
    check_search_settings,
    read_contexts,
    read_keep_alive_milliseconds,
    read_size_bytes,
)
from isthmus.remotes.settings import RemoteSettings, check_update, remotes_of
from isthmus.remotes.static_settings import StaticSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The settings at one moment; ``effective`` is transient over persistent."""

    persistent: FlatSettings = field(default_factory=dict)
    transient: FlatSettings = field(default_factory=dict)

    @property
    def effective(self) -> dict[str, SettingValue]:
        """Answer what counts."""
        return {**self.persistent, **self.transient}

    @property
    def destructive_requires_name(self) -> bool:
        """Tell whether indices are deleted, closed and opened by their names only, never by a wildcard."""
        key = DESTRUCTIVE_REQUIRES_NAME
        return self.effective.get(key, ACTED_ON[key]) == "true"

    @property
    def allows_partial_results(self) -> bool:
        """Tell whether an answer may be partial where a search does not say. Asked by every search."""
        return self._value(ALLOW_PARTIAL_RESULTS) == "true"

    @property
    def maximum_async_response_bytes(self) -> int:
        """How large the response of a submitted search may be that is to be kept."""
        return read_size_bytes(MAXIMUM_ASYNC_RESPONSE_SIZE, self._value(MAXIMUM_ASYNC_RESPONSE_SIZE))

    @property
    def keep_alives(self) -> tuple[int, int, int]:
        """How long search contexts are kept and can be kept, in milliseconds, and how many there can be."""
        return (
            read_keep_alive_milliseconds(DEFAULT_KEEP_ALIVE, self._value(DEFAULT_KEEP_ALIVE)),
            read_keep_alive_milliseconds(MAXIMUM_KEEP_ALIVE, self._value(MAXIMUM_KEEP_ALIVE)),
            read_contexts(MAXIMUM_CONTEXTS, self._value(MAXIMUM_CONTEXTS)),
        )

    def _value(self, key: str) -> SettingValue:
        return self.transient.get(key) or self.persistent.get(key) or ACTED_ON[key]

    def after(
        self, persistent: SettingsUpdate, transient: SettingsUpdate, static: StaticSettings | None = None
    ) -> ClusterSettings:
        """Answer the settings after an update; raises a 400 failure and changes nothing otherwise."""
        check_update(transient, "transient")
        check_update(persistent, "persistent")
        following = ClusterSettings(updated(self.persistent, persistent), updated(self.transient, transient))
        remotes_of(following.effective, static or StaticSettings())
        check_search_settings(following.effective)
        return following


class ClusterSettingsService:
    """Holds the current settings and tells the followers of each change.

    ``follower`` is called with the enabled remotes after every change and once after loading;
    ``observers`` before it, with all effective settings. ``static`` is what aliases have where these
    settings are silent.
    """

    def __init__(
        self,
        records: ClusterSettingsRecords,
        follower: Callable[[Mapping[ClusterAlias, RemoteSettings]], None],
        observers: Sequence[SettingsObserver] = (),
        static: StaticSettings | None = None,
    ) -> None:
        self.static = static or StaticSettings()
        self._observers = observers
        self._records = records
        self._follower = follower
        self._lock = asyncio.Lock()
        self._settings = ClusterSettings()

    @property
    def remotes(self) -> dict[ClusterAlias, RemoteSettings]:
        """Every enabled remote as it is now; raises a 400 failure where what is stored is not valid."""
        return remotes_of(self._settings.effective, self.static)

    @property
    def current(self) -> ClusterSettings:
        """The settings as they are now."""
        return self._settings

    async def load(self) -> None:
        """Read what is stored; call once before serving.

        Settings that no longer pass validation (stored by another version) are kept and answered,
        but connect nothing: a node must start even then.
        """
        async with self._lock:
            self._settings = ClusterSettings(persistent=await self._records.load())
            self._follow_stored()

    async def reload(self) -> None:
        """Take up what another node of this deployment has stored; this node's transient settings stay."""
        async with self._lock:
            persistent = await self._records.load()
            if persistent != self._settings.persistent:
                self._settings = replace(self._settings, persistent=persistent)
                self._follow_stored()

    async def update(self, persistent: SettingsUpdate, transient: SettingsUpdate) -> ClusterSettings:
        """Apply both updates or neither; when this returns the persistent ones survive a crash.

        Raises a 400 failure that names the first setting which cannot be.
        """
        async with self._lock:
            self._settings = replace(self._settings, persistent=await self._records.load())
            following = self._settings.after(persistent, transient, self.static)
            for observer in self._observers:
                observer.check(following.effective)
            if following.persistent != self._settings.persistent:
                # Shielded: a caller that goes away must not leave memory and disk apart.
                await asyncio.shield(self._save(following))
            self._settings = following
            self._tell_observers()
            self._follower(self.remotes)
            return following

    def _follow_stored(self) -> None:
        try:
            remotes = self.remotes
        except Failure as failure:
            logger.error("stored remote cluster settings are not valid", extra={"reason": failure.reason})  # noqa: TRY400 - the reason says it all
            remotes = {}
        else:
            self._tell_observers()
        self._follower(remotes)

    def _tell_observers(self) -> None:
        for observer in self._observers:
            observer.apply(self._settings.effective)

    async def _save(self, following: ClusterSettings) -> None:
        await self._records.save(following.persistent)
        self._settings = following
