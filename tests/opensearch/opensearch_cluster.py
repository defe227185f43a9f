"""Runs real OpenSearch clusters for tests and measurements: on free loopback ports, stopped by process id."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

VERSION: Final = "2.19.1.0"
HERE: Final = Path(__file__).resolve().parent
JARS: Final = HERE.parents[1] / ".venv" / "opensearch" / VERSION / "lib"
#: what starts in seconds and takes little, at the price of speed later
QUICK_START: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 20.0


def missing() -> str | None:
    """Say what is missing to run OpenSearch here; None where nothing is."""
    if shutil.which("java") is None:
        return "OpenSearch takes Java 17 or later: there is no java here"
    if not (JARS / ".complete").exists():
        return "the jars of OpenSearch are not here: scripts/fetch-opensearch fetches them, with Maven"
    return None


def free_ports(number: int) -> list[int]:
    """Answer ports of loopback that nobody uses now."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


@dataclass
class OpenSearchNode:
    """One process. ``transport_port`` is what other clusters reach it by."""

    name: str
    cluster: str
    folder: Path
    http_port: int
    transport_port: int
    members: str
    java_options: tuple[str, ...] = QUICK_START
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process; its folder is kept from one start to the next."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "started").unlink(missing_ok=True)
        command = [
            "java",
            "-Xms512m",
            "-Xmx512m",
            *self.java_options,
            "-cp",
            f"{JARS}/*",
            str(HERE / "StartNode.java"),
            str(self.folder),
            self.cluster,
            self.name,
            str(self.http_port),
            str(self.transport_port),
            self.members,
        ]
        with (self.folder / "output.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.folder
            )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the process and wait for it; one that does not end in time is killed."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            os.kill(process.pid, number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def url(self) -> str:
        """Answer where its REST API is."""
        return f"http://127.0.0.1:{self.http_port}"


@dataclass
class OpenSearchCluster:
    """Some nodes that are one cluster."""

    name: str
    nodes: list[OpenSearchNode]

    @property
    def urls(self) -> list[str]:
        """Answer where the nodes are."""
        return [node.url for node in self.nodes]

    def call(self, method: str, path: str, body: Any = None, *, node: int = 0) -> Any:
        """Call the REST API of one node; raises RuntimeError for an error."""
        status, answer = self.request(method, path, body, node=node)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer

    def request(self, method: str, path: str, body: Any = None, *, node: int = 0) -> tuple[int, Any]:
        """Call the REST API of one node; answer status and answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.nodes[node].http_port, timeout=60)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
            connection.request(method, path, content, {} if content is None else {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
            return response.status, json.loads(answer) if answer else None
        finally:
            connection.close()

    def wait(self, nodes: int | None = None) -> None:
        """Return once so many nodes are together; raises RuntimeError for a cluster that does not start."""
        wanted = nodes or len(self.nodes)
        deadline = time.monotonic() + START_SECONDS
        problem: object = None
        while time.monotonic() < deadline:
            for node in self.nodes:
                if node.process is not None and node.process.poll() is not None:
                    raise RuntimeError(
                        f"{node.name} ended:\n{(node.folder / 'output.log').read_text()[-4000:]}"
                    )
            try:
                path = f"/_cluster/health?wait_for_nodes={wanted}&timeout=1s"
                status, answer = self.request("GET", path)
                if status == 200 and answer["number_of_nodes"] == wanted:
                    return
                problem = answer
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = error
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} has not started: {problem}")

    def clear(self) -> None:
        """Remove all indices."""
        for name in self.call("GET", "/_cat/indices?format=json&expand_wildcards=all&h=index"):
            if not name["index"].startswith("."):
                self.call("DELETE", f"/{name['index']}")

    def stop(self) -> None:
        """End all processes."""
        for node in self.nodes:
            node.stop()


def start_cluster(
    name: str, folder: Path, nodes: int = 1, java_options: tuple[str, ...] = QUICK_START
) -> OpenSearchCluster:
    """Start a cluster and return when it answers; nothing is left running where it does not."""
    ports = free_ports(2 * nodes)
    members = ",".join(f"{ports[2 * each + 1]}={name}-{each + 1}" for each in range(nodes))
    cluster = OpenSearchCluster(
        name,
        [
            OpenSearchNode(
                f"{name}-{each + 1}",
                name,
                folder / f"{name}-{each + 1}",
                ports[2 * each],
                ports[2 * each + 1],
                members,
                java_options,
            )
            for each in range(nodes)
        ],
    )
    try:
        for node in cluster.nodes:
            node.start()
        cluster.wait()
    except BaseException:
        cluster.stop()
        raise
    return cluster
