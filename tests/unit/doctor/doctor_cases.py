"""What was seen of a remote cluster in which all is well, to be made wrong in one place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from isthmus.doctor.observations import (
    AccessSeen,
    KeystoreSeen,
    Observations,
    SearchSeen,
    ServerSeen,
    SettingsSeen,
    Trouble,
)
from isthmus.names import ClusterAlias
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import CertificateFacts
from isthmus.remotes.connection_modes import ProxyMode
from isthmus.remotes.phases import Phase
from isthmus.remotes.protocol import Welcome
from isthmus.remotes.settings import RemoteSettings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOW_MILLISECONDS = int(NOW.timestamp() * 1000)
REMOTE = RemoteSettings(ClusterAlias("eu"), ProxyMode(HostAndPort("eu.example.org", 9443), "far.example.org"))
DAY_MILLISECONDS = 86_400_000


def facts(**changes: Any) -> CertificateFacts:
    """Answer a certificate for ``*.example.org`` that is valid for months."""
    known: dict[str, Any] = {
        "subject": "CN=*.example.org",
        "issuer": "CN=proxy CA",
        "sha256": "ab" * 32,
        "names": ("*.example.org", "192.0.2.1"),
        "valid_from": NOW - timedelta(days=10),
        "valid_until": NOW + timedelta(days=200),
    }
    return CertificateFacts(**{**known, **changes})


def welcome(**changes: Any) -> Welcome:
    """Answer a welcome of a node with the right key."""
    known: dict[str, Any] = {
        "cluster_id": "c" * 32,
        "cluster_name": "far",
        "software_version": "0.1.0",
        "compatible_version": "9.2.0",
        "key_id": "key-1",
        "key_name": "near-to-far",
        "now_milliseconds": NOW_MILLISECONDS,
    }
    return Welcome(**{**known, **changes})


def healthy(**changes: Any) -> Observations:
    """Answer what is seen where nothing is wrong."""
    seen = Observations(
        alias="eu",
        now_milliseconds=NOW_MILLISECONDS,
        compatible_version="9.2.0",
        settings=SettingsSeen(REMOTE, ("cluster.remote.eu.proxy_address",), ("eu",)),
        keystore=KeystoreSeen(("eu",), "key-1"),
        addresses=("192.0.2.1",),
        server=ServerSeen(facts(), "TLSv1.3"),
        welcome=welcome(),
        skew_seconds=0.2,
        round_trips_milliseconds=(9.0, 10.0, 30.0),
        access=AccessSeen(("logs-*",), "ann", matching=3),
        search=SearchSeen(12.0, 42),
    )
    return replace(seen, **changes)


def ended(phase: Phase, cause: Cause | None, reason: str = "so it was", **changes: Any) -> Observations:
    """Answer what is seen where the attempt to connect ended in this phase."""
    server = ServerSeen(facts(), "TLSv1.3") if phase in (Phase.AUTHENTICATE, Phase.HANDSHAKE) else None
    seen: dict[str, Any] = {
        "trouble": Trouble(phase, reason, "do this", cause),
        "server": server,
        "welcome": None,
        "skew_seconds": None,
        "round_trips_milliseconds": (),
        "access": None,
        "search": None,
    }
    return healthy(**{**seen, **changes})
