"""What the tests with real environments share besides fixtures."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import signal
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from isthmus.sandbox import Deployment, Environment, Sandbox, trust
from isthmus.sandbox.client import JsonClient, RequestRefusedError

#: the documents of each index that the fixture ``logs`` makes
LOGS: Final[dict[str, dict[str, Any]]] = {
    "a1": {"team": "red", "message": "one", "secret": "s1", "level": 1},
    "a2": {"team": "red", "message": "two", "secret": "s2", "level": 2},
    "a3": {"team": "blue", "message": "three", "secret": "s3", "level": 3},
}


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> dict[str, Any]:
        """Answer the ``error`` of a body that is an error in Elasticsearch's form."""
        answer = json.loads(self.body)
        assert answer["status"] == self.status
        error: dict[str, Any] = answer["error"]
        return error


@dataclass(frozen=True)
class Side:
    """One environment with its deployment, and clients for both."""

    environment: Environment
    deployment: Deployment
    client: JsonClient
    platform: JsonClient

    @property
    def alias(self) -> str:
        """What the other sides call this one."""
        return self.deployment.alias_for_others

    def another_client(self) -> JsonClient:
        """Answer one more client of the superuser: a client serves one thread."""
        deployment = self.deployment
        return JsonClient.for_url(deployment.url, deployment.username, deployment.password, deployment.ca)

    def client_of(self, username: str, password: str) -> JsonClient:
        """Answer a client of another user."""
        return JsonClient.for_url(self.deployment.url, username, password, self.deployment.ca)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> RawAnswer:
        """Send one request of the superuser as it is, on a connection of its own; any status is an answer."""
        deployment = self.deployment
        parts = urlsplit(deployment.url)
        context = ssl.create_default_context(cafile=deployment.ca)
        connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=90, context=context)
        token = base64.b64encode(f"{deployment.username}:{deployment.password}".encode()).decode()
        try:
            connection.request(method, path, body, {"Authorization": f"Basic {token}", **(headers or {})})
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return RawAnswer(response.status, answered, response.read())
        finally:
            connection.close()

    def fingerprint(self) -> str:
        """Answer the SHA-256 fingerprint of the certificate that the deployment presents."""
        parts = urlsplit(self.deployment.url)
        pem = ssl.get_server_certificate((str(parts.hostname), int(parts.port or 443)))
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    def node_process_id(self) -> int:
        """Answer the process id of the node that serves the deployment now; fails where none does."""
        found = until(self._node_process_ids, f"a node process of {self.deployment.name}")
        assert len(found) == 1
        return int(found[0])

    def _node_process_ids(self) -> list[int]:
        folder = f"{self.environment.directory}/deployments/{self.deployment.id}"
        return [pid for pid, command in processes() if "node" in command and folder in command]

    def kill_node(self) -> int:
        """Kill the node without a chance to clean up; answer what its process id was."""
        process_id = self.node_process_id()
        os.kill(process_id, signal.SIGKILL)
        self.client.close()  # its connection is gone: the next call opens another
        return process_id

    def until_node_answers(self, other_than: int) -> None:
        """Return once another process than this serves the deployment."""
        until(lambda: self.answers() and self.node_process_id() != other_than, "another node")

    def answers(self) -> bool:
        """Tell whether the deployment answers right now, over a connection of its own."""
        client = self.another_client()
        try:
            client.call("GET", "/")
        except (OSError, http.client.HTTPException):
            return False
        finally:
            client.close()
        return True


def processes() -> list[tuple[int, list[str]]]:
    """Answer every process that we may look at, with its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # it has ended meanwhile
                continue
            found.append((int(entry.name), command))
    return found


def processes_in(directory: str) -> list[int]:
    """Answer the process ids of everything that was started on a folder or something in it."""
    return [pid for pid, command in processes() if any(word.startswith(directory) for word in command)]


def attempt(client: JsonClient, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Answer status (200 for every success) and answer of a request that may be refused."""
    try:
        return 200, client.call(method, path, body)
    except RequestRefusedError as refused:
        return refused.status, refused.answer


def put_documents(client: JsonClient, index: str, documents: dict[str, dict[str, Any]]) -> None:
    """Write documents by id and make them visible."""
    if not documents:
        return
    lines = [
        json.dumps(line)
        for identity, document in documents.items()
        for line in ({"index": {"_id": identity}}, document)
    ]
    answer = client.call("POST", f"/{index}/_bulk?refresh=true", content=("\n".join(lines) + "\n").encode())
    assert not answer["errors"]


def side_of(sandbox: Sandbox, environment: Environment) -> Side:
    """Answer an environment with clients of its own."""
    deployment = environment.deployments[0]
    return Side(environment, deployment, sandbox.client(deployment), sandbox.platform_client(environment))


def key_client(deployment: Deployment, encoded_key: str) -> JsonClient:
    """Answer a client of a deployment's REST API that shows an API key."""
    parts = urlsplit(deployment.url)
    context = ssl.create_default_context(cafile=deployment.ca)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=60, context=context)
    return JsonClient(connection, f"ApiKey {encoded_key}")


def remote_port_client(deployment: Deployment, authorization: str) -> JsonClient:
    """Answer a client that takes the remote cluster server for a REST API."""
    return JsonClient(_ConnectionByServerName(deployment), authorization)


def remote_port_status(deployment: Deployment, path: str, authorization: str, body: bytes) -> int:
    """Post bytes to the remote cluster server, over a connection of its own; answer the status."""
    connection = _ConnectionByServerName(deployment)
    headers = {"Authorization": authorization, "Content-Type": "application/vnd.isthmus.v1+msgpack"}
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


class _ConnectionByServerName(http.client.HTTPConnection):
    """To the deployment's proxy address, with its server name in the TLS hello."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment.proxy_address, timeout=60)
        self._deployment = deployment

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context(cafile=self._deployment.ca)
        self.sock = context.wrap_socket(self.sock, server_hostname=self._deployment.server_name)


def until(condition: Callable[[], Any], what: str, timeout_seconds: float = 30.0) -> Any:
    """Answer the condition's value as soon as it is true; fails the test when that takes too long."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_seconds} s in vain for: {what}")
        time.sleep(0.05)


@contextmanager
def added_remote(local: Side, remote: Side, *, key: str | None = None, **settings: Any) -> Iterator[str]:
    """Add one more remote to the local side and answer its alias; it is removed afterwards.

    It is the real one in everything that is not given otherwise.
    """
    alias = f"remote-{uuid.uuid4().hex[:8]}"
    wanted = {
        "mode": "proxy",
        "proxy_address": remote.deployment.proxy_address,
        "server_name": remote.deployment.server_name,
        **settings,
    }
    if key is not None:
        trust.put_key(local.platform, local.deployment.id, alias, key)
    try:
        body = {"persistent": {"cluster": {"remote": {alias: wanted}}}}
        local.client.call("PUT", "/_cluster/settings", body)
        yield alias
    finally:
        nothing = {"persistent": {"cluster": {"remote": {alias: None}}}}
        local.client.call("PUT", "/_cluster/settings", nothing)
        trust.remove_key(local.platform, local.deployment.id, alias)


def last_error(side: Side, alias: str, phase: str | None = None) -> dict[str, Any]:
    """Answer why this remote is not connected, once that is known (and in this phase, if one is given)."""

    def error() -> Any:
        information = side.client.call("GET", "/_remote/info")[alias]
        assert information["connected"] is False
        error = information["isthmus"].get("last_error")
        return error if error is None or phase in (None, error["phase"]) else None

    found: dict[str, Any] = until(error, f"an error of {alias}")
    return found
