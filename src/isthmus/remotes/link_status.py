"""How a link stands, as values for ``_remote/info`` and for whoever diagnoses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isthmus.remotes.key_expiry import expires_soon
from isthmus.remotes.link_state import LinkState
from isthmus.remotes.phases import PhaseFailure, PhaseHistory
from isthmus.remotes.protocol import Welcome


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link at one moment. ``failure`` is why the last attempt failed, None where it did not.

    ``open_nodes``: how many nodes the open connections go to.
    """

    state: LinkState
    open_connections: int
    has_key: bool
    history: PhaseHistory
    failure: PhaseFailure | None
    failures_in_a_row: int
    next_attempt_seconds: float | None
    welcome: Welcome | None
    round_trip_milliseconds: float | None
    keys: dict[str, Any] | None = None
    now_milliseconds: int = 0
    open_nodes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Answer what ``_remote/info`` shows beyond Elasticsearch's own fields. No secret is in it."""
        described: dict[str, Any] = {"state": self.state.value}
        if self.failure is not None:
            described["last_error"] = {
                "phase": self.failure.phase.value,
                "reason": self.failure.reason,
                **({"remedy": self.failure.remedy} if self.failure.remedy else {}),
                **_describe_cause(self.failure),
            }
            described["failures_in_a_row"] = self.failures_in_a_row
        if self.next_attempt_seconds is not None:
            described["next_attempt_in_millis"] = int(self.next_attempt_seconds * 1000)
        if self.round_trip_milliseconds is not None:
            described["round_trip_in_millis"] = round(self.round_trip_milliseconds, 3)
        if self.welcome is not None:
            described["remote"] = _describe_remote(self.welcome, self.now_milliseconds)
        if self.keys is not None:
            described["keys"] = self.keys
        phases = self.history.to_json()
        if phases:
            described["phases"] = phases
        return described


def _describe_cause(failure: PhaseFailure) -> dict[str, Any]:
    if failure.cause is None:
        return {}
    return {"cause": failure.cause.value, "documentation": failure.cause.documentation}


def _describe_remote(welcome: Welcome, now_milliseconds: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "cluster_name": welcome.cluster_name,
        "cluster_uuid": welcome.cluster_id,
        "version": welcome.compatible_version,
        "software_version": welcome.software_version,
    }
    if welcome.key_id:  # none in the certificate model
        described["api_key"] = {"id": welcome.key_id, "name": welcome.key_name}
    if welcome.key_id and welcome.key_expires_milliseconds is not None:
        expires_milliseconds = welcome.key_expires_milliseconds
        described["api_key"]["expiration"] = expires_milliseconds
        described["api_key"]["expires_in_millis"] = max(0, expires_milliseconds - now_milliseconds)
        if expires_soon(expires_milliseconds, now_milliseconds):
            described["api_key"]["expires_soon"] = True
    return described
