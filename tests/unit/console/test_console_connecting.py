from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from isthmus.console.connecting.commands import KEY_PLACEHOLDER
from isthmus.console.connecting.plan import Connection, Request, Side, StepRefusedError, plan
from isthmus.console.connecting.run import run
from isthmus.errors import Failure

_KEY = "aWQ6c2VjcmV0LW9mLXRoZS1rZXk="
_CONNECTION = {
    "alias": "enterprise",
    "local_deployment_id": "d" * 32,
    "proxy_address": "127.0.0.1:9443",
    "server_name": "x.enterprise.localhost",
    "key_name": "hosted-to-enterprise-1",
    "access": {"search": [{"names": ["logs-*"]}]},
}
_STEPS = plan(Connection(**_CONNECTION))
_TRUST = {"accounts": [], "direct": [{"type": "ECE", "name": "older", "certificates": [{"pem": "OLD"}]}]}
_EMPTY: dict[str, Any] = {"keys": [], "trust": _TRUST, "keystore": {}, "remotes": {}}


class _Apis:
    """Both environments as far as a connection touches them. ``fail_at``: the request that is refused.

    ``lost``: that request takes effect and only its answer is lost. ``refuse_undo``: so is all undoing.
    """

    def __init__(self, fail_at: int = -1, *, lost: bool = False, refuse_undo: bool = False) -> None:
        self.state = copy.deepcopy(_EMPTY)
        self.calls: list[Request] = []
        self.connected = True
        self.undoing = asyncio.Event()
        self._fail_at, self._lost, self._refuse_undo = fail_at, lost, refuse_undo

    async def call(self, request: Request) -> Any:
        await asyncio.sleep(0)
        number = len(self.calls)
        self.calls.append(request)
        failed_before = 0 <= self._fail_at < number
        if number == self._fail_at and not self._lost:
            raise StepRefusedError("refused by the test")
        if failed_before:
            self.undoing.set()
            await asyncio.sleep(0)
        if failed_before and self._refuse_undo:
            raise StepRefusedError("still refused")
        answer = self._effect(request) or self._answer(request.path)
        if number == self._fail_at:
            raise StepRefusedError("the answer was lost")
        return answer

    def _effect(self, request: Request) -> Any:
        state, body = self.state, request.body
        match (request.side, request.method):
            case (Side.REMOTE, "POST"):
                state["keys"].append(body["name"])
                return {"id": "id", "encoded": _KEY}
            case (Side.REMOTE, "DELETE"):
                state["keys"] = [name for name in state["keys"] if name != body["name"]]
            case (Side.LOCAL_PLATFORM, "PUT"):
                state["trust"] = body["resources"]["elasticsearch"][0]["settings"]["trust"]
            case (Side.LOCAL_PLATFORM, "PATCH"):
                for name, secret in body["secrets"].items():
                    state["keystore"].pop(name, None)
                    state["keystore"].update({name: secret} if secret else {})
            case (Side.LOCAL, "PUT"):
                for alias, values in body["persistent"]["cluster"]["remote"].items():
                    kept = {**state["remotes"].pop(alias, {}), **values}
                    kept = {name: value for name, value in kept.items() if value is not None}
                    state["remotes"].update({alias: kept} if kept else {})
        return None

    def _answer(self, path: str) -> Any:
        state = self.state
        if path == "/_cluster/settings":
            return {"persistent": {"cluster": {"remote": dict(state["remotes"])}}, "transient": {}}
        if path.endswith("/keystore"):
            return {"secrets": {name: {} for name in state["keystore"]}}
        if path.endswith("/tls/proxy"):
            return {"chain": ["LEAF", "ROOT"]}
        if path == "/_remote/info":
            error = {"last_error": {"reason": "nobody answers.", "remedy": "Open the port"}}
            return {alias: {"connected": self.connected, "isthmus": error} for alias in state["remotes"]}
        if "_search" in path:
            return {"_clusters": {"details": {"enterprise": {"status": "successful"}}}}
        resource = {"region": "here", "info": {"settings": {"trust": copy.deepcopy(state["trust"])}}}
        return {"resources": {"elasticsearch": [resource]}}


async def test_a_connection_is_made_whole() -> None:
    """All steps done: the key, the authority (the chain's last), the keystore's entry and the alias."""
    apis = _Apis()
    heard: list[str] = []
    done = await run(_STEPS, apis, heard.append)
    assert done.failed is None
    assert done.steps == tuple(heard) == tuple(step.title for step in _STEPS)
    assert apis.state["keys"] == ["hosted-to-enterprise-1"]
    assert [entry["name"] for entry in apis.state["trust"]["direct"]] == ["older", "enterprise"]
    assert apis.state["trust"]["direct"][1]["certificates"] == [{"pem": "ROOT"}]
    assert apis.state["keystore"] == {
        "cluster.remote.enterprise.credentials": {"value": _KEY, "as_file": False}
    }
    assert apis.state["remotes"]["enterprise"]["server_name"] == "x.enterprise.localhost"


async def test_no_secret_is_in_the_commands_or_in_a_representation() -> None:
    """The equivalent commands hold a placeholder, and so does what a log of the run could show."""
    apis = _Apis()
    done = await run(_STEPS, apis)
    assert len(done.commands) == len(_STEPS)
    assert KEY_PLACEHOLDER in "".join(done.commands)
    assert _KEY not in f"{done}{apis.calls}"


async def test_an_authority_is_added_where_nobody_is_trusted_directly() -> None:
    """The platform answers null for no direct trust at all."""
    apis = _Apis()
    apis.state["trust"] = {"accounts": None, "direct": None}
    done = await run(_STEPS, apis)
    assert done.failed is None
    assert [entry["type"] for entry in apis.state["trust"]["direct"]] == ["proxy"]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("number", range(len(_STEPS)))
async def test_nothing_is_left_when_a_step_fails(number: int, lost: bool) -> None:
    """Whichever request is refused, or has its answer lost, both sides are as they were before."""
    apis = _Apis(number, lost=lost)
    done = await run(_STEPS, apis)
    assert done.failed == _STEPS[number].title
    assert apis.state == _EMPTY
    assert done.left_behind == ()
    assert done.steps == tuple(step.title for step in _STEPS[:number])


@pytest.mark.parametrize("number", range(len(_STEPS)))
async def test_nothing_is_left_when_the_run_is_cancelled(number: int) -> None:
    """Closing the page during a step undoes what was done."""
    apis = _Apis()
    task: asyncio.Task[Any]

    def cancel(title: str) -> None:
        if title == _STEPS[number].title:
            task.cancel()

    task = asyncio.create_task(run(_STEPS, apis, cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert apis.state == _EMPTY


async def test_nothing_is_left_when_undoing_is_cancelled_again_and_again() -> None:
    """A run that is undoing after a refusal finishes that first, and is cancelled then."""
    apis = _Apis(len(_STEPS) - 1)
    task = asyncio.create_task(run(_STEPS, apis))
    await apis.undoing.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert apis.state == _EMPTY


async def test_what_cannot_be_undone_is_told_as_commands() -> None:
    """An undo that is refused does not stop the others, and its command is there to be run by hand."""
    done = await run(_STEPS, _Apis(len(_STEPS) - 1, refuse_undo=True))
    assert done.undone == ()
    assert [text.split('"$')[2].split('"')[0] for text in done.left_behind] == [
        "LOCAL_URL", "LOCAL_PLATFORM_URL", "LOCAL_PLATFORM_URL", "REMOTE_URL",
    ]  # fmt: skip
    assert _KEY not in "".join(done.left_behind)


async def test_a_link_that_stays_down_is_told_in_words_and_undone() -> None:
    """The reason is the link's last error with its remedy."""
    apis = _Apis()
    apis.connected = False
    done = await run(_STEPS, apis, wait_seconds=0)
    assert done.failed == "Wait for the connection"
    assert done.reason == "not connected within 0 s: nobody answers. Open the port"
    assert apis.state == _EMPTY


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("keystore", {"cluster.remote.enterprise.credentials": {}}, "the keystore already holds"),
        ("remotes", {"enterprise": {"mode": "proxy"}}, "There is already a remote cluster with that name"),
    ],
)
async def test_what_is_there_is_never_overwritten(member: str, value: Any, said: str) -> None:
    """A key or an alias of this name is refused before anything is changed."""
    apis = _Apis()
    apis.state[member] = value
    before = copy.deepcopy(apis.state)
    done = await run(_STEPS, apis)
    assert said in done.reason
    assert apis.state == before
    assert all(call.method == "GET" for call in apis.calls)


async def test_an_authority_that_is_trusted_already_stays_when_a_later_step_fails() -> None:
    """Trust that was there before is neither written twice nor taken away."""
    apis = _Apis(len(_STEPS) - 2)
    there = {"type": "proxy", "name": "mine", "certificates": [{"pem": "ROOT\n"}]}
    apis.state["trust"]["direct"].append(there)
    before = copy.deepcopy(apis.state)
    done = await run(_STEPS, apis)
    assert done.failed is not None
    assert apis.state == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"alias": "no spaces"},
        {"proxy_address": "127.0.0.1"},
        {"access": {}},
        {"access": {"replication": [{"names": ["a"], "query": "{}"}]}},
    ],
)
def test_what_cannot_be_connected_is_refused_before_any_request(wrong: dict[str, Any]) -> None:
    """A connection that is made is one whose alias, address and access the APIs take."""
    with pytest.raises(Failure):
        Connection(**{**_CONNECTION, **wrong})
