"""From what was noted of a request to the lines of the audit log. Pure but for handing them on.

A line is one JSON object with Elasticsearch's names for its members (``docs/audit.md`` lists them). It holds
who, from where, what and whether; never a body, a query string, a header or a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

import msgspec

from isthmus.clock import Clock
from isthmus.errors import Failure
from isthmus.exchange import JsonObject
from isthmus.security.audit_events import EventType
from isthmus.security.audit_notes import MOST_NAMES, Change, Decision, Notes, SentRequest
from isthmus.security.audit_settings import AuditSettings, SettingValue, audit_settings_of
from isthmus.security.credentials import ApiKeyCredentials, read_authorization
from isthmus.security.principal import Principal

#: where a request came in, or was decided on, in Elasticsearch's words
REST: Final = "rest"
TRANSPORT: Final = "transport"
_ORDINARY: Final = frozenset({EventType.ACCESS_GRANTED, EventType.AUTHENTICATION_SUCCESS})
_LONGEST_TEXT: Final = 1_000
#: the W3C's traceparent: version, trace id, parent id, flags
_TRACE_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_NO_CREDENTIALS: Final = (
    "missing authentication credentials",
    "Cross cluster requests through the dedicated",
)
_AUTHENTICATION_TYPES: Final = {"realm": "REALM", "api_key": "API_KEY", "cross_cluster_access": "API_KEY"}


class AuditSink(Protocol):
    """Where lines go."""

    def write(self, line: JsonObject) -> None:
        """Take a line. Never blocks and never raises: what cannot be taken is counted and told of later."""
        ...


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """A request as the audit log tells of it; None and "": not known, or not given.

    ``layer`` is ``rest`` or ``transport``: which port it came by. ``authorization`` is read for the name that
    it claims only. ``origin_cluster`` is what the other cluster says it is.
    """

    layer: str
    method: str
    path: str
    address: str | None = None
    forwarded_for: str | None = None
    request_id: str | None = None
    opaque_id: str | None = None
    trace_parent: str | None = None
    origin_cluster: str | None = None
    authorization: str = field(default="", repr=False)


class Outcome(msgspec.Struct, frozen=True):
    """How a request ended, as its caller saw it; ``status`` None: they went away before."""

    status: int | None
    took_milliseconds: int


def audit_lines(
    request: AuditedRequest, notes: Notes, outcome: Outcome, settings: AuditSettings
) -> Iterator[JsonObject]:
    """Answer the lines of one request, without time and place: those that the settings want."""
    if _is_ordinary(request, notes) and not any(settings.wants(event) for event in _ORDINARY):
        return  # most requests: nothing is made that is thrown away
    wanted = [told for told in _events(request, notes, outcome) if settings.wants(told[0])]
    changes = notes.changes
    if not settings.wants(EventType.SECURITY_CONFIG_CHANGE):
        changes = [change for change in changes if change.always]
    left_out = notes.left_out if settings.enabled else 0
    if not (wanted or changes or left_out):
        return
    origin = _origin(request)
    caller = _present({**origin, **_caller(request, notes)})
    for event, layer, members in wanted:
        yield {**_event(layer, event.value), **caller, **_present(members())}
    for change in changes:
        yield _change(change) | caller
    if left_out:
        yield _event(request.layer, "events_left_out") | _present(origin) | {"count": left_out}


def _is_ordinary(request: AuditedRequest, notes: Notes) -> bool:
    """Tell whether somebody we know did here what they may do, and changed nothing of security."""
    special = notes.authentication_failure or notes.changes or notes.sent or notes.left_out
    acted_as = notes.principal is not None and notes.principal.run_by is not None
    denied = any(decision.event not in _ORDINARY for decision in notes.decisions)
    return request.layer == REST and not (special or acted_as or denied)


def _events(
    request: AuditedRequest, notes: Notes, outcome: Outcome
) -> Iterator[tuple[EventType, str, Callable[[], JsonObject]]]:
    """Answer every event of a request but its changes: which, its layer, and how to make what it tells."""
    failure = notes.authentication_failure
    if failure is not None:
        reason = failure.log_note or failure.reason
        yield _failed_event(failure), request.layer, lambda: _claimed(request, notes) | {"reason": reason}
    is_known = notes.principal or notes.cluster_key or notes.cluster_certificate
    if is_known and not notes.continued:
        yield EventType.AUTHENTICATION_SUCCESS, request.layer, dict
    if notes.principal is not None and notes.principal.run_by is not None and not notes.continued:
        yield EventType.RUN_AS_GRANTED, TRANSPORT, dict
    for decision, names in notes.decisions.items():
        yield decision.event, TRANSPORT, partial(_decision, decision, names)
    for sent in notes.sent:
        yield EventType.CROSS_CLUSTER_REQUEST_SENT, TRANSPORT, partial(_sent, sent)
    # Not what the other cluster asks for itself: handshakes, pings.
    if request.layer == TRANSPORT and notes.principal is not None:
        yield EventType.CROSS_CLUSTER_REQUEST_RECEIVED, TRANSPORT, partial(_received, notes, outcome)


def claimed_identity(authorization: str) -> JsonObject:
    """Answer the name that credentials claim, never what is to prove it; nothing where there is none."""
    try:
        credentials = read_authorization(authorization)
    except Failure:
        return {}
    if isinstance(credentials, ApiKeyCredentials):
        return {"authentication.type": "API_KEY", "apikey.id": _cut(credentials.key_id)}
    return {"authentication.type": "REALM", "user.name": _cut(credentials.username)}


def _claimed(request: AuditedRequest, notes: Notes) -> JsonObject:
    if notes.claimed_username is None:
        return claimed_identity(request.authorization)
    return {"authentication.type": "REALM", "user.name": _cut(notes.claimed_username)}


class Audit:
    """Adds time and place to lines and hands them on. ``settings`` may change while it is used."""

    def __init__(self, sink: AuditSink, place: Mapping[str, str], clock: Clock) -> None:
        self.settings = AuditSettings()
        self._sink = sink
        self._place = dict(place)
        self._clock = clock

    def check(self, settings: Mapping[str, SettingValue]) -> None:
        """Return if these effective cluster settings can be acted on; raises a 400 failure otherwise."""
        audit_settings_of(settings)

    def apply(self, settings: Mapping[str, SettingValue]) -> None:
        """Act on these effective cluster settings, which were found good, from now on."""
        self.settings = audit_settings_of(settings)

    def request_ended(self, request: AuditedRequest, notes: Notes, outcome: Outcome) -> None:
        """Write what is to be written of a request."""
        for line in audit_lines(request, notes, outcome, self.settings):
            self.write(line)

    def write(self, line: JsonObject) -> None:
        """Write a line of one's own making, whatever the settings say."""
        moment = datetime.fromtimestamp(self._clock.now_milliseconds() / 1_000, UTC)
        timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._sink.write({"type": "audit", "timestamp": timestamp, **self._place, **line})


def _event(layer: str, action: str) -> JsonObject:
    return {"event.type": layer, "event.action": action}


def _failed_event(failure: Failure) -> EventType:
    if failure.reason.startswith(_NO_CREDENTIALS):
        return EventType.ANONYMOUS_ACCESS_DENIED
    return EventType.AUTHENTICATION_FAILED


def _origin(request: AuditedRequest) -> JsonObject:
    trace = _TRACE_PARENT.fullmatch(request.trace_parent or "")
    return {
        "origin.type": request.layer,
        "origin.address": request.address,
        "x_forwarded_for": request.forwarded_for,
        "origin.cluster": request.origin_cluster,
        "request.method": request.method,
        "url.path": request.path,
        "request.id": request.request_id,
        "opaque_id": request.opaque_id,
        "trace.id": None if trace is None else trace.group(1),
    }


def _caller(request: AuditedRequest, notes: Notes) -> JsonObject:
    return {"origin.certificate": notes.cluster_certificate, **_who(request, notes)}


def _who(request: AuditedRequest, notes: Notes) -> JsonObject:
    principal = notes.principal
    if principal is None:
        if notes.cluster_key is None:
            return claimed_identity(request.authorization)
        key_id, name, owner = notes.cluster_key
        return {
            "authentication.type": "API_KEY",
            "user.name": owner,
            "apikey.id": key_id,
            "apikey.name": name,
        }
    described = _principal(principal)
    if principal.subject is not None:
        # As in Elasticsearch: the user is the key's owner, and who asked over there stands beside it.
        described["user.name"] = principal.api_key_owner
        described.pop("user.roles", None)
        described["cross_cluster_access"] = _present(_principal(principal.subject))
    return described


def _principal(principal: Principal) -> JsonObject:
    who = principal.run_by or principal
    described: JsonObject = {
        "authentication.type": _AUTHENTICATION_TYPES.get(who.authentication_type, "REALM"),
        "user.name": principal.username,
        "user.realm": principal.realm_name,
    }
    if principal.role_names:
        described["user.roles"] = list(principal.role_names)[:MOST_NAMES]
    if principal.run_by is not None:
        described["user.run_by.name"] = principal.run_by.username
        described["user.run_by.realm"] = principal.run_by.realm_name
    if who.api_key_id is not None:
        described["authentication.type"] = "API_KEY"
        described["apikey.id"] = who.api_key_id
        described["apikey.name"] = who.api_key_name
    return described


def _decision(decision: Decision, names: Iterable[str]) -> JsonObject:
    return {
        "action": decision.action,
        "indices": [name[:_LONGEST_TEXT] for name in names] or None,
        "remote.alias": decision.cluster,
        "user.run_as.name": decision.run_as,
    }


def _change(change: Change) -> JsonObject:
    return {
        "event.type": EventType.SECURITY_CONFIG_CHANGE.value,
        "event.action": change.action,
        **change.details,
    }


def _sent(sent: SentRequest) -> JsonObject:
    return {
        "remote.alias": sent.alias,
        "remote.cluster": sent.cluster_id,
        "action": sent.action,
        "indices": [name[:_LONGEST_TEXT] for name in sent.indices[:MOST_NAMES]] or None,
        "outcome": "success" if sent.error_type is None else "failure",
        "error.type": sent.error_type,
        "took_millis": sent.took_milliseconds,
    }


def _received(notes: Notes, outcome: Outcome) -> JsonObject:
    actions = list(dict.fromkeys(decision.action for decision in notes.decisions))
    indices = dict.fromkeys(name for names in notes.decisions.values() for name in names)
    succeeded = outcome.status is not None and outcome.status < 400  # noqa: PLR2004 - HTTP
    return {
        "action": actions[0] if len(actions) == 1 else actions or None,
        "indices": [name[:_LONGEST_TEXT] for name in indices][:MOST_NAMES] or None,
        "outcome": "success" if succeeded else "abandoned" if outcome.status is None else "failure",
        "response.status": outcome.status,
        "took_millis": outcome.took_milliseconds,
    }


def _present(members: JsonObject) -> JsonObject:
    """Leave out what is not known or empty, and cut what is too long."""
    return {
        name: value[:_LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in members.items()
        if value is not None and value != ""
    }


def _cut(text: str) -> str:
    return text[:_LONGEST_TEXT]
