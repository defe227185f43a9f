"""Connections that were turned away before anybody asked for anything, as the audit log tells of them.

Strangers cause these lines, as many as they like: so there is a budget. What it does not cover is counted,
and told of by the next line that it covers (``events_left_out``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.clock import Clock
from isthmus.exchange import JsonObject
from isthmus.security.audit import REST, TRANSPORT, Audit
from isthmus.security.audit_events import EventType

#: the same of the same source is nothing new within this time
_PERIOD_SECONDS: Final = 60.0
#: of all sources together, within the same time: some 30 MB a day at the very most
_LINES_A_PERIOD: Final = 60
_LONGEST_TEXT: Final = 1_000
#: the layer of Elasticsearch's IP filters
_IP_FILTER: Final = "ip_filter"
#: Elasticsearch's words for a filter whose rules all failed to match
_RULE: Final = "deny _all"

#: Elasticsearch's names of the doors that a connection came by (``transport.profile``)
DATA_PROFILE: Final = ".http"
REMOTE_CLUSTER_PROFILE: Final = "_remote_cluster"
TRANSPORT_PROFILE: Final = "default"


class LineBudget:
    """Which lines are written: the first of its kind from each source in a period, and so many in all.

    What is remembered never grows beyond what was written within one period.
    """

    def __init__(
        self, clock: Clock, period_seconds: float = _PERIOD_SECONDS, lines: int = _LINES_A_PERIOD
    ) -> None:
        self._clock = clock
        self._period_seconds = period_seconds
        self._lines = lines
        #: when each kind from each source was written about last, the oldest first
        self._written: dict[tuple[str | None, ...], float] = {}
        self._left_out = 0

    def covers(self, kind_and_source: tuple[str | None, ...]) -> bool:
        """Tell whether such a line is to be written now; counts it where it is not."""
        now_seconds = self._clock.monotonic_seconds()
        for written, at_seconds in list(self._written.items()):
            if now_seconds - at_seconds < self._period_seconds:
                break
            del self._written[written]
        if kind_and_source in self._written or len(self._written) >= self._lines:
            self._left_out += 1
            return False
        self._written[kind_and_source] = now_seconds
        return True

    def take_left_out(self) -> int:
        """Answer how many were not covered since this was asked last."""
        left_out, self._left_out = self._left_out, 0
        return left_out


@dataclass(frozen=True, slots=True)
class Refused:
    """A connection that was turned away, or cut: how it came (``profile``), from where, and why."""

    profile: str
    address: str | None
    reason: str
    #: which deployment it was for, where the log is not that deployment's own
    cluster_id: str | None = None


class ConnectionAudit:
    """Writes of refused connections, within a budget and as far as the audit's settings want them."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._budget = LineBudget(clock)

    def filtered(self, refused: Refused) -> None:
        """Write that a traffic filter did not let the connection in, or let it be no longer."""
        self._write(_IP_FILTER, EventType.CONNECTION_DENIED, refused, {"rule": _RULE})

    def certificate_rejected(self, refused: Refused) -> None:
        """Write that the certificate that was shown is not trusted."""
        self._write(TRANSPORT, EventType.AUTHENTICATION_FAILED, refused, {})

    def certificate_missing(self, refused: Refused) -> None:
        """Write that no certificate was shown where one is demanded."""
        self._write(TRANSPORT, EventType.ANONYMOUS_ACCESS_DENIED, refused, {})

    def _write(self, layer: str, event: EventType, refused: Refused, members: JsonObject) -> None:
        if not self._audit.settings.wants(event):
            return
        reason = refused.reason[:_LONGEST_TEXT]
        source = (refused.cluster_id, refused.address)
        if not self._budget.covers((event.value, refused.profile, reason, *source)):
            return
        left_out = self._budget.take_left_out()
        if left_out:
            self._audit.write({"event.type": layer, "event.action": "events_left_out", "count": left_out})
        line = {
            "event.type": layer,
            "event.action": event.value,
            "origin.type": REST if refused.profile == DATA_PROFILE else TRANSPORT,
            "origin.address": refused.address,
            "transport.profile": refused.profile,
            "deployment.cluster_id": refused.cluster_id,
            **members,
            "reason": reason,
        }
        self._audit.write({name: value for name, value in line.items() if value is not None})
