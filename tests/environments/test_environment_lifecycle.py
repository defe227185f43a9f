"""An environment as processes: started, looked at, hurt, stopped."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import signal
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment_harness import SERVE, SERVE_STAND_IN, Environment, command, eventually, is_alive

pytestmark = pytest.mark.environments


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    """Answer a new environment that nobody serves yet."""
    environment = Environment(tmp_path / "e")
    yield environment
    if environment.process is not None:
        environment.stop()


def run_to_the_end(environment: Environment, **variables: str) -> tuple[int, str]:
    """Serve what cannot be served; answer the exit status and what is told on standard error."""
    ended = subprocess.run(  # noqa: S603 - our own program
        [*SERVE, str(environment.directory)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **variables},
    )
    return ended.returncode, ended.stderr


def test_it_starts_serves_and_stops_in_order(environment: Environment) -> None:
    """Deployments made before and meanwhile are reached; SIGTERM ends everything with status 0."""
    before = environment.create("before", "--insecure-http")
    environment.start()
    meanwhile = environment.create("meanwhile")
    assert before["status"] == "stopped"
    assert meanwhile["status"] == "started"
    eventually(lambda: environment.show("before")["status"] == "started")
    process_ids = []
    for made in (before, meanwhile):
        status, told = environment.ask(made["server_name"])
        assert (status, told["cluster_id"]) == (200, made["cluster_id"])
        status, told = environment.ask(made["server_name"], port="remote_cluster")
        assert (status, told["cluster_id"]) == (200, made["cluster_id"])
        status, told = environment.ask(None, headers={"X-Found-Cluster": made["cluster_id"]})
        assert (status, told["headers"]["X-Forwarded-For"]) == (200, "127.0.0.1")
        process_ids.append(told["pid"])
    assert environment.ask("localhost")[0] == 404
    assert stat.S_IMODE(environment.layout.control_socket.stat().st_mode) == 0o600
    assert environment.stop() == 0
    assert not any(is_alive(process_id) for process_id in process_ids)
    assert list(environment.layout.run.iterdir()) == []
    for made in (before, meanwhile):
        folder = environment.layout.deployment(made["id"]).directory
        assert (folder / "stopped").exists()
        assert (folder / "seen.password").read_text() == made["password"]
        assert stat.S_IMODE((folder / "node.json").stat().st_mode) == 0o600


def test_a_node_that_dies_is_restarted(environment: Environment) -> None:
    """Soon, as another process, with its last words in its log."""
    environment.start()
    made = environment.create("logs", "--insecure-http")
    _, told = environment.ask(made["server_name"])
    os.kill(told["pid"], signal.SIGKILL)

    def answered_by_another() -> bool:
        # While nobody is there the door itself answers, with 503; what was just handed over is lost.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            status, answer = environment.ask(made["server_name"])
            return status == 200 and answer["pid"] != told["pid"]
        return False

    eventually(answered_by_another)
    eventually(lambda: environment.show("logs")["loopback_url"] == made["loopback_url"])
    assert "serving" in (environment.layout.logs / f"{made['id']}.log").read_text()


def test_a_node_that_always_fails_harms_nobody_else(environment: Environment) -> None:
    """It is told as rebooting, its log says why, and another deployment goes on."""
    broken = environment.create("broken")
    folder = environment.layout.deployment(broken["id"]).directory
    (folder / "misbehave").write_text("exit")
    environment.start()
    healthy = environment.create("healthy")
    assert environment.show("broken")["status"] in ("rebooting", "initializing")
    log = environment.layout.logs / f"{broken['id']}.log"
    eventually(lambda: log.exists() and log.read_text().count("no disk") >= 3)
    assert environment.ask(healthy["server_name"])[0] == 200
    assert environment.ask(broken["server_name"])[0] == 503
    with pytest.raises(ssl.SSLError):
        environment.ask(broken["server_name"], port="remote_cluster")
    (folder / "misbehave").unlink()
    eventually(lambda: environment.show("broken")["status"] == "started")


def test_no_node_outlives_a_killed_environment(environment: Environment) -> None:
    """And the next serve clears what was left and starts them again."""
    environment.start()
    made = environment.create("logs")
    _, told = environment.ask(made["server_name"])
    environment.kill()
    eventually(lambda: not is_alive(told["pid"]))
    assert environment.layout.ports.exists()
    environment.layout.ports.unlink()
    environment.start()
    eventually(lambda: environment.ask(made["server_name"])[0] == 200)


def test_a_node_that_does_not_stop_is_killed(environment: Environment) -> None:
    """After its time is over; everything else has stopped in order."""
    made = environment.create("stubborn")
    folder = environment.layout.deployment(made["id"]).directory
    (folder / "misbehave").write_text("ignore_sigterm")
    environment.start()
    eventually(lambda: environment.show("stubborn")["status"] == "started")
    assert environment.stop() == 0
    assert "is killed" in environment.output.read_text()


def test_a_second_serve_is_refused(environment: Environment) -> None:
    """With the process that holds the environment; the first goes on."""
    environment.start()
    assert environment.process is not None
    status, told = run_to_the_end(environment)
    assert status == 1
    assert f"in use by process {environment.process.pid}" in told
    assert command("deployment", "list", environment.directory) == []


def test_a_port_that_is_taken_is_named(environment: Environment) -> None:
    """With the setting and the variable; nothing is left running or lying about."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        status, told = run_to_the_end(environment, ISTHMUS_PORTS_REMOTE_CLUSTER=str(number))
    assert status == 1
    assert told.strip().count("\n") == 0
    for part in (f"127.0.0.1:{number} is in use", "ports.remote_cluster", "ISTHMUS_PORTS_REMOTE_CLUSTER"):
        assert part in told
    assert list(environment.layout.run.iterdir()) == []


def test_a_deployment_is_stopped_started_and_deleted(environment: Environment) -> None:
    """The door knows at once; the data goes with the deletion only."""
    environment.start()
    made = environment.create("logs")
    _, told = environment.ask(made["server_name"])
    command("deployment", "stop", environment.directory, "logs")
    assert not is_alive(told["pid"])
    assert environment.ask(made["server_name"])[0] == 503
    assert command("deployment", "start", environment.directory, "logs")["status"] == "started"
    assert environment.ask(made["server_name"])[0] == 200
    command("deployment", "delete", environment.directory, "logs", "--yes")
    assert environment.ask(made["server_name"])[0] == 404
    assert list(environment.layout.deployments.iterdir()) == []


def test_a_new_password_reaches_the_node(environment: Environment) -> None:
    """By a restart in order."""
    environment.start()
    made = environment.create("logs")
    changed = command("deployment", "reset-password", environment.directory, "logs")
    seen = environment.layout.deployment(made["id"]).directory / "seen.password"
    eventually(lambda: seen.read_text() == changed["password"])
    assert not environment.layout.deployment(made["id"]).first_password.exists()
    eventually(lambda: environment.show("logs")["status"] == "started")


def test_a_long_path_works_too(tmp_path: Path) -> None:
    """Unix sockets have short names only; they lie elsewhere then, and go when it stops."""
    environment = Environment(tmp_path / ("long" * 30) / "e")
    environment.start()
    try:
        made = environment.create("logs")
        assert environment.ask(made["server_name"])[0] == 200
        sockets = environment.layout.control_socket.readlink().parent
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        environment.stop()
    assert not sockets.exists()


def test_the_platform_answers_over_tls(environment: Environment) -> None:
    """With a certificate of the proxy CA, for those who have the password."""
    environment.start()
    context = ssl.create_default_context(cafile=str(environment.layout.authority("proxy").certificate))
    token = base64.b64encode(f"admin:{environment.made['admin']['password']}".encode()).decode()
    for headers, status in (({}, 401), ({"Authorization": f"Basic {token}"}, 200)):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", environment.ports["platform"], context=context, timeout=10
        )
        connection.request("GET", "/api/v1/deployments", headers=headers)
        assert connection.getresponse().status == status
        connection.close()


def test_it_stops_at_the_end_of_its_input(environment: Environment) -> None:
    """When asked to: the program that started it may die without a word."""
    environment.start(SERVE, "--until-stdin-closes", "--json")
    assert environment.process is not None
    assert environment.process.stdin is not None
    eventually(lambda: '"ready": true' in environment.output.read_text())
    environment.process.stdin.close()
    assert environment.process.wait(15) == 0


def test_ctrl_c_is_an_orderly_stop(environment: Environment) -> None:
    """Status 0, no traceback."""
    environment.start(SERVE_STAND_IN)
    made = environment.create("logs")
    assert environment.stop(signal.SIGINT) == 0
    assert (environment.layout.deployment(made["id"]).directory / "stopped").exists()
    assert "Traceback" not in environment.output.read_text()
