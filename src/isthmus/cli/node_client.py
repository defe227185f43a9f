"""The data API of one node for commands: over the node's local socket, with a user's own credentials.

The socket saves knowing address and certificate authority; it gives no rights. Who asks is a user of
the deployment, and may do what that user may.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from isthmus.cli.failures import CommandError
from isthmus.control.layout import DeploymentLayout
from isthmus.control.nodes import decode_node_settings
from isthmus.security.secret import Secret

#: longer than everything that a node does for one request of a command
_TIMEOUT_SECONDS: Final = 120.0
_UNAUTHORIZED: Final = 401
_FIRST_ERROR_STATUS: Final = 400


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, and (``run_as``) on whose behalf."""

    name: str
    password: Secret
    run_as: str | None = None

    def headers(self) -> dict[str, str]:
        """Answer the headers that say so. They hold the password: never print them."""
        token = base64.b64encode(f"{self.name}:{self.password.reveal()}".encode()).decode()
        headers = {"authorization": f"Basic {token}"}
        return headers if self.run_as is None else {**headers, "es-security-runas-user": self.run_as}


def call_node(
    deployment: DeploymentLayout, user: User, path: str, parameters: dict[str, str] | None = None
) -> Any:
    """Answer what ``GET path`` answers; raises :class:`CommandError` with the node's own reason."""
    connection = _UnixConnection(_socket_path(deployment))
    target = path + (f"?{urlencode(parameters)}" if parameters else "")
    try:
        connection.request("GET", target, headers=user.headers())
        response = connection.getresponse()
        status, content = response.status, response.read()
    except TimeoutError:
        raise CommandError("the deployment does not answer") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CommandError(f"the deployment is not running or cannot be reached ({error})") from None
    finally:
        connection.close()
    if status == _UNAUTHORIZED:
        raise CommandError(f"the deployment does not know user [{user.name}] with this password")
    try:
        answer = json.loads(content)
    except ValueError:
        raise CommandError(f"the deployment answered status {status} with something unreadable") from None
    if status >= _FIRST_ERROR_STATUS:
        raise CommandError(_reason_of(answer))
    return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _socket_path(deployment: DeploymentLayout) -> Path:
    try:
        return decode_node_settings(deployment.node_settings.read_bytes()).local_socket_path
    except (OSError, msgspec.MsgspecError):
        raise CommandError("the deployment has never run; start its environment first") from None


def _reason_of(answer: Any) -> str:
    if isinstance(answer, dict):
        error = answer.get("error")
        if isinstance(error, dict):
            return str(error.get("reason"))
        if isinstance(error, str):
            return error
    return str(answer)[:500]
