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
_NAMES: Final = {event: event.value for event in EventType}
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
    wants = settings.wanted
    wanted = [told for told in _events(request, notes, outcome) if told[0] in wants]
    changes = notes.changes
    if EventType.SECURITY_CONFIG_CHANGE not in wants:
        changes = [change for change in changes if change.always]
    left_out = notes.left_out if settings.enabled else 0
    if not (wanted or changes or left_out):
        return
    origin = _origin(request)
    caller = {**origin, **_caller(request, notes)}
    for event, layer, tell in wanted:
        yield {"event.type": layer, "event.action": _NAMES[event], **caller, **tell()}
    for change in changes:
        yield _change(change) | caller
    if left_out:
        yield {"event.type": request.layer, "event.action": "events_left_out", **origin, "count": left_out}


def is_ordinary(layer: str, notes: Notes) -> bool:
    """Tell whether somebody we know did here what they may do, and changed nothing of security."""
    if layer != REST or notes.authentication_failure or notes.changes or notes.sent or notes.left_out:
        return False
    if notes.principal is not None and notes.principal.run_by is not None:
        return False
    return all(decision.event in _ORDINARY for decision in notes.decisions)


def _events(
    request: AuditedRequest, notes: Notes, outcome: Outcome
) -> Iterator[tuple[EventType, str, Callable[[], JsonObject]]]:
    """Answer every event of a request but its changes: which, its layer, and how to make what it tells."""
    failure, principal = notes.authentication_failure, notes.principal
    if failure is not None:
        reason = failure.log_note or failure.reason
        yield _failed_event(failure), request.layer, partial(_failed, request, notes, reason)
    if not notes.continued:
        if principal or notes.cluster_key or notes.cluster_certificate:
            yield EventType.AUTHENTICATION_SUCCESS, request.layer, dict
        if principal is not None and principal.run_by is not None:
            yield EventType.RUN_AS_GRANTED, TRANSPORT, dict
    for decision, names in notes.decisions.items():
        yield decision.event, TRANSPORT, partial(_decision, decision, names)
    for sent in notes.sent:
        yield EventType.CROSS_CLUSTER_REQUEST_SENT, TRANSPORT, partial(_sent, sent)
    # Not what the other cluster asks for itself: handshakes, pings.
    if principal is not None and request.layer == TRANSPORT:
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


def _failed(request: AuditedRequest, notes: Notes, reason: str) -> JsonObject:
    told = _claimed(request, notes)
    _tell(told, "reason", reason)
    return told


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
        self._second = -1
        self._second_text = ""

    def check(self, settings: Mapping[str, SettingValue]) -> None:
        """Return if these effective cluster settings can be acted on; raises a 400 failure otherwise."""
        audit_settings_of(settings)

    def apply(self, settings: Mapping[str, SettingValue]) -> None:
        """Act on these effective cluster settings, which were found good, from now on."""
        self.settings = audit_settings_of(settings)

    def tells_of(self, layer: str, notes: Notes) -> bool:
        """Tell whether such a request may have a line: of most there is none, and nothing is made for it."""
        return not (is_ordinary(layer, notes) and self.settings.wanted.isdisjoint(_ORDINARY))

    def request_ended(self, request: AuditedRequest, notes: Notes, outcome: Outcome) -> None:
        """Write what is to be written of a request."""
        for line in audit_lines(request, notes, outcome, self.settings):
            self.write(line)

    def write(self, line: JsonObject) -> None:
        """Write a line of one's own making, whatever the settings say."""
        self._sink.write({"type": "audit", "timestamp": self._timestamp(), **self._place, **line})

    def _timestamp(self) -> str:
        """Answer the time in ISO 8601; the text of a second is made once, not for each line in it."""
        seconds, milliseconds = divmod(self._clock.now_milliseconds(), 1_000)
        if seconds != self._second:
            self._second = seconds
            self._second_text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second_text}.{milliseconds:03d}Z"


def _failed_event(failure: Failure) -> EventType:
    if failure.reason.startswith(_NO_CREDENTIALS):
        return EventType.ANONYMOUS_ACCESS_DENIED
    return EventType.AUTHENTICATION_FAILED


def _origin(request: AuditedRequest) -> JsonObject:
    told: JsonObject = {"origin.type": request.layer}
    _tell(told, "origin.address", request.address)
    _tell(told, "x_forwarded_for", request.forwarded_for)
    _tell(told, "origin.cluster", request.origin_cluster)
    told["request.method"] = _cut(request.method)
    _tell(told, "url.path", request.path)
    _tell(told, "request.id", request.request_id)
    _tell(told, "opaque_id", request.opaque_id)
    if request.trace_parent:
        trace = _TRACE_PARENT.fullmatch(request.trace_parent)
        if trace is not None:
            told["trace.id"] = trace.group(1)
    return told


def _caller(request: AuditedRequest, notes: Notes) -> JsonObject:
    told = _who(request, notes)
    _tell(told, "origin.certificate", notes.cluster_certificate)
    return told


def _who(request: AuditedRequest, notes: Notes) -> JsonObject:
    principal = notes.principal
    if principal is None:
        if notes.cluster_key is None:
            return claimed_identity(request.authorization)
        key_id, name, owner = notes.cluster_key
        return _described("API_KEY", owner, "", key_id, name)
    if principal.subject is None:
        return _principal(principal)
    # As in Elasticsearch: the user is the key's owner, and who asked over there stands beside it.
    kind = _authentication_type(principal)
    key_owner = principal.api_key_owner
    described = _described(
        kind, key_owner, principal.realm_name, principal.api_key_id, principal.api_key_name
    )
    described["cross_cluster_access"] = _principal(principal.subject)
    return described


def _principal(principal: Principal) -> JsonObject:
    run_by = principal.run_by
    who = run_by or principal
    described = _described(
        _authentication_type(who),
        principal.username,
        principal.realm_name,
        who.api_key_id,
        who.api_key_name,
    )
    if principal.role_names:
        described["user.roles"] = list(principal.role_names[:MOST_NAMES])
    if run_by is not None:
        described["user.run_by.name"] = _cut(run_by.username)
        described["user.run_by.realm"] = _cut(run_by.realm_name)
    return described


def _authentication_type(principal: Principal) -> str:
    if principal.api_key_id is not None:
        return "API_KEY"
    return _AUTHENTICATION_TYPES.get(principal.authentication_type, "REALM")


def _described(
    kind: str, username: str | None, realm: str, key_id: str | None, key_name: str | None
) -> JsonObject:
    told: JsonObject = {"authentication.type": kind}
    _tell(told, "user.name", username)
    _tell(told, "user.realm", realm)
    _tell(told, "apikey.id", key_id)
    _tell(told, "apikey.name", key_name)
    return told


def _decision(decision: Decision, names: Iterable[str]) -> JsonObject:
    told: JsonObject = {"action": _cut(decision.action)}
    _tell_names(told, names)
    _tell(told, "remote.alias", decision.cluster)
    _tell(told, "user.run_as.name", decision.run_as)
    return told


def _change(change: Change) -> JsonObject:
    return {
        "event.type": EventType.SECURITY_CONFIG_CHANGE.value,
        "event.action": change.action,
        **change.details,
    }


def _sent(sent: SentRequest) -> JsonObject:
    told: JsonObject = {"remote.alias": sent.alias, "action": sent.action}
    _tell(told, "remote.cluster", sent.cluster_id)
    _tell_names(told, sent.indices)
    told["outcome"] = "success" if sent.error_type is None else "failure"
    _tell(told, "error.type", sent.error_type)
    told["took_millis"] = sent.took_milliseconds
    return told


def _received(notes: Notes, outcome: Outcome) -> JsonObject:
    told: JsonObject = {}
    actions = list(dict.fromkeys([decision.action for decision in notes.decisions]))
    if actions:
        told["action"] = actions[0] if len(actions) == 1 else actions
    _tell_names(told, dict.fromkeys([name for names in notes.decisions.values() for name in names]))
    status = outcome.status
    if status is None:
        told["outcome"] = "abandoned"
    else:
        told["outcome"] = "success" if status < 400 else "failure"  # noqa: PLR2004 - HTTP
        told["response.status"] = status
    told["took_millis"] = outcome.took_milliseconds
    return told


def _tell(told: JsonObject, name: str, text: str | None) -> None:
    """Add a text that is known and not empty, cut where it is too long."""
    if text:
        told[name] = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT]


def _tell_names(told: JsonObject, names: Iterable[str]) -> None:
    """Add the indices, where there are any."""
    listed = [name[:_LONGEST_TEXT] for name in names]
    if listed:
        told["indices"] = listed[:MOST_NAMES]


def _cut(text: str) -> str:
    return text[:_LONGEST_TEXT]
