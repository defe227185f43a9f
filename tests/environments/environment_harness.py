"""An environment in a process of its own, and how tests look at it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from isthmus.cli.main import main
from isthmus.control.layout import EnvironmentLayout

SERVE_STAND_IN = (sys.executable, str(Path(__file__).with_name("serve_stand_in.py")))
SERVE = (sys.executable, "-m", "isthmus", "serve")


def eventually(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """Answer the condition's first true value; fails after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {seconds} s")


def command(*arguments: object, text: str | None = None) -> Any:
    """Run a command of ours that must succeed and answer what it prints as JSON."""
    result = CliRunner().invoke(main, [*(str(each) for each in arguments), "--json"], input=text)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def is_alive(process_id: int) -> bool:
    """Answer whether the process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Environment:
    """A directory, and the process that serves it while one does."""

    def __init__(self, directory: Path, kind: str = "enterprise") -> None:
        free = [f"--{name}-port=0" for name in ("platform", "data", "transport", "remote")]
        self.made = command("init", directory, "--kind", kind, *free)
        self.directory = directory
        self.layout = EnvironmentLayout(directory)
        self.process: subprocess.Popen[bytes] | None = None
        self.output = directory.parent / f"{directory.name[:20]}.out"

    def start(self, program: tuple[str, ...] = SERVE_STAND_IN, *options: str) -> None:
        """Start serving and return once the platform answers."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS")}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*program, str(self.directory), *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
            )
        eventually(lambda: self.layout.ports.exists() or self._has_ended())
        assert not self._has_ended(), self.output.read_text()

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    @property
    def ports(self) -> dict[str, int]:
        """The ports in use."""
        ports = json.loads(self.layout.ports.read_text())
        assert isinstance(ports, dict)
        return ports

    def create(self, name: str, *options: object) -> Any:
        """Make a deployment and answer what the command tells."""
        return command("deployment", "create", self.directory, name, *options)

    def show(self, name: str) -> Any:
        """Answer a deployment as the command tells it."""
        return command("deployment", "show", self.directory, name)

    def ask(
        self, server_name: str | None, *, port: str = "data", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send ``GET /where`` over TLS to a port with that server name; answer status and parsed body."""
        context = ssl.create_default_context(cafile=str(self.layout.authority("proxy").certificate))
        host = server_name or "127.0.0.1"
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        request = "\r\n".join(["GET /where HTTP/1.1", f"Host: {host}", "Connection: close", *lines, "", ""])
        with (
            socket.create_connection(("127.0.0.1", self.ports[port]), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.sendall(request.encode())
            answer = b""
            with contextlib.suppress(ssl.SSLEOFError):
                while piece := connection.recv(65536):
                    answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Stop serving and answer the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        status = self.process.wait(30)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process = None
        return status

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        self.stop(signal.SIGKILL)
