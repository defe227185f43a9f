"""The platform API's own audit log: who changed what of the environment, and who was not let in.

One place, around the whole API, so that no route can be forgotten. A line holds the path and, of a body, the
names of the parts of a deployment that it is about; nothing else of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from isthmus.clock import Clock
from isthmus.control.administrator import ADMINISTRATOR
from isthmus.errors import Failure
from isthmus.exchange import JsonObject
from isthmus.remotes.trace import Trace, begin_trace
from isthmus.rest.http import HttpApplication, Request, Response
from isthmus.security.audit import Audit, claimed_identity

_UNAUTHENTICATED: Final = 401
_FORBIDDEN: Final = 403
_FIRST_FAILURE: Final = 400
_READING_METHODS: Final = ("GET", "HEAD", "OPTIONS")
#: asks although it posts
_READING_PATHS: Final = re.compile(r"/_search$|eligible-remote-clusters$")
#: path below the prefix -> what a change there is a change of; the first that is found counts
_SUBJECTS: Final = (
    (re.compile(r"/users/auth/_(login|refresh|logout)$"), "session"),
    (re.compile(r"/users/.*\bkeys\b"), "platform_key"),
    (re.compile(r"/deployments/traffic-filter"), "traffic_filter"),
    (re.compile(r"/platform/.*trust-relationships"), "trust_relationship"),
    (re.compile(r"/platform/.*tls"), "certificate_chain"),
    (re.compile(r"/platform/.*transport-ca"), "certificate_authority"),
    (re.compile(r"/deployments/.*/keystore$"), "keystore"),
    (re.compile(r"/deployments/.*/remote-clusters$"), "remote_clusters"),
    (re.compile(r"/deployments/.*/_reset-password$"), "password"),
    (re.compile(r"/deployments"), "deployment"),
    (re.compile(r"/account$"), "account"),
)
_VERBS: Final = {"DELETE": "delete", "PUT": "put", "PATCH": "put", "POST": "put"}
#: parts of a deployment whose change matters to security, by their names in a request
_PARTS: Final = frozenset({"trust", "keystore_contents", "traffic_filter_settings", "remote_clusters"})
_DEEPEST: Final = 8
_LONGEST_PATH: Final = 1_000


class AuditedPlatform:
    """Lets the platform API answer, and writes what is to be known of it. An ``HttpApplication`` itself.

    ``trusted``: callers come over the socket that only the environment's owner can open.
    """

    def __init__(
        self, application: HttpApplication, audit: Audit, clock: Clock, *, trusted: bool = False
    ) -> None:
        self._application = application
        self._audit = audit
        self._clock = clock
        self._trusted = trusted

    async def handle(self, request: Request) -> Response:
        """Answer what the API answers."""
        trace = begin_trace(request.headers)
        status: int | None = None
        started_seconds = self._clock.monotonic_seconds()
        try:
            response = await self._application.handle(request)
            status = response.status
        finally:
            took_milliseconds = int((self._clock.monotonic_seconds() - started_seconds) * 1000)
            self._write(request, trace, status, took_milliseconds)
        return response

    async def admit(self, head: Request) -> Response | None:
        """Answer why a body is not read; a refusal is written."""
        refusal = await self._application.admit(head)
        if refusal is not None:
            self._write(head, begin_trace(head.headers), refusal.status, 0)
        return refusal

    def refuse(self, failure: Failure) -> Response:
        """Answer for a request that never became one."""
        return self._application.refuse(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Tell what the API tells."""
        return self._application.may_be_abandoned(method, path)

    def _write(self, request: Request, trace: Trace, status: int | None, took_milliseconds: int) -> None:
        action = platform_event_or_none(request.method, request.path, status)
        if action is None:
            return
        line: JsonObject = {
            "event.type": "platform",
            "event.action": action,
            "request.method": request.method,
            "url.path": request.path[:_LONGEST_PATH],
            "request.id": trace.request_id,
            **_caller(request, trusted=self._trusted),
            "outcome": "success" if status is not None and status < _FIRST_FAILURE else "failure",
            "response.status": status,
            "took_millis": took_milliseconds,
        }
        changed = parts_of(request.body)
        if changed:
            line["change.parts"] = changed
        self._audit.write(line)


def platform_event_or_none(method: str, path: str, status: int | None) -> str | None:
    """Answer the name of the event of a request that ended so; None for one that only read."""
    if status == _UNAUTHENTICATED:
        return "authentication_failed"
    if status == _FORBIDDEN:
        return "access_denied"
    plain = path.rstrip("/")
    if method in _READING_METHODS or _READING_PATHS.search(plain):
        return None
    subject = next((name for pattern, name in _SUBJECTS if pattern.search(plain)), "platform")
    if subject == "session":
        return "session" + plain.rpartition("/")[2]
    return f"{_VERBS.get(method, 'put')}_{subject}"


def parts_of(body: bytes) -> list[str]:
    """Answer which parts of a deployment a body speaks of, by name; nothing where it is no JSON."""
    if not body or not any(part.encode() in body for part in _PARTS):
        return []
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return sorted(_PARTS.intersection(_member_names(value, _DEEPEST)))


def _member_names(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _member_names(member, depth - 1)
    elif isinstance(value, list):
        for element in value:
            yield from _member_names(element, depth - 1)


def _caller(request: Request, *, trusted: bool) -> JsonObject:
    if trusted:
        return {"origin.type": "local_socket", "authentication.type": "OWNER", "user.name": ADMINISTRATOR}
    authorization = request.headers.get("authorization", "")
    who = claimed_identity(authorization)
    if authorization[:7].lower() == "bearer ":
        who = {"authentication.type": "TOKEN", "user.name": ADMINISTRATOR}
    if who.get("authentication.type") == "API_KEY":
        who["user.name"] = ADMINISTRATOR
    origin: JsonObject = {"origin.type": "rest"}
    if request.peer.address is not None:
        origin["origin.address"] = request.peer.address
    return origin | who
