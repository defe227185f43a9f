"""``isthmus sandbox``: what it prints, what can be reached, and that no trace of it stays."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from environment_harness import is_alive
from environments_support import processes_in, until

from isthmus.cli.main import main
from isthmus.sandbox.client import JsonClient

_ENVIRONMENT_MEMBERS = {
    "kind",
    "scope_id",
    "platform_url",
    "proxy_ca",
    "transport_ca",
    "admin",
    "deployments",
}
_DEPLOYMENT_MEMBERS = {
    "id",
    "cluster_id",
    "alias_for_others",
    "url",
    "username",
    "password",
    "ca",
    "remotes",
}
_OUR_ENVIRONMENT_MEMBERS = {"directory", "proxy_ca_pem", "transport_ca_pem"}
_OUR_DEPLOYMENT_MEMBERS = {"name", "ca_pem", "proxy_address", "server_name"}


class RunningSandbox:
    """One ``isthmus sandbox --json`` and what it printed."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "isthmus", "sandbox", "--json", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().decode()
        assert self.line, self.error()
        self.fabric: dict[str, Any] = json.loads(self.line)
        self.environments: list[dict[str, Any]] = self.fabric["environments"]
        self.folder = folder

    def error(self) -> str:
        """Wait for the end and answer what was printed on standard error."""
        return self.process.communicate(timeout=30)[1].decode()

    def process_ids(self) -> list[int]:
        """Answer every process that serves something in the folder."""
        return processes_in(str(self.folder))

    def left_behind(self) -> list[str]:
        """Answer the names of files and folders that are still there."""
        return [entry.name for entry in self.folder.iterdir()]

    def end(self) -> None:
        """Close the pipes and wait."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait(30)


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[RunningSandbox]:
    """Run a sandbox whose temporary files are in this folder."""
    sandbox = RunningSandbox(folder, options)
    try:
        yield sandbox
    finally:
        sandbox.end()


def deployment_client(deployment: dict[str, Any]) -> JsonClient:
    """Answer a client with what was printed and nothing else."""
    return JsonClient.for_url(
        deployment["url"], deployment["username"], deployment["password"], deployment["ca"]
    )


def test_the_line_has_every_member_and_everything_is_reachable(tmp_path: Path) -> None:
    """Two environments, each with a platform and a deployment that knows the other; stops at end of input."""
    with started(tmp_path) as sandbox:
        assert sandbox.line.count("\n") == 1
        assert set(sandbox.fabric) == {"environments"}
        assert [environment["kind"] for environment in sandbox.environments] == ["hosted", "enterprise"]
        for environment, other in zip(sandbox.environments, reversed(sandbox.environments), strict=True):
            assert set(environment) == _ENVIRONMENT_MEMBERS | _OUR_ENVIRONMENT_MEMBERS
            assert set(environment["admin"]) == {"user", "password"}
            assert Path(environment["proxy_ca"]).read_text() == environment["proxy_ca_pem"]
            assert Path(environment["transport_ca"]).read_text() == environment["transport_ca_pem"]
            assert environment["proxy_ca_pem"] != environment["transport_ca_pem"]
            (deployment,) = environment["deployments"]
            assert set(deployment) == _DEPLOYMENT_MEMBERS | _OUR_DEPLOYMENT_MEMBERS
            assert deployment["url"].startswith("https://127.0.0.1:")
            assert deployment["remotes"] == [other["deployments"][0]["alias_for_others"]]
            client = deployment_client(deployment)
            assert client.call("GET", "/")["cluster_uuid"]
            (remote,) = client.call("GET", "/_remote/info").values()
            assert remote["connected"] is True
            assert (
                client.call("GET", f"/{deployment['remotes'][0]}:*/_search")["_clusters"]["successful"] == 1
            )
            client.close()
            admin = environment["admin"]
            platform = JsonClient.for_url(
                environment["platform_url"], admin["user"], admin["password"], environment["proxy_ca"]
            )
            listed = platform.call("GET", "/api/v1/deployments")["deployments"]
            assert [each["id"] for each in listed] == [deployment["id"]]
            platform.close()
        process_ids = sandbox.process_ids()
        assert len(process_ids) == 4
        assert sandbox.process.stdin is not None
        sandbox.process.stdin.close()
        assert sandbox.process.wait(20) == 0
        assert not any(is_alive(process_id) for process_id in process_ids)
        assert sandbox.left_behind() == []


def test_three_environments_know_each_other(tmp_path: Path) -> None:
    """``--environments`` and ``--kind``: every deployment searches all others; stops at SIGTERM."""
    with started(tmp_path, "--environments", "3", "--kind", "enterprise") as sandbox:
        assert [environment["kind"] for environment in sandbox.environments] == ["enterprise"] * 3
        assert len({environment["scope_id"] for environment in sandbox.environments}) == 3
        deployments = [environment["deployments"][0] for environment in sandbox.environments]
        aliases = [deployment["alias_for_others"] for deployment in deployments]
        assert aliases == ["enterprise", "enterprise-2", "enterprise-3"]
        for number, deployment in enumerate(deployments):
            client = deployment_client(deployment)
            client.call("PUT", "/everywhere/_doc/1?refresh=true", {"number": number})
            client.close()
        for deployment in deployments:
            assert set(deployment["remotes"]) == set(aliases) - {deployment["alias_for_others"]}
            client = deployment_client(deployment)
            answer = client.call("POST", "/everywhere,*:everywhere/_search")
            assert answer["_clusters"]["successful"] == 3
            assert {hit["_source"]["number"] for hit in answer["hits"]["hits"]} == {0, 1, 2}
            client.close()
        process_ids = sandbox.process_ids()
        sandbox.process.send_signal(signal.SIGTERM)
        assert sandbox.process.wait(20) == 0
        assert not any(is_alive(process_id) for process_id in process_ids)
        assert sandbox.left_behind() == []


def test_without_encryption_and_without_trust(tmp_path: Path) -> None:
    """``--insecure-http`` answers plain HTTP, ``--model none`` connects nothing.

    SIGKILL leaves it no chance to clean up: the folder stays, but no process does.
    """
    options = ("--insecure-http", "--model", "none", "--kind", "hosted", "--kind", "hosted")
    with started(tmp_path, *options) as sandbox:
        assert [environment["kind"] for environment in sandbox.environments] == ["hosted", "hosted"]
        for environment in sandbox.environments:
            (deployment,) = environment["deployments"]
            assert deployment["url"].startswith("http://127.0.0.1:")
            assert deployment["remotes"] == []
            client = deployment_client(deployment)
            assert client.call("GET", "/_remote/info") == {}
            client.close()
        process_ids = sandbox.process_ids()
        assert len(process_ids) == 4
        sandbox.process.kill()
        sandbox.process.wait(10)
        until(lambda: not any(is_alive(process_id) for process_id in process_ids), "the processes to end")


def test_a_sandbox_stopped_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM before it is ready ends what has been started by then, and removes the folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "isthmus", "sandbox", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    until(lambda: processes_in(str(tmp_path)), "its first process")
    started_by_then = processes_in(str(tmp_path))
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=30)
    assert printed == b""
    until(lambda: not any(is_alive(process_id) for process_id in started_by_then), "the processes to end")
    assert processes_in(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--environments", "0"), "1 to 16 environments"),
        (("--environments", "17"), "1 to 16 environments"),
        (("--environments", "many"), "not a valid integer"),
        (("--kind", "other"), "'hosted', 'enterprise'"),
        (("--model", "other"), "none"),
        (("--nonsense",), "No such option"),
    ],
)
def test_options_that_make_no_sense(options: tuple[str, ...], told: str) -> None:
    """They are told, with status 2, and nothing is started."""
    ran = CliRunner().invoke(main, ["sandbox", *options])
    assert ran.exit_code == 2
    assert told in ran.output


def test_the_words_for_people(tmp_path: Path) -> None:
    """Without ``--json`` the addresses and passwords are printed to be read; Ctrl-C removes everything."""
    process = subprocess.Popen(
        [sys.executable, "-m", "isthmus", "sandbox", "--environments", "1", "--insecure-http"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "removes everything" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1]
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=30)
    assert printed == ""
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert "hosted environment" in lines[0]
    assert any("http://127.0.0.1:" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
