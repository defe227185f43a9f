"""Connections that were turned away, in the audit log: and how little strangers can make it say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from isthmus.exchange import JsonObject
from isthmus.security.audit import Audit
from isthmus.security.audit_connections import (
    DATA_PROFILE,
    REMOTE_CLUSTER_PROFILE,
    TRANSPORT_PROFILE,
    ConnectionAudit,
    LineBudget,
    Refused,
)
from isthmus.security.audit_settings import ENABLED, EXCLUDE, SettingValue


class ManualClock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Lines:
    """An audit log in memory."""

    def __init__(self, settings: Mapping[str, SettingValue] | None = None) -> None:
        self.lines: list[JsonObject] = []
        self.clock = ManualClock()
        audit = Audit(self, {"node.name": "n"}, self.clock)
        audit.apply(settings or {})
        self.connections = ConnectionAudit(audit, self.clock)

    def write(self, line: JsonObject) -> None:
        self.lines.append(line)

    @property
    def actions(self) -> list[Any]:
        return [line["event.action"] for line in self.lines]


def test_a_filtered_connection_is_told_in_elasticsearchs_words() -> None:
    """As what its IP filters write, with the deployment where the log is the platform's."""
    log = Lines()
    log.connections.filtered(Refused(DATA_PROFILE, "192.0.2.1", "no rule matches the address", "c" * 32))
    assert log.lines == [
        {
            "type": "audit",
            "timestamp": "1970-01-01T00:00:00.000Z",
            "node.name": "n",
            "event.type": "ip_filter",
            "event.action": "connection_denied",
            "origin.type": "rest",
            "origin.address": "192.0.2.1",
            "transport.profile": ".http",
            "deployment.cluster_id": "c" * 32,
            "rule": "deny _all",
            "reason": "no rule matches the address",
        }
    ]


def test_certificates_are_told_as_credentials() -> None:
    """A rejected one is a failed authentication, a missing one is nobody who tried to come in."""
    log = Lines()
    log.connections.certificate_rejected(Refused(TRANSPORT_PROFILE, "192.0.2.1", "has expired"))
    log.connections.certificate_missing(Refused(TRANSPORT_PROFILE, None, "none was presented"))
    assert log.actions == ["authentication_failed", "anonymous_access_denied"]
    assert {line["event.type"] for line in log.lines} == {"transport"}
    assert (log.lines[0]["transport.profile"], log.lines[0]["reason"]) == ("default", "has expired")
    assert "origin.address" not in log.lines[1]


def test_the_same_is_written_once_a_minute_and_the_rest_is_counted() -> None:
    """Whoever tries again and again makes one line a minute; how many times it was stands before the next."""
    log = Lines()
    for _ in range(500):
        log.connections.filtered(Refused(REMOTE_CLUSTER_PROFILE, "192.0.2.1", "no"))
    assert log.actions == ["connection_denied"]
    log.clock.seconds = 60.0
    log.connections.filtered(Refused(REMOTE_CLUSTER_PROFILE, "192.0.2.1", "no"))
    assert log.actions == ["connection_denied", "events_left_out", "connection_denied"]
    assert log.lines[1]["count"] == 499


def test_a_flood_from_everywhere_has_one_budget() -> None:
    """However many sources and reasons there are, no more than sixty lines are written in a minute."""
    log = Lines()
    for number in range(5_000):
        log.clock.seconds += 0.01
        log.connections.certificate_rejected(Refused(TRANSPORT_PROFILE, f"address {number}", f"{number}"))
    assert len(log.lines) == 60
    log.clock.seconds += 60
    log.connections.filtered(Refused(TRANSPORT_PROFILE, "another", "no"))
    assert (log.lines[-2]["event.action"], log.lines[-2]["count"]) == ("events_left_out", 4_940)


def test_different_refusals_of_one_source_are_different_lines() -> None:
    """Two nodes behind one address with different mistakes are told apart."""
    log = Lines()
    for reason in ("has expired", "no trusted name", "has expired"):
        log.connections.certificate_rejected(Refused(TRANSPORT_PROFILE, "192.0.2.1", reason))
    assert [line["reason"] for line in log.lines] == ["has expired", "no trusted name"]


@pytest.mark.parametrize("settings", [{ENABLED: "false"}, {EXCLUDE: "connection_denied"}])
def test_settings_decide(settings: dict[str, str]) -> None:
    """What is not wanted is not written, nor counted as missing."""
    log = Lines(settings)
    log.connections.filtered(Refused(DATA_PROFILE, "192.0.2.1", "no"))
    assert log.lines == []
    log.connections.filtered(Refused(DATA_PROFILE, "192.0.2.2", "no"))
    assert log.lines == []


def test_what_is_remembered_is_forgotten() -> None:
    """Memory is bounded by what one period may write."""
    clock = ManualClock()
    budget = LineBudget(clock, period_seconds=10, lines=3)
    assert [budget.covers((str(number),)) for number in range(5)] == [True, True, True, False, False]
    clock.seconds = 10
    assert budget.covers(("5",))
    assert len(budget._written) == 1
    assert budget.take_left_out() == 2
    assert budget.take_left_out() == 0
