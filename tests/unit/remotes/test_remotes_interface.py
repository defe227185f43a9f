"""What the remote cluster server port answers, request by request."""

from __future__ import annotations

import asyncio

import msgspec
import orjson
import pytest
import zstandard
from remotes_harness import FakeEngine, FakeKeys, identity, reader

from isthmus.exchange import FailureReport, Record, SearchRequest, SearchResult
from isthmus.remotes.body_encodings import decompressed
from isthmus.remotes.protocol import (
    CONTENT_TYPE,
    FEATURES,
    MAXIMUM_REQUEST_BYTES,
    CountAnswer,
    CountCall,
    Decoders,
    Hello,
    Pong,
    ResolveAnswer,
    ResolveCall,
    SearchCall,
    Welcome,
    encode,
)
from isthmus.rest.http import Request, Response
from isthmus.rest.remote.gates import KeyGate
from isthmus.rest.remote.interface import RemoteInterface
from isthmus.security.principal import RoleDescriptor
from isthmus.security.remote_caller import RemoteSubject, remote_subject

KEY = {"authorization": "ApiKey key1"}
CALLER = remote_subject(reader("*"), "eu", "indices:data/read/search")


@pytest.fixture
def engine() -> FakeEngine:
    """Make an engine with three indices."""
    return FakeEngine(**{"logs-a": ["1", "2"], "logs-b": ["3"], "secret": ["4"]})


@pytest.fixture
def interface(engine: FakeEngine) -> RemoteInterface:
    """Make a port that takes one key."""
    return RemoteInterface(KeyGate(FakeKeys(key1=("logs-*",))), engine, identity("far"))  # type: ignore[arg-type]


async def ask(interface: RemoteInterface, action: str, record: Record | bytes, **headers: str) -> Response:
    """Send one action with the good key."""
    body = record if isinstance(record, bytes) else encode(record)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await interface.handle(Request("POST", f"/_isthmus/v1/{action}", {}, {**KEY, **named}, body))


def body_of(response: Response) -> bytes:
    """Answer the body of a response that is not streamed."""
    assert isinstance(response.body, bytes)
    return response.body


def report_of(response: Response) -> FailureReport:
    """Read an answer that is a failure."""
    assert response.content_type == CONTENT_TYPE
    return Decoders().decode(FailureReport, body_of(response))


async def test_the_handshake_introduces_this_cluster_and_the_key(interface: RemoteInterface) -> None:
    """A hello is answered by names, versions, features and which key was recognised."""
    response = await ask(interface, "handshake", Hello(node_id="n"))
    welcome = Decoders().decode(Welcome, body_of(response))
    assert (welcome.cluster_name, welcome.key_id) == ("far", "id-of-key1")
    assert welcome.features == FEATURES
    assert (welcome.minimum_version, welcome.maximum_version) == (1, 1)


async def test_a_peer_of_another_protocol_is_told_both_versions(interface: RemoteInterface) -> None:
    """A hello without a common version is refused with both ranges, in the words of the side that asks."""
    hello = Hello(minimum_version=7, maximum_version=9, software_version="3.0.0")
    response = await ask(interface, "handshake", hello)
    assert response.status == 400
    reason = report_of(response).reason
    assert "this side speaks [7-9], software [3.0.0], the other side [1-1], software [0.1.0]" in reason
    assert reason.endswith("; upgrade the other side")


async def test_search_count_resolve_and_ping_are_answered(interface: RemoteInterface) -> None:
    """Every action of the protocol answers its own record."""
    search = SearchCall(caller=CALLER, expressions=("*",), request=SearchRequest())
    result = Decoders().decode(SearchResult, body_of(await ask(interface, "search", search)))
    assert [hit.id for hit in result.hits] == ["1", "2", "3"]
    count = await ask(interface, "count", CountCall(caller=CALLER, expressions=("logs-a",)))
    assert Decoders().decode(CountAnswer, body_of(count)) == CountAnswer(count=2, indices=1)
    resolve = await ask(interface, "resolve", ResolveCall(caller=CALLER, expressions=("logs-*",)))
    assert Decoders().decode(ResolveAnswer, body_of(resolve)).matching_indices is True
    ping = await ask(interface, "ping", Pong())
    assert Decoders().decode(Pong, body_of(ping)).cluster_id == "far-cluster-id"


async def test_an_unknown_action_is_refused_in_elasticsearchs_words(interface: RemoteInterface) -> None:
    """Whatever is not an action of the protocol is a 403 that names it."""
    response = await ask(interface, "delete_everything", b"")
    assert response.status == 403
    assert report_of(response).reason == (
        "action [delete_everything] is not allowed as a cross cluster operation on the dedicated remote"
        " cluster server port"
    )


async def test_without_a_good_key_nothing_is_told(interface: RemoteInterface, engine: FakeEngine) -> None:
    """A wrong key is a 401 for every action, known or not, and for large bodies before they are read."""
    for action in ("handshake", "search", "nonsense"):
        bad = Request("POST", f"/_isthmus/v1/{action}", {}, {"authorization": "ApiKey bad"}, b"")
        response = await interface.handle(bad)
        assert response.status == 401
        assert report_of(response).error_type == "security_exception"
        refused = await interface.admit(bad)
        assert refused is not None
        assert refused.status == 401
    assert engine.searches == 0


@pytest.mark.parametrize("path", ["/", "/_search", "/_isthmus/v2/search", "/_isthmus/v1x", "/_cat/indices"])
async def test_there_is_no_rest_api_on_this_port(interface: RemoteInterface, path: str) -> None:
    """Any other path is a 404 in JSON that says what the port is for, key or no key."""
    response = await interface.handle(Request("GET", path, {}, KEY))
    assert (response.status, response.content_type) == (404, "application/json")
    assert "dedicated remote cluster server port" in orjson.loads(body_of(response))["error"]["reason"]


async def test_a_subject_cannot_ask_for_more_than_index_privileges(interface: RemoteInterface) -> None:
    """A peer that sends a subject with cluster privileges is refused."""
    subject = RemoteSubject(
        username="eve",
        realm_name="r",
        realm_type="r",
        role_sets=((RoleDescriptor(name="x", cluster=("all",)),),),
    )
    response = await ask(interface, "search", SearchCall(caller=subject, expressions=("*",)))
    assert response.status == 400
    assert "can only contain index privileges" in report_of(response).reason


async def test_a_subject_without_privileges_sees_nothing(interface: RemoteInterface) -> None:
    """A key alone does not let anybody search: the caller's own privileges are needed as well."""
    subject = RemoteSubject(username="eve", realm_name="r", realm_type="r")
    response = await ask(interface, "search", SearchCall(caller=subject, expressions=("*",)))
    assert response.status == 403


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"\xff" * 100, {}, 400),
        (msgspec.msgpack.encode({"caller": 1}), {}, 400),
        (b"x" * (MAXIMUM_REQUEST_BYTES + 1), {}, 413),
        (zstandard.compress(b"\0" * (MAXIMUM_REQUEST_BYTES + 1)), {"isthmus_body_encoding": "zstd"}, 413),
        (b"junk", {"isthmus_body_encoding": "zstd"}, 400),
        (b"junk", {"isthmus_body_encoding": "br"}, 415),
        (b"", {"isthmus_timeout_milliseconds": "soon"}, 400),
        (b"", {"isthmus_timeout_milliseconds": "-1"}, 400),
        (b"", {"isthmus_timeout_milliseconds": "\u0663"}, 400),
    ],
)
async def test_bad_bodies_and_headers_are_the_peers_fault(
    interface: RemoteInterface, body: bytes, headers: dict[str, str], status: int
) -> None:
    """No body and no header makes a 500."""
    response = await ask(interface, "search", body, **headers)
    assert response.status == status
    assert report_of(response).fault == "caller"


async def test_the_callers_deadline_ends_the_work_here(
    interface: RemoteInterface, engine: FakeEngine
) -> None:
    """A search that takes longer than the peer waits is cancelled and answered as a timeout."""
    engine.hold = asyncio.Event()
    call = SearchCall(caller=CALLER, expressions=("*",))
    response = await ask(interface, "search", call, isthmus_timeout_milliseconds="50")
    assert response.status == 504
    assert engine.cancelled == 1


async def test_a_large_body_of_a_good_peer_is_admitted_up_to_the_limit(interface: RemoteInterface) -> None:
    """Admission passes a body within the limit and refuses one beyond it."""
    head = Request("POST", "/_isthmus/v1/search", {}, {**KEY, "content-length": "2000000"})
    assert await interface.admit(head) is None
    large = Request("POST", "/_isthmus/v1/search", {}, {**KEY, "content-length": str(10**12)})
    refused = await interface.admit(large)
    assert refused is not None
    assert refused.status == 413
    stranger = await interface.admit(Request("PUT", "/x", {}, KEY))
    assert stranger is not None
    assert stranger.status == 404
    assert interface.may_be_abandoned("POST", "/_isthmus/v1/search")


async def test_a_bug_of_the_engine_is_an_internal_failure_without_details(
    interface: RemoteInterface, engine: FakeEngine
) -> None:
    """Whatever goes wrong inside is answered as a record, and tells a peer nothing of the inside."""
    engine.documents = None  # type: ignore[assignment]
    response = await ask(interface, "search", SearchCall(caller=CALLER, expressions=("*",)))
    assert response.status == 500
    assert report_of(response).reason == "internal error of the remote cluster"


@pytest.mark.parametrize("encoding", ["zstd", "lz4", "deflate"])
async def test_large_answers_are_packed_for_peers_that_take_it(
    interface: RemoteInterface, engine: FakeEngine, encoding: str
) -> None:
    """The answer is compressed only when the peer says how."""
    engine.documents = {"logs-a": [str(number) for number in range(50)]}  # type: ignore[dict-item]
    call = SearchCall(caller=CALLER, expressions=("*",), request=SearchRequest(size=50))
    plain = await ask(interface, "search", call)
    packed = await ask(interface, "search", call, isthmus_accepted_body_encoding=encoding)
    other = await ask(interface, "search", call, isthmus_accepted_body_encoding="br")
    assert plain.headers == other.headers == ()
    assert packed.headers == (("isthmus-body-encoding", encoding),)
    assert len(body_of(packed)) < len(body_of(plain))
    assert decompressed(body_of(packed), encoding, MAXIMUM_REQUEST_BYTES) == body_of(plain)
