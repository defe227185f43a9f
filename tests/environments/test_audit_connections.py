"""Who was turned away before they could ask for anything stands in audit logs: certificates and filters."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_reading import event, platform_audit
from environments_support import Side, until

from isthmus.control.certificates import Credentials, issue_node_certificate, make_authority
from isthmus.control.layout import EnvironmentLayout

_RULE_SETS = "/api/v1/deployments/traffic-filter/rulesets"
_STRANGER = make_authority("stranger", "tests", datetime.now(UTC))


def _own_authority(side: Side) -> Credentials:
    files = EnvironmentLayout(Path(side.environment.directory)).authority("transport")
    return Credentials(files.certificate.read_bytes(), files.key.read_bytes())


def _made(side: Side, kind: str) -> Credentials | None:
    """Answer a node's certificate that is wrong in one way; None: none at all."""
    now, scope_id, cluster_id = datetime.now(UTC), side.environment.scope_id, side.deployment.cluster_id
    if kind == "missing":
        return None
    if kind == "untrusted":
        return issue_node_certificate(_STRANGER, "n1", cluster_id, scope_id, now)
    if kind == "expired":
        past = now - timedelta(days=400)
        return issue_node_certificate(_own_authority(side), "n1", cluster_id, scope_id, past)
    return issue_node_certificate(_own_authority(side), "n1", cluster_id, "elsewhere", now)


def _address() -> str:
    """Answer an address of this machine that nobody else connects from: each has lines of its own."""
    number = uuid.uuid4().int
    return f"127.{1 + number % 200}.{number >> 8 & 0xFF}.{1 + (number >> 16) % 250}"


def _connect(side: Side, port: str, address: str, shown: Credentials | None, folder: Path) -> None:
    """Connect to a port of a side's door from this address, with this certificate; whatever comes of it."""
    ports = json.loads(EnvironmentLayout(Path(side.environment.directory)).ports.read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        for name, content in (("shown.crt", shown.certificate), ("shown.key", shown.key)):
            (folder / name).write_bytes(content)
        context.load_cert_chain(folder / "shown.crt", folder / "shown.key")
    with (
        socket.create_connection(("127.0.0.1", ports[port]), 10, source_address=(address, 0)) as plain,
        contextlib.suppress(OSError),
        context.wrap_socket(plain, server_hostname=side.deployment.server_name) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1)


@pytest.mark.parametrize(
    ("kind", "action", "reason"),
    [
        ("missing", "anonymous_access_denied", "no certificate was presented"),
        ("untrusted", "authentication_failed", "self-signed certificate in certificate chain"),
        ("expired", "authentication_failed", "certificate has expired"),
        ("of another name", "authentication_failed", "does not match the trusted names"),
    ],
)
def test_a_certificate_that_is_not_taken_on_9400(
    remote: Side, tmp_path: Path, kind: str, action: str, reason: str
) -> None:
    """Each in its own words, with the address that it came from; once, however often it comes."""
    address = _address()
    for _ in range(3):
        _connect(remote, "transport", address, _made(remote, kind), tmp_path)
    line = event(remote, action, origin__address=address)
    assert (line["event.type"], line["origin.type"], line["transport.profile"]) == (
        "transport",
        "transport",
        "default",
    )
    assert reason in line["reason"]
    assert line["cluster.uuid"] == remote.deployment.cluster_id


@contextmanager
def _letting_in(side: Side, *sources: str) -> Iterator[str]:
    """Let only these addresses in; answers the rule set's id."""
    rules = [{"source": source} for source in sources]
    body = {"name": f"set-{uuid.uuid4().hex}", "type": "ip", "region": "ece-region", "rules": rules}
    made = side.platform.call("POST", _RULE_SETS, {**body, "include_by_default": False})
    association = {"entity_type": "deployment", "id": side.deployment.id}
    side.platform.call("POST", f"{_RULE_SETS}/{made['id']}/associations?force=true", association)
    try:
        yield made["id"]
    finally:
        side.platform.call("DELETE", f"{_RULE_SETS}/{made['id']}?ignore_associations=true&force=true")


@pytest.mark.parametrize(
    ("port", "profile", "layer"),
    [("data", ".http", "rest"), ("remote_cluster", "_remote_cluster", "transport")],
)
def test_a_client_that_the_filter_turns_away_at_the_door(
    remote: Side, tmp_path: Path, port: str, profile: str, layer: str
) -> None:
    """It stands in the platform's log, which is the door's, with the deployment that it was for."""
    address = _address()
    with _letting_in(remote, "127.0.0.1"):
        for _ in range(3):
            _connect(remote, port, address, None, tmp_path)

    def lines() -> list[dict[str, Any]]:
        return [each for each in platform_audit(remote) if each.get("origin.address") == address]

    (line,) = until(lines, "the line about the client")
    assert (line["event.type"], line["event.action"]) == ("ip_filter", "connection_denied")
    assert (line["origin.type"], line["transport.profile"], line["rule"]) == (layer, profile, "deny _all")
    assert line["deployment.cluster_id"] == remote.deployment.cluster_id


def test_an_open_connection_that_a_filter_cuts(remote: Side) -> None:
    """It stands in the log of the deployment, which is what cuts it."""
    address = _address()
    ports = json.loads(EnvironmentLayout(Path(remote.environment.directory)).ports.read_text())
    context = ssl.create_default_context(cafile=remote.deployment.ca)
    with (
        _letting_in(remote, "127.0.0.1", address) as rule_set,
        socket.create_connection(("127.0.0.1", ports["data"]), 10, source_address=(address, 0)) as plain,
        context.wrap_socket(plain, server_hostname=remote.deployment.server_name) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 401"
        body = {"name": "narrower", "type": "ip", "region": "ece-region", "include_by_default": False}
        rules = {"rules": [{"source": "127.0.0.1"}]}
        remote.platform.call("PUT", f"{_RULE_SETS}/{rule_set}?force=true", {**body, **rules})
        line = event(remote, "connection_denied", origin__address=address)
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                pass
    assert (line["event.type"], line["transport.profile"]) == ("ip_filter", ".http")
    assert line["reason"] == "no rule matches the address"
