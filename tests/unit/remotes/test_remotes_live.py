"""Links and requests over real TLS on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from remotes_harness import ALIAS, FarCluster, Near, NearFactory, reader, until

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.protocol import BODY_ENCODING, Welcome
from isthmus.remotes.setting_values import Compression, CompressionScheme
from isthmus.remotes.trace import begin_trace
from isthmus.rest.http import Request, Response
from isthmus.rest.remote.interface import RemoteInterface

OPTIONS = IndicesOptions()


async def search(near: Near, *expressions: str, query: Any = None) -> list[str]:
    """Search as ann and answer the ids found."""
    target = near.remotes.get(ALIAS).search_target(reader("*"))
    request = SearchRequest(size=100, query=query)
    result = await target.search(expressions or ("logs-*",), OPTIONS, request)
    return [hit.id for hit in result.hits]


async def connect(near: Near, far: FarCluster, **settings: object) -> None:
    """Configure the far cluster and wait until the link is up."""
    near.connect(far.address, **settings)
    await near.remotes.settle([ALIAS], 5)
    assert near.state["connected"], near.state


async def test_a_search_answers_what_key_and_role_allow(near: Near, far: FarCluster) -> None:
    """A search over a link finds the documents that both the key and the caller's role let through."""
    await connect(near, far)
    assert await search(near, "*") == ["1", "2", "3"]


async def test_a_name_that_the_key_does_not_cover_is_forbidden(near: Near, far: FarCluster) -> None:
    """An index outside the key's access is a 403 of the remote, although the caller's role has it."""
    await connect(near, far)
    with pytest.raises(Failure) as caught:
        await search(near, "secret")
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert caught.value.fault is Fault.REMOTE
    assert "towards remote cluster" in caught.value.reason


async def test_a_caller_without_remote_privileges_is_refused_here(near: Near, far: FarCluster) -> None:
    """A caller whose roles name another alias gets a 403 and nothing is sent."""
    await connect(near, far)
    used = len(far.keys.used)
    with pytest.raises(Failure) as caught:
        near.remotes.get(ALIAS).search_target(reader("*", clusters=("us",)))
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert "no remote indices privileges apply for the target cluster" in caught.value.reason
    assert len(far.keys.used) == used


async def test_a_missing_index_is_a_404_of_the_remote(near: Near, far: FarCluster) -> None:
    """An exact name that is not there arrives as index_not_found_exception."""
    await connect(near, far)
    with pytest.raises(Failure) as caught:
        await search(near, "logs-none")
    assert (caught.value.kind, caught.value.error_type) == (
        FailureKind.NOT_FOUND,
        "index_not_found_exception",
    )


async def test_counting_and_resolving_answer_like_the_remote(near: Near, far: FarCluster) -> None:
    """Count and resolve go over the same link and see the same indices."""
    await connect(near, far)
    cluster = near.remotes.get(ALIAS)
    counted = await cluster.count(reader("*"), ("logs-*",), OPTIONS)
    assert (counted.count, counted.indices) == (3, 2)
    resolved = await cluster.resolve(reader("*"), ("logs-*",), OPTIONS)
    assert resolved.matching_indices is True
    assert resolved.welcome.cluster_name == "far"
    nothing = await cluster.resolve(reader("*"), ("other-*",), OPTIONS)
    assert nothing.matching_indices is False


class Watched(RemoteInterface):
    """Keeps how bodies came and went."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.encodings: list[tuple[str | None, str | None]] = []

    async def handle(self, request: Request) -> Response:
        """Take note."""
        response = await super().handle(request)
        if request.path.endswith("/search"):
            answered = dict(response.headers).get(BODY_ENCODING)
            self.encodings.append((request.headers.get(BODY_ENCODING), answered))
        return response


class WatchedOfOldTimes(Watched):
    """A peer from before there was more than zstd."""

    async def _handshake(self, incoming: Any) -> Welcome:
        return msgspec.structs.replace(await super()._handshake(incoming), features=("zstd",))


@pytest.mark.parametrize(
    ("kind", "scheme", "used"),
    [
        *((Watched, scheme, scheme.value) for scheme in CompressionScheme),
        *((WatchedOfOldTimes, scheme, "zstd") for scheme in CompressionScheme),
    ],
)
async def test_compression_is_used_both_ways_when_configured(
    near: Near, far: FarCluster, kind: type[Watched], scheme: CompressionScheme, used: str
) -> None:
    """With transport.compress true bodies are packed both ways, by a scheme that the peer has."""
    watched: list[Watched] = []
    far.interface_type = lambda *arguments, **named: watched.append(kind(*arguments, **named)) or watched[0]  # type: ignore[func-returns-value]
    await far.kill()
    await far.start()
    far.engine.documents["logs-a"] = [str(number) for number in range(90)]  # type: ignore[index]
    await connect(near, far, compression_scheme=scheme)
    query = {"terms": {"a": ["b" * 20] * 200}}
    assert len(await search(near, "logs-a", query=query)) == 90
    near.connect(far.address, compression=Compression.ALL, compression_scheme=scheme)
    link = near.remotes.get(ALIAS).link
    assert len(await search(near, "logs-a", query=query)) == 90
    assert near.remotes.get(ALIAS).link is link
    assert watched[0].encodings == [(None, None), (used, used)]


async def test_remote_info_has_elasticsearchs_fields_and_the_reason(near: Near, far: FarCluster) -> None:
    """_remote/info shows the documented fields for an API-key proxy link, and never the key."""
    await connect(near, far)
    await until(lambda: near.state["num_proxy_sockets_connected"] == 2)
    state = near.state
    extra = state.pop("isthmus")
    assert state == {
        "connected": True,
        "mode": "proxy",
        "proxy_address": str(far.address),
        "server_name": "far.example.org",
        "num_proxy_sockets_connected": 2,
        "max_proxy_socket_connections": 18,
        "initial_connect_timeout": "30s",
        "skip_unavailable": True,
        "cluster_credentials": "::es_redacted::",
    }
    assert extra["state"] == "connected"
    assert extra["remote"]["api_key"] == {"id": "id-of-key1", "name": "key1"}
    assert set(extra["phases"]) == {"resolve", "connect", "tls", "authenticate", "handshake"}


async def test_a_hundred_concurrent_searches_share_the_configured_sockets(
    near: Near, far: FarCluster
) -> None:
    """A hundred searches at once are all answered over at most proxy_socket_connections connections."""
    await connect(near, far, proxy_socket_connections=5)
    answers = await asyncio.gather(*(search(near) for _ in range(100)))
    assert answers == [["1", "2", "3"]] * 100
    assert far.open_connections <= 5


async def test_a_link_heals_without_any_request(near: Near, far: FarCluster) -> None:
    """A remote that is killed is noticed, and one that comes back is connected, without a request."""
    await connect(near, far)
    await far.kill()
    await until(lambda: not near.state["connected"])
    await until(lambda: near.state["isthmus"].get("last_error", {}).get("phase") == "connect")
    await far.start()
    await until(lambda: bool(near.state["connected"]))
    assert await search(near) == ["1", "2", "3"]
    assert near.state["isthmus"]["phases"]["connect"]["last_error"]["reason"].endswith(
        "refused the connection"
    )


async def test_a_remote_killed_during_a_search_is_a_failure_with_its_reason(
    near: Near, far: FarCluster
) -> None:
    """A search under way when the remote dies fails at once, and names the remote."""
    far.engine.hold = asyncio.Event()
    await connect(near, far)
    searching = asyncio.create_task(search(near))
    await far.engine.searching.wait()
    await far.kill()
    with pytest.raises(Failure) as caught:
        await asyncio.wait_for(searching, 5)
    assert caught.value.kind is FailureKind.UNAVAILABLE
    assert caught.value.fault is Fault.REMOTE
    assert f"[{ALIAS}]" in caught.value.reason


async def test_idle_connections_that_were_closed_cost_no_search(near: Near, far: FarCluster) -> None:
    """When the far side closes its idle connections, the next search is answered over a fresh one."""
    await connect(near, far)
    await until(lambda: far.open_connections == 2)
    assert far.server is not None
    for connection in list(far.server._state.connections):
        connection.transport.abort()
    answers = await asyncio.gather(*(search(near) for _ in range(4)))
    assert answers == [["1", "2", "3"]] * 4


async def test_cancelling_a_search_stops_it_on_the_other_side(near: Near, far: FarCluster) -> None:
    """A search that nobody waits for any more is cancelled over there, and the link goes on."""
    far.engine.hold = asyncio.Event()
    await connect(near, far)
    searching = asyncio.create_task(search(near))
    await far.engine.searching.wait()
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    await until(lambda: far.engine.cancelled == 1)
    far.engine.hold = None
    assert await search(near) == ["1", "2", "3"]


async def test_a_key_rotated_under_load_drops_no_request(near: Near, far: FarCluster) -> None:
    """While searches run the key is replaced and the old one invalidated: every search is answered."""
    await connect(near, far)
    stop = asyncio.Event()
    answered = 0

    async def load() -> None:
        nonlocal answered
        while not stop.is_set():
            assert await search(near) == ["1", "2", "3"]
            answered += 1

    workers = [asyncio.create_task(load()) for _ in range(8)]
    await until(lambda: answered > 50)
    far.keys.access["key2"] = ("logs-*",)
    near.keystore.put_key("key2")
    del far.keys.access["key1"]
    await until(lambda: near.state["isthmus"]["remote"]["api_key"]["name"] == "key2")
    before = answered
    await until(lambda: answered > before + 50)
    stop.set()
    await asyncio.gather(*workers)
    assert near.state["connected"]


async def test_a_key_that_appears_connects_the_waiting_link(near_of: NearFactory, far: FarCluster) -> None:
    """Without a key the alias says so; a key put into the keystore connects it within a second or so."""
    async with near_of(key=None) as near:
        near.connect(far.address)
        await near.remotes.settle([ALIAS], 5)
        state = near.state
        assert state["connected"] is False
        assert "cluster_credentials" not in state
        assert state["isthmus"]["security_model"] == "certificate"
        assert state["isthmus"]["state"] == "refused"
        with pytest.raises(Failure) as caught:
            await search(near)
        cause = caught.value.caused_by
        assert cause is not None
        assert "cluster.remote.eu.credentials" in cause.reason
        near.keystore.put_key("key1")
        await until(lambda: bool(near.state["connected"]))
        near.keystore.put_key(None)
        await until(lambda: near.state["isthmus"]["state"] == "refused")


async def test_an_invalidated_key_is_noticed_and_a_new_one_mends_it(near: Near, far: FarCluster) -> None:
    """A key that the remote takes no more shows as an authentication error; a good one heals the link."""
    await connect(near, far)
    far.keys.access.clear()
    with pytest.raises(Failure) as caught:
        await search(near)
    assert caught.value.kind is FailureKind.UNAVAILABLE
    assert "unable to authenticate user [key]" in caught.value.reason
    state = near.state
    assert state["connected"] is False
    assert state["isthmus"]["last_error"]["phase"] == "authenticate"
    assert "key1" not in str(state["isthmus"]["last_error"])
    far.keys.access["key9"] = ("logs-*",)
    near.keystore.put_key("key9")
    await until(lambda: bool(near.state["connected"]))
    assert await search(near) == ["1", "2", "3"]


async def test_changed_settings_open_new_connections_where_they_lead_elsewhere(
    near: Near, far: FarCluster
) -> None:
    """Another address is a new link; everything else is taken over by the one that is there."""
    await connect(near, far)
    await until(lambda: near.state["num_proxy_sockets_connected"] == 2)
    link = near.remotes.get(ALIAS).link
    near.connect(far.address, skip_unavailable=False)
    assert near.remotes.get(ALIAS).skip_unavailable is False
    near.connect(far.address, ping_interval_seconds=60.0, compression=Compression.ALL)
    near.connect(far.address, proxy_socket_connections=1)
    await until(lambda: far.open_connections == 1)
    assert near.state["max_proxy_socket_connections"] == 1
    near.connect(far.address, proxy_socket_connections=18)
    await until(lambda: far.open_connections == 2)
    assert near.remotes.get(ALIAS).link is link
    near.connect(HostAndPort("localhost", far.port))
    assert near.remotes.get(ALIAS).link is not link
    await until(lambda: bool(near.state["connected"]))
    near.remotes.apply({})
    await until(lambda: far.open_connections == 0)
    assert list(near.remotes.aliases()) == []


async def test_headers_of_the_trace_travel_and_cannot_be_forged(near: Near, far: FarCluster) -> None:
    """The opaque id arrives; one with line breaks arrives harmless and adds no header of its own."""
    await connect(near, far)
    for opaque_id, arrives in (("job 7", "job 7"), ("a\r\nauthorization: ApiKey stolen", "a%0D%0A")):
        begin_trace({"x-opaque-id": opaque_id, "traceparent": "00-ab-cd-01"})
        assert await search(near) == ["1", "2", "3"]
        assert far.engine.trace.opaque_id is not None
        assert far.engine.trace.opaque_id.startswith(arrives)
        assert far.engine.trace.trace_parent == "00-ab-cd-01"
    assert "stolen" not in far.keys.used


async def test_a_call_that_takes_too_long_is_a_timeout(near: Near, far: FarCluster) -> None:
    """A call has a deadline of its own, and the far side is told when to stop."""
    far.engine.hold = asyncio.Event()
    await connect(near, far)
    target = near.remotes.get(ALIAS).search_target(reader("*"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await target.search(("logs-*",), OPTIONS, SearchRequest())
    await until(lambda: far.engine.cancelled == 1)


async def test_a_trusted_authority_added_later_mends_the_link(near_of: NearFactory, far: FarCluster) -> None:
    """A CA put into the folder while the node runs is taken up, and the link connects."""
    async with near_of() as near:
        good = near.folder / "far.crt"
        text = good.read_bytes()
        good.unlink()
        near.remotes.look_for_changes()
        near.connect(far.address)
        await near.remotes.settle([ALIAS], 5)
        error = near.state["isthmus"]["last_error"]
        assert error["phase"] == "tls"
        assert "failed to establish trust with server" in error["reason"]
        good.write_bytes(text)
        await until(lambda: bool(near.state["connected"]))


async def test_waiting_requests_that_give_up_leave_nothing_behind(near: Near, far: FarCluster) -> None:
    """Requests that wait for the one socket and are cancelled take no connection with them."""
    far.engine.hold = asyncio.Event()
    await connect(near, far, proxy_socket_connections=1)
    first = asyncio.create_task(search(near))
    await far.engine.searching.wait()
    waiting = [asyncio.create_task(search(near)) for _ in range(10)]
    last = asyncio.create_task(search(near))
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    far.engine.hold.set()
    assert await first == await last == ["1", "2", "3"]
    assert far.engine.searches == 2
    assert far.open_connections == 1


async def test_a_query_too_large_to_be_sent_is_the_callers_fault(near: Near, far: FarCluster) -> None:
    """A request beyond the protocol's limit is a 413 here, and costs the remote nothing."""
    await connect(near, far)
    target = near.remotes.get(ALIAS).search_target(reader("*"))
    with pytest.raises(Failure) as caught:
        await target.search(("x",), OPTIONS, SearchRequest(query={"match": {"a": "x" * 17 * 1024 * 1024}}))
    assert caught.value.kind is FailureKind.TOO_LARGE
    assert far.engine.searches == 0


async def test_an_answer_too_large_to_be_taken_is_a_failure_of_that_remote(
    near_of: NearFactory, far: FarCluster
) -> None:
    """An answer beyond the limit ends the request with a reason and leaves the link usable."""
    async with near_of(maximum_answer_bytes=2000) as near:
        await connect(near, far)
        far.engine.documents["logs-b"] = [str(number) for number in range(100)]  # type: ignore[index]
        with pytest.raises(Failure) as caught:
            await search(near, "logs-b")
        assert "the answer is larger than [2000] bytes" in caught.value.reason
        assert await search(near, "logs-a") == ["1", "2"]


async def test_a_remote_that_may_not_be_skipped_is_waited_for(near: Near, far: FarCluster) -> None:
    """With skip_unavailable false a search has an attempt made even while the link waits for its next one."""
    await far.kill()
    near.connect(far.address, skip_unavailable=False)
    await until(lambda: near.state["isthmus"].get("failures_in_a_row", 0) >= 4)
    await far.start()
    assert await search(near) == ["1", "2", "3"]


async def test_resolving_gives_up_after_its_timeout(near: Near, far: FarCluster) -> None:
    """A remote that does not answer is told apart by the caller's own deadline."""
    await connect(near, far)
    stuck = asyncio.Event()

    async def never(credentials: str, action: str = "") -> None:
        del credentials, action
        await stuck.wait()

    far.keys.authenticate_cross_cluster = never  # type: ignore[method-assign,assignment]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await near.remotes.get(ALIAS).resolve(reader("*"), None, OPTIONS)
    stuck.set()
