"""The platform API for commands: over the control socket, or in this process where nobody serves.

Both ways run the same handlers. In this process the environment is held for the moment, so that
an ``isthmus serve`` started meanwhile waits for nothing half-done.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import click
import orjson

from isthmus.app.environment_lock import EnvironmentBusyError
from isthmus.app.platform import offline_platform
from isthmus.cli.failures import CommandError
from isthmus.control.layout import EnvironmentLayout
from isthmus.rest.cloud.api import PREFIX
from isthmus.rest.cloud.audit import AuditedPlatform
from isthmus.rest.http import HttpApplication, Request
from isthmus.settings_file import load_settings

#: longer than the ten seconds that a node may take to stop
_TIMEOUT_SECONDS: Final = 60.0
_FIRST_ERROR_STATUS: Final = 400


class PlatformClient(Protocol):
    """Calls the platform API; ``is_served`` tells whether nodes can be running."""

    is_served: bool

    def call(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Any:
        """Answer the parsed body; raises :class:`CommandError` with the API's own message."""
        ...


@contextmanager
def platform_client(directory: Path) -> Iterator[PlatformClient]:
    """Answer a client for the environment in this directory; raises a :class:`CommandError`."""
    settings = load_settings(directory, os.environ)
    layout = EnvironmentLayout(settings.directory)
    connection = _connect_or_none(layout)
    if connection is not None:
        try:
            yield _SocketClient(connection)
        finally:
            connection.close()
        return
    with asyncio.Runner() as runner:
        platform = offline_platform(settings)
        try:
            api = runner.run(_enter(platform))
        except EnvironmentBusyError:
            raise CommandError(
                f"'isthmus serve {directory}' is starting or stopping just now; try again in a moment"
            ) from None
        try:
            yield _LocalClient(runner, api)
        finally:
            runner.run(_leave(platform))


def deployment_path(deployment_id: str, *below: str) -> str:
    """Answer the path of a deployment or of something of it."""
    return "/".join(("/deployments", *(quote(segment, safe="") for segment in (deployment_id, *below))))


def tell_unless_served(client: PlatformClient, directory: Path) -> None:
    """Say on standard error that a change waits for the environment to be served."""
    if not client.is_served:
        click.echo(f"note: takes effect when the environment is served: isthmus serve {directory}", err=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _SocketClient:
    is_served = True

    def __init__(self, connection: _UnixConnection) -> None:
        self._connection = connection

    def call(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Any:
        target = f"{PREFIX}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        content = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, target, content, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            return _result(answer.status, answer.read())
        except TimeoutError:
            raise CommandError(
                "the environment does not answer; look at the output of 'isthmus serve'"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(f"the environment has stopped ({error}); start it and try again") from None


class _LocalClient:
    is_served = False

    def __init__(self, runner: asyncio.Runner, api: HttpApplication) -> None:
        self._runner = runner
        self._api = api

    def call(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Any:
        content = b"" if body is None else orjson.dumps(body)
        request = Request(method, f"{PREFIX}{path}", parameters or {}, body=content)
        response = self._runner.run(self._api.handle(request))
        if not isinstance(response.body, bytes):
            raise TypeError("the platform API streams nothing")
        return _result(response.status, response.body)


def _connect_or_none(layout: EnvironmentLayout) -> _UnixConnection | None:
    # The socket may be a link to a shorter path: connecting through a long one would fail.
    connection = _UnixConnection(layout.control_socket.resolve())
    try:
        connection.connect()
    except OSError:
        connection.close()
        return None
    return connection


def _result(status: int, content: bytes) -> Any:
    answer = json.loads(content)
    if status >= _FIRST_ERROR_STATUS:
        raise CommandError("; ".join(error["message"] for error in answer["errors"]))
    return answer


async def _enter(platform: Any) -> HttpApplication:
    api = await platform.__aenter__()
    if not isinstance(api, AuditedPlatform):
        raise TypeError("not a platform")
    return api


async def _leave(platform: Any) -> None:
    await platform.__aexit__(None, None, None)
