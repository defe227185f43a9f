"""What the audit log says: a request and what was noted of it to lines."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import JsonObject
from isthmus.security import authorize, denial
from isthmus.security.audit import REST, TRANSPORT, Audit, AuditedRequest, Outcome, audit_lines
from isthmus.security.audit_events import EventType
from isthmus.security.audit_notes import (
    MOST_NAMES,
    Change,
    Decision,
    Notes,
    SentRequest,
    begin_notes,
    note_change,
    note_denied,
)
from isthmus.security.audit_settings import (
    EXCLUDE,
    INCLUDE,
    AuditSettings,
    audit_settings_of,
    check_audit_setting,
    is_above_audit_settings,
)
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor

SECRET = "do-not-tell"
EVERYTHING = AuditSettings(included=frozenset(EventType))
ANSWERED = Outcome(200, 7)


def basic(username: str) -> str:
    """Build the header of a user whose password is the secret."""
    return "Basic " + base64.b64encode(f"{username}:{SECRET}".encode()).decode()


def request(layer: str = REST, **members: Any) -> AuditedRequest:
    """Build a request."""
    given: dict[str, Any] = {"method": "POST", "path": "/logs/_search", "address": "192.0.2.7", **members}
    return AuditedRequest(layer=layer, authorization=basic("ann"), request_id="req-1", **given)


def ann(**members: Any) -> Principal:
    """Build a user with a role."""
    role = RoleDescriptor(
        name="reader", cluster=("monitor",), indices=(IndexPrivileges(names=("a*",), privileges=("read",)),)
    )
    given: dict[str, Any] = {
        "username": "ann",
        "role_names": ("reader",),
        "role_sets": ((role,),),
        "realm_name": "default_native",
        "realm_type": "native",
    }
    return Principal(**(given | members))


def lines(
    notes: Notes, settings: AuditSettings = EVERYTHING, *, of: AuditedRequest | None = None
) -> list[JsonObject]:
    """Answer the lines, which must be JSON and without the secret."""
    found = list(audit_lines(of or request(), notes, ANSWERED, settings))
    assert SECRET not in json.dumps(found)
    return found


def test_a_wrong_password_names_who_it_was_for() -> None:
    """The line tells the name that was claimed, from where, and why, but no credential."""
    failure = Failure(FailureKind.UNAUTHENTICATED, "security_exception", "unable", log_note="wrong secret")
    [line] = lines(Notes(authentication_failure=failure), AuditSettings())
    assert line == {
        "event.type": "rest",
        "event.action": "authentication_failed",
        "origin.type": "rest",
        "origin.address": "192.0.2.7",
        "request.method": "POST",
        "url.path": "/logs/_search",
        "request.id": "req-1",
        "authentication.type": "REALM",
        "user.name": "ann",
        "reason": "wrong secret",
    }


def test_no_credentials_are_anonymous() -> None:
    """Elasticsearch has a name of its own for a request without credentials."""
    failure = Failure(
        FailureKind.UNAUTHENTICATED, "security_exception", "missing authentication credentials for [/]"
    )
    [line] = lines(Notes(authentication_failure=failure))
    assert line["event.action"] == "anonymous_access_denied"


def test_what_is_ordinary_is_written_only_where_it_is_asked_for() -> None:
    """A granted request leaves no line by default; with the two types included it leaves two."""
    notes = Notes(principal=ann())
    notes.decided(Decision(EventType.ACCESS_GRANTED, "indices:data/read/search"), ["a1", "a2"])
    assert lines(notes, AuditSettings()) == []
    success, granted = lines(notes)
    assert success["event.action"] == "authentication_success"
    assert granted["event.action"] == "access_granted"
    assert (granted["action"], granted["indices"]) == ("indices:data/read/search", ["a1", "a2"])
    assert granted["user.roles"] == ["reader"]


@pytest.mark.parametrize(
    ("principal", "wanted"),
    [
        (ann(), {"authentication.type": "REALM", "user.name": "ann", "user.realm": "default_native"}),
        (
            ann(
                authentication_type="api_key",
                realm_name="_es_api_key",
                role_names=(),
                api_key_id="k1",
                api_key_name="ci",
                api_key_owner="ann",
            ),
            {"authentication.type": "API_KEY", "apikey.id": "k1", "apikey.name": "ci", "user.name": "ann"},
        ),
        (
            ann(username="bob", run_by=ann()),
            {"user.name": "bob", "user.run_by.name": "ann", "user.run_by.realm": "default_native"},
        ),
        (
            ann(
                authentication_type="cross_cluster_access",
                realm_name="_es_cross_cluster_access",
                api_key_id="x1",
                api_key_name="from-eu",
                api_key_owner="admin",
                subject=ann(username="carl", api_key_id="k9"),
            ),
            {
                "authentication.type": "API_KEY",
                "user.name": "admin",
                "apikey.id": "x1",
                "cross_cluster_access": {
                    "authentication.type": "API_KEY",
                    "user.name": "carl",
                    "user.realm": "default_native",
                    "user.roles": ["reader"],
                    "apikey.id": "k9",
                },
            },
        ),
    ],
)
def test_a_denial_names_the_caller(principal: Principal, wanted: JsonObject) -> None:
    """Whoever it is and however they came: user, key, acting as another, from another cluster."""
    notes = Notes(principal=principal)
    notes.decided(Decision(EventType.ACCESS_DENIED, "indices:admin/delete"), ["a"])
    denied = [line for line in lines(notes, AuditSettings()) if line["event.action"] == "access_denied"]
    assert len(denied) == 1
    assert wanted.items() <= denied[0].items()


def test_requests_across_clusters_are_told_on_both_sides() -> None:
    """The sending side names the alias, the receiving side the cluster that says it asks; the ids agree."""
    notes = Notes(principal=ann())
    notes.sent.append(SentRequest("eu", "cluster-b", "search", ("logs",), 12))
    notes.sent.append(SentRequest("us", "", "search", ("logs",), 3, "connect_transport_exception"))
    sent, failed = lines(notes, AuditSettings())
    assert (sent["remote.alias"], sent["remote.cluster"], sent["outcome"]) == ("eu", "cluster-b", "success")
    assert (failed["outcome"], failed["error.type"]) == ("failure", "connect_transport_exception")
    arrived = Notes(principal=ann(subject=ann()), cluster_key=("x1", "from-a", "admin"))
    arrived.decided(Decision(EventType.ACCESS_GRANTED, "indices:data/read/search"), ["logs"])
    [received] = lines(
        arrived, AuditSettings(), of=request(TRANSPORT, origin_cluster="cluster-a", opaque_id="job")
    )
    assert received["event.action"] == "cross_cluster_request_received"
    assert received["origin.cluster"] == "cluster-a"
    assert (received["opaque_id"], received["request.id"]) == ("job", sent["request.id"])
    assert (received["action"], received["indices"]) == ("indices:data/read/search", ["logs"])
    assert (received["outcome"], received["response.status"]) == ("success", 200)


def test_handshakes_leave_no_line() -> None:
    """What the other cluster does for itself is an authentication at most."""
    notes = Notes(cluster_key=("x1", "from-a", "admin"))
    of = request(TRANSPORT)
    assert lines(notes, AuditSettings(), of=of) == []
    assert [line["event.action"] for line in lines(notes, of=of)] == ["authentication_success"]


def test_trace_ids_are_read_and_nonsense_is_left_out() -> None:
    """Of a traceparent the trace id is told; what is none is not."""
    notes = Notes(principal=ann(), changes=[Change("put_role", {"put": {"role": {"name": "r"}}})])
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert lines(notes, of=request(trace_parent=good))[-1]["trace.id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace.id" not in lines(notes, of=request(trace_parent="00-xyz"))[-1]


def test_a_change_of_the_audit_log_cannot_hide_itself() -> None:
    """With auditing turned off only a change of its own settings is still written."""
    off = AuditSettings(enabled=False)
    notes = Notes(
        principal=ann(), changes=[Change("put_user", {}), Change("update_settings", {}, always=True)]
    )
    assert [line["event.action"] for line in lines(notes, off)] == ["update_settings"]


def test_long_lists_are_cut() -> None:
    """A request about thousands of indices makes a line of bounded length, and many kinds are counted."""
    notes = begin_notes()
    note_denied("indices:data/write/bulk", (f"index-{number}" for number in range(5_000)))
    for number in range(1_000):
        note_denied(f"indices:action/{number}")
    found = lines(notes)
    assert len(found[0]["indices"]) == MOST_NAMES
    assert found[-1]["event.action"] == "events_left_out"
    assert len(found) + found[-1]["count"] == 1_002


def test_decisions_are_noted_where_they_are_made() -> None:
    """Every denial is noted whoever asks, and every grant; without a request nothing is."""
    notes = begin_notes()
    authorize.require_cluster_action(ann(), "cluster:monitor/main")
    with pytest.raises(Failure):
        authorize.require_index_action(ann(), "indices:data/read/search", ["a", "b"])
    denial.remote_action_denied(ann(), "indices:data/read/search", "eu")
    noted = {
        (decision.event, decision.action, decision.cluster): tuple(names)
        for decision, names in notes.decisions.items()
    }
    assert noted == {
        (EventType.ACCESS_GRANTED, "cluster:monitor/main", None): (),
        (EventType.ACCESS_DENIED, "indices:data/read/search", None): ("b",),
        (EventType.ACCESS_DENIED, "indices:data/read/search", "eu"): (),
    }


def test_paths_and_names_are_cut_and_odd_text_is_taken() -> None:
    """Whatever stands in a path or header, the line is bounded."""
    notes = begin_notes()
    note_change("put_user", {"put": {"user": {"name": "x"}}})
    [line] = lines(notes, of=request(path="/" + "ü" * 9_000, opaque_id="a\nb"))
    assert len(line["url.path"]) == 1_000
    assert line["opaque_id"] == "a\nb"


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[JsonObject] = []

    def write(self, line: JsonObject) -> None:
        self.lines.append(line)


class Clock:
    """Stands still."""

    def now_milliseconds(self) -> int:
        return 1_700_000_000_123

    def monotonic_seconds(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError(seconds)


def test_a_line_has_time_and_place() -> None:
    """Each line says when and of which node it is, and follows the settings as they are then."""
    sink = Sink()
    audit = Audit(sink, {"node.name": "n1"}, Clock())
    notes = Notes(principal=ann(), changes=[Change("put_role", {})])
    audit.request_ended(request(), notes, ANSWERED)
    audit.apply({EXCLUDE: ("security_config_change",)})
    audit.request_ended(request(), notes, ANSWERED)
    [line] = sink.lines
    assert line["type"] == "audit"
    assert line["timestamp"] == "2023-11-14T22:13:20.123Z"
    assert line["node.name"] == "n1"


@pytest.mark.parametrize(
    ("settings", "event", "wanted"),
    [
        ({}, EventType.ACCESS_DENIED, True),
        ({}, EventType.ACCESS_GRANTED, False),
        ({INCLUDE: "_all"}, EventType.ACCESS_GRANTED, True),
        ({INCLUDE: ("ACCESS_GRANTED", "tampered_request")}, EventType.ACCESS_GRANTED, True),
        ({INCLUDE: "access_granted, run_as_denied"}, EventType.ACCESS_DENIED, False),
        ({INCLUDE: "_all", EXCLUDE: ("access_granted",)}, EventType.ACCESS_GRANTED, False),
        ({INCLUDE: ()}, EventType.ACCESS_DENIED, False),
        ({"xpack.security.audit.enabled": "false"}, EventType.ACCESS_DENIED, False),
    ],
)
def test_settings_choose_the_events(settings: dict[str, Any], event: EventType, wanted: bool) -> None:
    """Includes, excludes and the switch, in Elasticsearch's names."""
    assert audit_settings_of(settings).wants(event) is wanted


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("xpack.security.audit.enabled", "yes", "only [true] or [false] are allowed"),
        (INCLUDE, ("access_granted", "everything"), "Failed to parse value [everything]"),
        ("xpack.security.audit.logfile.events.emit_request_body", "true", "not supported: bodies are never"),
        ("xpack.security.audit.logfile.events.ignore_filters.p.users", ("a",), "filters are not supported"),
        ("xpack.security.audit.outputs", "index", "persistent setting [xpack.security.audit.outputs], not"),
    ],
)
def test_other_settings_are_refused_by_name(key: str, value: Any, text: str) -> None:
    """What cannot be done is said, not ignored."""
    with pytest.raises(Failure) as refused:
        check_audit_setting(key, value, "persistent")
    assert refused.value.kind is FailureKind.INVALID_REQUEST
    assert text in refused.value.reason


def test_settings_can_be_deleted_one_by_one_and_by_what_is_above_them() -> None:
    """Null deletes; a key above the settings is known as such."""
    check_audit_setting(INCLUDE, None, "persistent")
    assert is_above_audit_settings("xpack.security.audit")
    assert not is_above_audit_settings("xpack.security.authc")
