"""Processes that are killed, stopped and brought back: what searches get meanwhile, and how it heals."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from environment_harness import is_alive
from environments_load import Outcome, searching
from environments_support import Side, attempt, key_client, processes, put_documents, side_of, until

from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import Sandbox, trust
from isthmus.sandbox.process import ServingProcess

_INDEX = "hurt"
_HERE, _THERE = 40, 60
#: how long a search may take in the worst case with the request's ``timeout`` of 1 s: 2 s of travel are
#: allowed on top, and the machine that runs the tests is busy
_LONGEST_SECONDS = 6.0


@dataclass
class Pair:
    """Two connected environments that a test may hurt."""

    local: Side
    remote: Side

    @property
    def path(self) -> str:
        """Where both sides are searched."""
        return f"/{_INDEX},{self.remote.alias}:{_INDEX}/_search"

    def found(self) -> int:
        """Search both sides and answer how many documents were found."""
        answer = self.local.client.call("POST", self.path, {"size": 0})
        return int(answer["hits"]["total"]["value"])

    def connected(self) -> bool:
        """Tell whether the link says that it is up. Sends nothing to the remote."""
        return bool(self.local.client.call("GET", "/_remote/info")[self.remote.alias]["connected"])

    def skip_unavailable(self, value: bool | None) -> None:
        """Configure whether a search goes on without the remote."""
        setting = {f"cluster.remote.{self.remote.alias}.skip_unavailable": value}
        self.local.client.call("PUT", "/_cluster/settings", {"persistent": setting})


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Start environments that nobody else uses, with documents on both sides."""
    with Sandbox() as sandbox:
        local, remote = (side_of(sandbox, each) for each in sandbox.fabric.environments)
        for side, count in ((local, _HERE), (remote, _THERE)):
            put_documents(side.client, _INDEX, {str(number): {"n": number} for number in range(count)})
        yield Pair(local, remote)


def _is_whole(outcome: Outcome) -> bool:
    return outcome.status == 200 and outcome.answer["hits"]["total"]["value"] == _HERE + _THERE


def _is_skipped_with_a_reason(outcome: Outcome, alias: str) -> bool:
    if outcome.status != 200 or outcome.answer["hits"]["total"]["value"] != _HERE:
        return False
    detail = outcome.answer["_clusters"]["details"][alias]
    return detail["status"] == "skipped" and bool(detail["failures"][0]["reason"]["reason"])


def test_a_remote_node_killed_under_load_is_skipped(pair: Pair) -> None:
    """Every search is whole or says why the remote is missing, none hangs, and it heals by itself."""
    with searching(pair.local, f"{pair.path}?timeout=1s", {"size": 0}) as load:
        until(lambda: len(load.outcomes) > 20, "searches")
        killed = pair.remote.kill_node()
        until(lambda: any(not _is_whole(outcome) for outcome in load.outcomes), "a search without it")
        pair.remote.until_node_answers(killed)
        until(pair.connected, "the link to heal")
        healed = time.monotonic()
        until(lambda: len(load.since(healed)) > 20, "searches after it")
    assert load.slowest_seconds() < _LONGEST_SECONDS
    for outcome in load.outcomes:
        assert _is_whole(outcome) or _is_skipped_with_a_reason(outcome, pair.remote.alias), outcome
    assert all(_is_whole(outcome) for outcome in load.since(healed))


def test_a_remote_node_killed_under_load_is_an_error_where_configured(pair: Pair) -> None:
    """With ``skip_unavailable: false`` every search is whole, or an error about that cluster."""
    pair.skip_unavailable(False)
    try:
        with searching(pair.local, f"{pair.path}?timeout=1s", {"size": 0}) as load:
            until(lambda: len(load.outcomes) > 20, "searches")
            killed = pair.remote.kill_node()
            until(lambda: any(not _is_whole(outcome) for outcome in load.outcomes), "an error")
            pair.remote.until_node_answers(killed)
            until(pair.connected, "the link to heal")
            healed = time.monotonic()
            until(lambda: len(load.since(healed)) > 20, "searches after it")
    finally:
        pair.skip_unavailable(None)
    assert load.slowest_seconds() < _LONGEST_SECONDS
    for outcome in load.outcomes:
        if not _is_whole(outcome):
            assert outcome.status in (503, 504), outcome
            assert pair.remote.alias in outcome.answer["error"]["reason"]
    assert all(_is_whole(outcome) for outcome in load.since(healed))


def test_a_remote_node_that_is_stopped_is_not_waited_for(pair: Pair) -> None:
    """It accepts and never answers: searches end at their timeout, then skip at once; waking it heals."""
    node = pair.remote.node_process_id()
    os.kill(node, signal.SIGSTOP)
    try:
        with searching(pair.local, f"{pair.path}?timeout=1s", {"size": 0}) as load:
            until(lambda: not pair.connected(), "the silence to be noticed")
            given_up = time.monotonic()
            until(lambda: len(load.since(given_up)) > 5, "searches without it")
        assert load.slowest_seconds() < _LONGEST_SECONDS
        for outcome in load.outcomes:
            assert _is_skipped_with_a_reason(outcome, pair.remote.alias), outcome
        first = load.outcomes[0].answer["_clusters"]["details"][pair.remote.alias]
        assert first["failures"][0]["reason"]["type"] == "receive_timeout_transport_exception"
        assert pair.local.client.call("GET", "/")["tagline"]
    finally:
        os.kill(node, signal.SIGCONT)
    until(pair.connected, "the link to heal")
    assert pair.found() == _HERE + _THERE


def test_a_stopped_remote_is_an_error_where_configured(pair: Pair) -> None:
    """With ``skip_unavailable: false`` the search fails at its timeout, as a timeout of that cluster."""
    node = pair.remote.node_process_id()
    pair.skip_unavailable(False)
    os.kill(node, signal.SIGSTOP)
    try:
        started = time.monotonic()
        status, answer = attempt(pair.local.client, "POST", f"{pair.path}?timeout=500ms", {"size": 0})
        assert time.monotonic() - started < _LONGEST_SECONDS
    finally:
        os.kill(node, signal.SIGCONT)
        pair.skip_unavailable(None)
    assert status == 504
    assert pair.remote.alias in answer["error"]["reason"]
    until(lambda: pair.connected() and pair.found() == _HERE + _THERE, "the link to heal")


def test_rotating_the_key_under_load_loses_no_request(pair: Pair) -> None:
    """Key after key is put in and the one before invalidated; every search is whole."""
    access = {"search": [{"names": ["*"]}]}
    before: list[str] = []
    with searching(pair.local, pair.path, {"size": 0}) as load:
        for number in range(6):
            body = {"name": f"rotated-{number}", "access": access}
            key = pair.remote.client.call("POST", "/_security/cross_cluster/api_key", body)
            moment = time.monotonic()
            trust.put_key(pair.local.platform, pair.local.deployment.id, pair.remote.alias, key["encoded"])
            until(lambda key=key: _key_in_use(pair) == key["id"], "the new key to be used")
            until(lambda moment=moment: len(load.since(moment)) > 20, "searches")
            if before:
                pair.remote.client.call("DELETE", "/_security/api_key", {"ids": before})
                before.clear()
            before.append(key["id"])
    assert len(load.outcomes) > 100
    assert [outcome for outcome in load.outcomes if not _is_whole(outcome)] == []


def test_nothing_is_lost_when_the_local_node_is_killed(pair: Pair) -> None:
    """It is restarted; documents, settings, users, roles, API keys and credentials are still there."""
    client = pair.local.client
    role = {"indices": [{"names": [f"{_INDEX}*"], "privileges": ["read"]}]}
    client.call("PUT", "/_security/role/survivor", role)
    client.call("PUT", "/_security/user/survivor", {"password": "a-long-password", "roles": ["survivor"]})
    key = client.call("POST", "/_security/api_key", {"name": "survivor"})
    client.call("PUT", f"/{_INDEX}/_alias/hurt-alias")
    settings = client.call("GET", "/_cluster/settings")
    mapping = client.call("GET", f"/{_INDEX}/_mapping")
    written = client.call("PUT", f"/{_INDEX}/_doc/last", {"n": -1})
    killed = pair.local.kill_node()
    pair.local.until_node_answers(killed)
    assert client.call("GET", "/_cluster/settings") == settings
    assert client.call("GET", f"/{_INDEX}/_mapping") == mapping
    assert client.call("GET", f"/{_INDEX}/_doc/last")["_seq_no"] == written["_seq_no"]
    assert client.call("GET", "/_alias/hurt-alias")[_INDEX] == {"aliases": {"hurt-alias": {}}}
    user = pair.local.client_of("survivor", "a-long-password")
    assert user.call("GET", "/hurt-alias/_count")["count"] == _HERE + 1
    assert user.call("GET", "/_security/_authenticate")["roles"] == ["survivor"]
    user.close()
    with_key = key_client(pair.local.deployment, key["encoded"])
    assert with_key.call("GET", "/_security/_authenticate")["api_key"]["id"] == key["id"]
    with_key.close()
    until(pair.connected, "the link to be opened again")
    client.call("DELETE", f"/{_INDEX}/_doc/last?refresh=true")
    assert pair.found() == _HERE + _THERE


# The last one: the deployment's own loopback port is another afterwards.
def test_a_whole_environment_killed_and_started_again_heals_without_a_request(pair: Pair) -> None:
    """On the same ports; the link is up again though nobody searched."""
    directory = Path(pair.remote.environment.directory)
    layout = EnvironmentLayout(directory)
    ports = json.loads(layout.ports.read_text())
    (serving,) = [pid for pid, command in processes() if "serve" in command and str(directory) in command]
    node = pair.remote.node_process_id()
    os.kill(serving, signal.SIGKILL)
    until(lambda: not pair.connected(), "the loss to be noticed")
    until(lambda: not is_alive(node), "the node to follow its supervisor")
    assert pair.found() == _HERE
    with pytest.MonkeyPatch.context() as patch:
        for name, port in ports.items():
            patch.setenv(f"ISTHMUS_PORTS_{name.upper()}", str(port))
        again = ServingProcess.start(directory)
    try:
        until(pair.connected, "the link to heal")
        assert pair.found() == _HERE + _THERE
    finally:
        again.ask_to_stop()
        again.wait_until_stopped()


def _key_in_use(pair: Pair) -> str:
    information = pair.local.client.call("GET", "/_remote/info")[pair.remote.alias]
    return str(information["isthmus"]["remote"]["api_key"]["id"])
