"""What remote clusters need from elsewhere: stored settings, secrets, the node's own identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from isthmus.remotes.flat_settings import FlatSettings
from isthmus.settings import (
    COMPATIBLE_VERSION,
    MINIMUM_INDEX_COMPATIBLE_VERSION,
    MINIMUM_WIRE_COMPATIBLE_VERSION,
)


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What this node tells of itself to others.

    ``software_version`` is Isthmus's own; ``publish_address`` is ``host:port`` of the data API as
    callers reach it through the door. ``attributes`` are Elasticsearch's ``node.attr.*``, without that.
    """

    node_id: str
    node_name: str
    cluster_id: str
    cluster_name: str
    software_version: str
    publish_address: str = "localhost:9243"
    compatible_version: str = COMPATIBLE_VERSION
    minimum_wire_compatible_version: str = MINIMUM_WIRE_COMPATIBLE_VERSION
    minimum_index_compatible_version: str = MINIMUM_INDEX_COMPATIBLE_VERSION
    attributes: Mapping[str, str] = field(default_factory=dict)


class ClusterSettingsRecords(Protocol):
    """The persistent cluster settings, wherever they are kept."""

    async def load(self) -> FlatSettings:
        """Answer every persistent setting; empty where nothing was ever saved."""
        ...

    async def save(self, settings: FlatSettings) -> None:
        """Replace all persistent settings at once: after this returns they survive a crash."""
        ...


class SettingsObserver(Protocol):
    """Whoever acts on cluster settings beside the links."""

    def check(self, settings: FlatSettings) -> None:
        """Return if these effective settings can be acted on; raises a 400 failure that says why not."""
        ...

    def apply(self, settings: FlatSettings) -> None:
        """Act on these effective settings from now on; raises nothing."""
        ...


class Revealable(Protocol):
    """A secret that shows itself only when asked."""

    def reveal(self) -> str:
        """Answer the secret itself. Never log what this answers."""
        ...


class SecureSettings(Protocol):
    """The keystore, as far as remote clusters need it: always as it is on disk now."""

    def get(self, name: str) -> Revealable | None:
        """Answer an entry's secret, None where there is none.

        Raises :class:`isthmus.errors.Failure` where the keystore cannot be read.
        """
        ...
