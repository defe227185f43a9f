"""What the platform's audit log is told of its requests."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from isthmus.clock import SystemClock
from isthmus.errors import Failure
from isthmus.exchange import JsonObject
from isthmus.rest.cloud.audit import AuditedPlatform, parts_of, platform_event_or_none
from isthmus.rest.http import Peer, Request, Response
from isthmus.security.audit import Audit

SECRET = "do-not-tell"
DEPLOYMENT = "/api/v1/deployments/ab12"


@pytest.mark.parametrize(
    ("method", "path", "status", "event"),
    [
        ("GET", DEPLOYMENT, 200, None),
        ("POST", "/api/v1/deployments/_search", 200, None),
        ("POST", f"{DEPLOYMENT}/elasticsearch/_main/eligible-remote-clusters", 200, None),
        ("GET", DEPLOYMENT, 401, "authentication_failed"),
        ("PUT", DEPLOYMENT, 403, "access_denied"),
        ("POST", "/api/v1/deployments", 201, "put_deployment"),
        ("PUT", DEPLOYMENT, 500, "put_deployment"),
        ("DELETE", DEPLOYMENT, None, "delete_deployment"),
        ("POST", f"{DEPLOYMENT}/_shutdown", 200, "put_deployment"),
        ("PATCH", f"{DEPLOYMENT}/elasticsearch/_main/keystore", 200, "put_keystore"),
        ("PUT", f"{DEPLOYMENT}/elasticsearch/_main/remote-clusters", 202, "put_remote_clusters"),
        ("POST", f"{DEPLOYMENT}/elasticsearch/_main/_reset-password", 200, "put_password"),
        ("POST", "/api/v1/deployments/traffic-filter/rulesets", 201, "put_traffic_filter"),
        ("DELETE", "/api/v1/deployments/traffic-filter/rulesets/x", 200, "delete_traffic_filter"),
        (
            "POST",
            "/api/v1/regions/r/platform/configuration/security/trust-relationships",
            201,
            "put_trust_relationship",
        ),
        ("POST", "/api/v1/regions/r/platform/configuration/security/tls/ui", 202, "put_certificate_chain"),
        ("POST", "/api/v1/users/auth/keys", 201, "put_platform_key"),
        ("DELETE", "/api/v1/users/auth/keys/k", 200, "delete_platform_key"),
        ("DELETE", "/api/v1/users/admin/auth/keys", 200, "delete_platform_key"),
        ("POST", "/api/v1/users/auth/_login", 200, "session_login"),
        ("POST", "/api/v1/users/auth/_login", 401, "authentication_failed"),
        ("PUT", "/api/v1/something/new", 200, "put_platform"),
    ],
)
def test_each_request_has_its_event(method: str, path: str, status: int | None, event: str | None) -> None:
    """What changes and what is refused has a name; what reads has none."""
    assert platform_event_or_none(method, path, status) == event


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"", []),
        (b"not json trust", []),
        (b'{"name": "trust"}', []),
        (b'{"resources": {"elasticsearch": [{"settings": {"trust": {"accounts": []}}}]}}', ["trust"]),
        (
            (
                b'{"resources": {"elasticsearch": [{"plan": {"elasticsearch": {"keystore_contents": {}}},'
                b' "settings": {"traffic_filter_settings": {}}}]}}'
            ),
            ["keystore_contents", "traffic_filter_settings"],
        ),
        (b"[" * 100_000 + b"trust", []),
        (b"[" * 50 + b'{"trust": 1}' + b"]" * 50, []),
    ],
)
def test_parts_that_matter_are_named(body: bytes, parts: list[str]) -> None:
    """Of a body only the names of such parts are told, whatever it is."""
    assert parts_of(body) == parts


class Api:
    """Answers with one status."""

    status = 200

    async def handle(self, request: Request) -> Response:
        del request
        return Response(self.status, b'{"secret": "do-not-tell"}')

    async def admit(self, head: Request) -> Response | None:
        return None if self.status == 200 else Response(self.status, head.body)

    def refuse(self, failure: Failure) -> Response:
        return Response(400, failure.reason.encode())

    def may_be_abandoned(self, method: str, path: str) -> bool:
        return method == "GET" and bool(path)


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[JsonObject] = []

    def write(self, line: JsonObject) -> None:
        self.lines.append(line)


BASIC = "Basic " + base64.b64encode(f"admin:{SECRET}".encode()).decode()
API_KEY = "ApiKey " + base64.b64encode(f"key-1:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "trusted", "wanted"),
    [
        (BASIC, False, {"authentication.type": "REALM", "user.name": "admin"}),
        (API_KEY, False, {"authentication.type": "API_KEY", "apikey.id": "key-1", "user.name": "admin"}),
        (f"Bearer {SECRET}", False, {"authentication.type": "TOKEN", "user.name": "admin"}),
        ("", True, {"origin.type": "local_socket", "authentication.type": "OWNER", "user.name": "admin"}),
    ],
)
async def test_who_changed_it_is_told(authorization: str, trusted: bool, wanted: dict[str, Any]) -> None:
    """Password, key, token or the owner's own socket: the line tells by what, and no secret."""
    sink = Sink()
    platform = AuditedPlatform(Api(), Audit(sink, {}, SystemClock()), SystemClock(), trusted=trusted)
    request = Request(
        "PATCH",
        f"{DEPLOYMENT}/elasticsearch/_main/keystore",
        headers={"authorization": authorization},
        body=b'{"secrets": {"a": {"value": "do-not-tell"}}}',
        peer=Peer("192.0.2.9"),
    )
    await platform.handle(request)
    [line] = sink.lines
    assert wanted.items() <= line.items()
    assert (line["event.action"], line["outcome"], line["response.status"]) == (
        "put_keystore",
        "success",
        200,
    )
    assert SECRET not in json.dumps(line)


async def test_a_body_that_is_not_read_is_told_of() -> None:
    """Who is turned away before the body is read leaves a line, too."""
    sink, api = Sink(), Api()
    api.status = 401
    platform = AuditedPlatform(api, Audit(sink, {}, SystemClock()), SystemClock())
    assert await platform.admit(Request("POST", "/api/v1/deployments")) is not None
    assert [line["event.action"] for line in sink.lines] == ["authentication_failed"]
