"""Five environments: one plain, one on another version of the protocol, one behind HAProxy, one far away."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from environments_support import Side, added_remote, attempt, put_documents, side_of, until
from load_balancer import SOURCE, haproxy
from slow_links import ROUND_TRIP_SECONDS, SlowLink, slow_namespace, slow_relay
from stand_in_remote import Authority, StandIn, stand_ins

from isthmus.sandbox import Sandbox, SandboxOptions, trust
from isthmus.sandbox.process import ServingProcess

pytestmark = pytest.mark.timeout(240)  # five environments on a busy machine; HAProxy may have to be installed

DOCUMENTS = 10
BALANCED, OTHER_VERSION = "enterprise-2", "hosted-3"


def _start_specially(directory: Path) -> ServingProcess:
    """Start one environment as it is to be special; the others as usual."""
    if directory.name == BALANCED:
        file = directory / "isthmus.toml"
        text = file.read_text()
        assert "proxy_protocol_from = []" in text
        file.write_text(text.replace("proxy_protocol_from = []", f'proxy_protocol_from = ["{SOURCE}"]'))
    if directory.name != OTHER_VERSION:
        return _START(directory)
    log = directory / "logs" / "serve.log"
    with log.open("wb") as output:
        command = [sys.executable, str(Path(__file__).with_name("serve_other_version.py"))]
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*command, str(directory), "1", "2"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return ServingProcess(process, log)


_START = ServingProcess.start


@pytest.fixture(scope="module")
def sides() -> Iterator[list[Side]]:
    """Run five environments, each with ten documents in ``items``: ``{"side": <name>, "number": 0-9}``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServingProcess, "start", _start_specially)
        with Sandbox(SandboxOptions(environments=5)) as sandbox:
            sides = [side_of(sandbox, environment) for environment in sandbox.fabric.environments]
            for side in sides:
                properties = {"side": {"type": "keyword"}, "number": {"type": "integer"}}
                side.client.call("PUT", "/items", {"mappings": {"properties": properties}})
                documents = {
                    str(number): {"side": side.alias, "number": number} for number in range(DOCUMENTS)
                }
                put_documents(side.client, "items", documents)
            yield sides


@pytest.fixture(scope="module")
def local(sides: list[Side]) -> Side:
    """Answer the side from which all is searched."""
    return sides[0]


def _moved(local: Side, remote: Side, address: str, **settings: Any) -> None:
    """Have the local side reach a remote at another address, with its name as before."""
    values = {"proxy_address": address, **settings}
    local.client.call(
        "PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {remote.alias: values}}}}
    )
    until(lambda: local.client.call("GET", "/_remote/info")[remote.alias]["connected"], f"{remote.alias}")


def _search(local: Side, expression: str, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = local.client.call("POST", f"/{expression}/_search", body)
    return answer


def _by_side(answer: dict[str, Any]) -> dict[str, int]:
    buckets = answer["aggregations"]["sides"]["buckets"]
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


SIDES = {"sides": {"terms": {"field": "side"}}}


def test_one_search_over_all_of_them(sides: list[Side], local: Side, tmp_path: Path) -> None:
    """Hits in one order, one aggregation and one account of five clusters, however each is reached."""
    _, far, _, balanced, other_version = sides
    with (
        haproxy(balanced.deployment.proxy_address, tmp_path) as (through, _),
        slow_relay(far.deployment.proxy_address) as slow,
    ):
        _moved(local, balanced, through)
        _moved(local, far, slow.address)
        try:
            sort = [{"number": "desc"}, {"side": "asc"}]
            answer = _search(local, "items,*:items", size=50, sort=sort, aggs=SIDES, track_total_hits=True)
        finally:
            _moved(local, balanced, balanced.deployment.proxy_address)
            _moved(local, far, far.deployment.proxy_address)
    assert answer["hits"]["total"] == {"value": 5 * DOCUMENTS, "relation": "eq"}
    names = sorted(side.alias for side in sides)
    expected = [(number, name) for number in reversed(range(DOCUMENTS)) for name in names]
    assert [(hit["sort"][0], hit["sort"][1]) for hit in answer["hits"]["hits"]] == expected
    assert {hit["_index"].rpartition(":")[0] for hit in answer["hits"]["hits"]} == {
        "",
        *(side.alias for side in sides[1:]),
    }
    assert _by_side(answer) == dict.fromkeys(names, DOCUMENTS)
    clusters = answer["_clusters"]
    assert (clusters["total"], clusters["successful"]) == (5, 5)
    assert set(clusters["details"]) == {"(local)", *(side.alias for side in sides[1:])}
    assert other_version.alias == OTHER_VERSION


def test_a_newer_version_is_spoken_to_in_the_common_one(sides: list[Side], local: Side) -> None:
    """A node that speaks versions 1 and 2 is connected to by one that speaks 1, in either direction."""
    other = sides[4]
    assert local.client.call("GET", "/_remote/info")[other.alias]["connected"]
    assert _search(local, f"{other.alias}:items", size=0)["hits"]["total"]["value"] == DOCUMENTS
    assert _search(other, f"{local.alias}:items", size=0)["hits"]["total"]["value"] == DOCUMENTS


def test_a_load_balancer_tells_whose_connection_it_is(sides: list[Side], local: Side, tmp_path: Path) -> None:
    """Through HAProxy with the PROXY protocol the search works; without the header the door closes."""
    balanced = sides[3]
    with haproxy(balanced.deployment.proxy_address, tmp_path) as (through, silent):
        _moved(local, balanced, through)
        try:
            assert _search(local, f"{balanced.alias}:items", size=0)["hits"]["total"]["value"] == DOCUMENTS
            with added_remote(local, balanced, key="a2V5OnNlY3JldA==", proxy_address=silent) as alias:
                information = until(
                    lambda: local.client.call("GET", "/_remote/info")[alias]["isthmus"].get("last_error"),
                    "the connection without a header to fail",
                )
                assert information["phase"] in ("tls", "connect")
        finally:
            _moved(local, balanced, balanced.deployment.proxy_address)


@pytest.mark.parametrize("way", ["relay", "netem"])
def test_a_search_needs_one_round_trip(sides: list[Side], local: Side, tmp_path: Path, way: str) -> None:
    """Over a warm connection every kind of search crosses a slow and lossy link once there and once back."""
    far = sides[1]
    ways: dict[str, Callable[[], AbstractContextManager[SlowLink]]] = {
        "relay": lambda: slow_relay(far.deployment.proxy_address),
        "netem": lambda: slow_namespace(far.deployment.proxy_address, tmp_path),
    }
    with ways[way]() as slow:
        # Nothing but what is asked for is to cross the link.
        _moved(local, far, slow.address, **{"transport.ping_schedule": "1h"})
        try:
            until(
                lambda: (
                    local.client.call("GET", "/_remote/info")[far.alias]["num_proxy_sockets_connected"] == 2
                ),
                "two warm connections",
            )
            alias = far.alias
            for method, path, body in (
                ("POST", f"/{alias}:items/_search", {}),
                ("POST", f"/{alias}:items/_search", {"size": 0, "aggs": SIDES}),
                ("POST", f"/{alias}:items/_search", {"sort": [{"number": "desc"}], "search_after": [5]}),
                ("POST", f"/items,{alias}:item*,*:items/_search", {"query": {"term": {"number": 3}}}),
                ("POST", f"/{alias}:items/_count", {}),
            ):
                slow.relay.forget()
                started = time.monotonic()
                local.client.call(method, path, body)
                assert time.monotonic() - started >= ROUND_TRIP_SECONDS * 0.95
                assert (slow.relay.round_trips, slow.relay.connections) == (1, 0), (method, path, body)
        finally:
            _moved(local, far, far.deployment.proxy_address, **{"transport.ping_schedule": None})


def test_without_a_common_version_a_remote_is_skipped(sides: list[Side], local: Side, tmp_path: Path) -> None:
    """Both ranges are told, nothing is searched there, and all five others answer."""
    known = {side.alias: side.environment.proxy_ca_pem for side in sides[1:]}
    authority = Authority(tmp_path)
    trust.trust_authorities(local.platform, local.deployment.id, {**known, "stand-in": authority.pem})
    try:
        with stand_ins() as servers:
            port = servers.listen(StandIn(versions=(2, 3)), authority.server_context("other.example.org"))
            where = {"proxy_address": f"127.0.0.1:{port}", "server_name": "other.example.org"}
            with added_remote(local, sides[1], key="a2V5OnNlY3JldA==", **where) as alias:
                state = until(lambda: _refused_or_none(local, alias), "the versions to be told")
                answer = _search(local, "items,*:items", size=0, aggs=SIDES, track_total_hits=True)
    finally:
        trust.trust_authorities(local.platform, local.deployment.id, known)
        trust.wait_until_connected(local.client, tuple(known), 30)
    assert "this side speaks [1-1]" in state["last_error"]["reason"]
    assert "the other side [2-3]" in state["last_error"]["reason"]
    assert answer["hits"]["total"]["value"] == 5 * DOCUMENTS
    assert (answer["_clusters"]["total"], answer["_clusters"]["successful"]) == (6, 5)
    assert answer["_clusters"]["details"][alias]["status"] == "skipped"


def _refused_or_none(side: Side, alias: str) -> dict[str, Any] | None:
    state: dict[str, Any] = side.client.call("GET", "/_remote/info")[alias]["isthmus"]
    return state if state["state"] == "refused" else None


def test_no_search_goes_on_from_a_remote_to_its_own_remotes(sides: list[Side], local: Side) -> None:
    """Everybody is everybody's remote here: each cluster is still searched once, never through another."""
    answer = _search(local, "*:items", size=0, aggs=SIDES, track_total_hits=True)
    assert _by_side(answer) == {side.alias: DOCUMENTS for side in sides[1:]}
    for chain in (
        f"{sides[1].alias}:{sides[2].alias}",
        f"{sides[1].alias}:{local.alias}",
        f"{sides[1].alias}:*",
    ):
        status, answer = attempt(local.client, "POST", f"/{chain}:items/_search", {"size": 0})
        assert status == 200
        assert answer["hits"]["total"]["value"] == 0, chain
    whole = f"{sides[1].alias}:items,-{sides[1].alias}:*,items"
    assert _by_side(_search(local, whole, size=0, aggs=SIDES)) == {local.alias: DOCUMENTS}
