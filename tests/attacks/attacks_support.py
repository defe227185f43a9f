"""What attackers bring: raw bytes over TLS, forged records, certificates of their own making."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from environments_support import Side

from isthmus.control.layout import EnvironmentLayout

REMOTE_CONTENT_TYPE = "application/vnd.isthmus.v1+msgpack"
#: no answer in this application takes longer unless an attack has worked
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """One answer as it came; ``status`` 0: the connection was closed without one."""

    status: int
    head: str
    body: bytes

    @property
    def report(self) -> dict[str, Any]:
        """The failure report of a port for other clusters."""
        report: dict[str, Any] = msgspec.msgpack.decode(self.body)
        return report

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def port_of(side: Side, name: str) -> int:
    """Answer the port ``data``, ``transport`` or ``remote_cluster`` of an environment's door."""
    ports = json.loads(EnvironmentLayout(Path(side.environment.directory)).ports.read_text())
    return int(ports[name])


def permissive_context() -> ssl.SSLContext:
    """Answer a context that takes whatever certificate the other end shows: attackers do not mind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tls_connection(
    side: Side, port: str, *, server_name: str | None = None, context: ssl.SSLContext | None = None
) -> ssl.SSLSocket:
    """Connect to a port of the door by the deployment's own name, or by another; "" sends none."""
    name = side.deployment.server_name if server_name is None else server_name
    connection = socket.create_connection(("127.0.0.1", port_of(side, port)), timeout=PATIENCE_SECONDS)
    try:
        return (context or permissive_context()).wrap_socket(connection, server_hostname=name or None)
    except BaseException:
        connection.close()
        raise


def answers_to(connection: socket.socket, content: bytes) -> list[Answer]:
    """Send bytes as they are; answer everything that comes back until the end of the connection."""
    received = bytearray()
    try:
        connection.sendall(content)
        while chunk := connection.recv(65536):
            received += chunk
            if _holds_closing_answer(bytes(received)):
                break
    except (ConnectionError, ssl.SSLEOFError):
        pass
    finally:
        connection.close()
    return list(_split(bytes(received)))


def _holds_closing_answer(received: bytes) -> bool:
    found = list(_split(received))
    return bool(found) and "connection: close" in found[-1].head.lower()


def _split(received: bytes) -> Any:
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        if not separator:
            return
        text = head.decode("latin-1")
        length = next(
            (
                int(line.partition(":")[2])
                for line in text.lower().split("\r\n")
                if line.startswith("content-length:")
            ),
            0,
        )
        if len(rest) < length:
            return
        yield Answer(int(text.split(" ")[1]), text, rest[:length])
        received = rest[length:]


def request_bytes(
    method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"", *, host: str = "node"
) -> bytes:
    """Write a request that ends its connection; nothing is checked or escaped."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask_remote(
    side: Side,
    action: str,
    record: Any,
    key: str | None,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    raw: bytes | None = None,
) -> Answer:
    """Ask an action of the remote cluster server with any record or bytes as the body."""
    sent = [("content-type", REMOTE_CONTENT_TYPE), *headers]
    if key is not None:
        sent.append(("authorization", f"ApiKey {key}"))
    body = raw if raw is not None else msgspec.msgpack.encode(record)
    connection = tls_connection(side, "remote_cluster")
    found = answers_to(connection, request_bytes("POST", f"/_isthmus/v1/{action}", sent, body))
    return found[0] if found else Answer(0, "", b"")


def subject(**members: Any) -> dict[str, Any]:
    """Answer what a lying cluster says about a caller: by default a user who may read everything."""
    everything = {"name": "_remote_user", "indices": [{"names": ["*"], "privileges": ["all"]}]}
    return {
        "username": "mallory",
        "realm_name": "native",
        "realm_type": "native",
        "role_names": ["superuser"],
        "role_sets": [[everything]],
        **members,
    }


def search_call(*expressions: str, caller: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    """Answer a search as it travels between clusters."""
    return {"caller": caller or subject(), "expressions": list(expressions), "request": request}
