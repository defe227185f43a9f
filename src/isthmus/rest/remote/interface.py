"""What a node answers on its ports for other clusters: the remote cluster server (9443) and transport (9400).

Only the actions of :mod:`isthmus.remotes.protocol`, only for clusters that the port's gate lets in
(:mod:`isthmus.rest.remote.gates`), and only what their callers may do here. There is no REST API.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from isthmus.clock import Clock, SystemClock
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Engine, Record
from isthmus.remotes.body_encodings import BODY_ENCODINGS, compressed_or_none, decompressed
from isthmus.remotes.failure_reports import report_of
from isthmus.remotes.protocol import (
    ACCEPTED_BODY_ENCODING,
    BODY_ENCODING,
    CONTENT_TYPE,
    FEATURES,
    MAXIMUM_ANSWER_BYTES,
    MAXIMUM_REQUEST_BYTES,
    MINIMUM_VERSION,
    PATH_PREFIX,
    TIMEOUT_MILLISECONDS,
    VERSION,
    AccessAnswer,
    Action,
    CountAnswer,
    CountCall,
    Decoders,
    GatewayNode,
    Hello,
    NodesAnswer,
    NodesCall,
    Pong,
    ResolveAnswer,
    ResolveCall,
    SearchCall,
    VersionRange,
    Welcome,
    action_not_allowed,
    agree_on_version,
    encode,
    too_large,
)
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.trace import begin_trace, current_trace
from isthmus.rest.http import Request, Response, json_response
from isthmus.rest.remote.answers import ANSWERED_ACTIONS, Answers
from isthmus.rest.remote.gates import Gate, Visitor
from isthmus.rest.statuses import STATUS_OF_KIND
from isthmus.search.local import SEARCH_ACTION, LocalCluster
from isthmus.search.plan import SearchOrder
from isthmus.search.running import RunningTasks
from isthmus.search.views import HeldViews
from isthmus.security.audit_notes import note_principal
from isthmus.security.remote_caller import RemoteSubject

logger = logging.getLogger(__name__)

#: the longest that a request may run here, whatever its caller grants
_MAXIMUM_TIMEOUT_MILLISECONDS: Final = 3_600_000
_DEFAULT_TIMEOUT_MILLISECONDS: Final = 300_000
_HANDSHAKE_ACTION: Final = "cluster:internal/remote_cluster/handshake"
#: how messages call each action: by Elasticsearch's name
_ELASTICSEARCH_ACTIONS: Final[Mapping[Action, str]] = {
    Action.HANDSHAKE: _HANDSHAKE_ACTION,
    Action.PING: _HANDSHAKE_ACTION,
    Action.SEARCH: SEARCH_ACTION,
    Action.COUNT: SEARCH_ACTION,
    Action.ACCESS: _HANDSHAKE_ACTION,
    Action.NODES: "cluster:internal/remote_cluster/nodes",
    Action.RESOLVE: "indices:admin/resolve/cluster",
    **ANSWERED_ACTIONS,
}


class _Incoming(msgspec.Struct, frozen=True):
    """One request of a cluster that was let in, with its body unpacked."""

    visitor: Visitor
    body: bytes
    #: by the clock that never goes back
    since_seconds: float = 0.0


class RemoteInterface:
    """A port for other clusters as one :class:`isthmus.rest.http.HttpApplication`; ``gate`` says which.

    ``versions`` are the oldest and the newest version of the protocol that it speaks; ``nodes`` are those of
    this cluster as others reach them on this port. ``running`` is where its searches are seen and cancelled,
    ``answers`` what answers everything that is not in this module.
    """

    def __init__(  # noqa: PLR0913 - what a node is made of, and three that have defaults
        self,
        gate: Gate,
        engine: Engine,
        identity: NodeIdentity,
        clock: Clock | None = None,
        versions: tuple[int, int] = (MINIMUM_VERSION, VERSION),
        nodes: tuple[GatewayNode, ...] | Callable[[], tuple[GatewayNode, ...]] = (),
        *,
        running: RunningTasks | None = None,
        answers: Answers | None = None,
    ) -> None:
        self._nodes = nodes
        self._gate = gate
        self._clock = clock or SystemClock()
        self._versions = VersionRange(*versions, identity.software_version)
        self._engine = engine
        self._running = running or RunningTasks()
        self._identity = identity
        self._decoders = Decoders()
        self._answers = answers or Answers(engine, HeldViews(engine, self._clock), self._running)
        self._handlers: Mapping[Action, Callable[[_Incoming], Awaitable[Record]]] = {
            Action.HANDSHAKE: self._handshake,
            Action.PING: self._ping,
            Action.SEARCH: self._search,
            Action.COUNT: self._count,
            Action.RESOLVE: self._resolve,
            Action.ACCESS: self._access,
            Action.NODES: self._list_nodes,
        }

    async def handle(self, request: Request) -> Response:
        """Answer the request. Raises nothing but :class:`asyncio.CancelledError`."""
        # What is asked of a third cluster on behalf of this request can be found again there as well.
        begin_trace(request.headers)
        try:
            return await self._answer(request)
        except Failure as failure:
            return self.refuse(failure)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # a panic of an engine written in Rust is no Exception
            logger.exception(
                "request of a remote cluster failed inside the server",
                extra={"path": request.path[:200], "opaque_id": current_trace().opaque_id},
            )
            return self.refuse(
                Failure(FailureKind.INTERNAL, "exception", "internal error of the remote cluster")
            )

    async def admit(self, head: Request) -> Response | None:
        """Refuse a large body that is for nobody here, or without a good key, before it is read."""
        if not _is_action_path(head):
            return _not_a_rest_api(head, self._gate.port_name)
        try:
            announced = head.headers.get("content-length", "")
            if announced.isdecimal() and int(announced[:20]) > MAXIMUM_REQUEST_BYTES:
                raise too_large(MAXIMUM_REQUEST_BYTES)
            await self._gate.identify(head, _HANDSHAKE_ACTION, complete=False)
        except Failure as failure:
            return self.refuse(failure)
        return None

    def refuse(self, failure: Failure) -> Response:
        """Answer with a failure as a record: the far side renders it for its own caller."""
        try:
            body = encode(report_of(failure))
        except Failure:  # metadata that cannot be written: the reason is what matters
            body = encode(report_of(Failure(failure.kind, failure.error_type, failure.reason)))
        return Response(STATUS_OF_KIND[failure.kind], body, CONTENT_TYPE)

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Tell that every action stops when the far side goes away: all of them only read."""
        del method, path
        return True

    async def _answer(self, request: Request) -> Response:
        if not _is_action_path(request):
            return _not_a_rest_api(request, self._gate.port_name)
        since_seconds = self._clock.monotonic_seconds()
        name = request.path.removeprefix(PATH_PREFIX)
        try:
            action = Action(name)
        except ValueError:
            # Whoever is not let in learns nothing, not even which actions there are.
            await self._gate.identify(request, name)
            raise action_not_allowed(name, self._gate.port_name) from None
        visitor = await self._gate.identify(request, _ELASTICSEARCH_ACTIONS[action])
        self._answers.views.heard_of(visitor.identity)
        body = decompressed(request.body, request.headers.get(BODY_ENCODING, ""), MAXIMUM_REQUEST_BYTES)
        seconds = _timeout_seconds(request.headers)
        try:
            async with asyncio.timeout(seconds):
                further = self._answers.handlers.get(action)
                if further is None:
                    answer = await self._handlers[action](_Incoming(visitor, body, since_seconds))
                else:
                    answer = await further(visitor, body)
        except TimeoutError:
            raise Failure(
                FailureKind.TIMED_OUT,
                "receive_timeout_transport_exception",
                f"[{_ELASTICSEARCH_ACTIONS[action]}] did not finish within [{seconds:g}s]",
            ) from None
        return _packed(encode(answer), request.headers)

    async def _handshake(self, incoming: _Incoming) -> Welcome:
        hello = self._decoders.decode(Hello, incoming.body)
        identity = self._identity
        asking = VersionRange(hello.minimum_version, hello.maximum_version, hello.software_version)
        # In the words of the side that asks: its administrator reads what is wrong.
        agree_on_version(asking, self._versions)
        return Welcome(
            minimum_version=self._versions.minimum,
            maximum_version=self._versions.maximum,
            node_id=identity.node_id,
            node_name=identity.node_name,
            cluster_id=identity.cluster_id,
            cluster_name=identity.cluster_name,
            software_version=identity.software_version,
            compatible_version=identity.compatible_version,
            minimum_wire_compatible_version=identity.minimum_wire_compatible_version,
            minimum_index_compatible_version=identity.minimum_index_compatible_version,
            features=FEATURES,
            key_id=incoming.visitor.key_id,
            key_name=incoming.visitor.key_name,
            key_expires_milliseconds=incoming.visitor.key_expires_milliseconds,
            now_milliseconds=self._clock.now_milliseconds(),
        )

    async def _ping(self, incoming: _Incoming) -> Pong:
        return Pong(
            cluster_id=self._identity.cluster_id,
            key_id=incoming.visitor.key_id,
            key_name=incoming.visitor.key_name,
            key_expires_milliseconds=incoming.visitor.key_expires_milliseconds,
        )

    async def _search(self, incoming: _Incoming) -> Record:
        call = self._decoders.decode(SearchCall, incoming.body)
        local = await self._local(incoming, call.caller)
        task = self._running.begin(SEARCH_ACTION, SearchOrder(call.expressions, call.request))
        try:
            result = await local.search(call.expressions, call.options, call.request)
        except asyncio.CancelledError:
            cancellation = task.cancellation()
            if cancellation is None:  # the asking side went away, or its time is over
                raise
            raise cancellation from None
        finally:
            self._running.end(task)
        if not call.timed:
            return result
        served = self._clock.monotonic_seconds() - incoming.since_seconds
        return msgspec.structs.replace(result, served_nanoseconds=int(served * 1_000_000_000))

    async def _count(self, incoming: _Incoming) -> CountAnswer:
        call = self._decoders.decode(CountCall, incoming.body)
        local = await self._local(incoming, call.caller)
        selections = local.select(SEARCH_ACTION, call.expressions, call.options)
        return CountAnswer(count=await self._engine.count(selections, call.query), indices=len(selections))

    async def _resolve(self, incoming: _Incoming) -> ResolveAnswer:
        call = self._decoders.decode(ResolveCall, incoming.body)
        local = await self._local(incoming, call.caller)
        return ResolveAnswer(matching_indices=local.has_matching_indices(call.expressions, call.options))

    async def _access(self, incoming: _Incoming) -> AccessAnswer:
        visitor = incoming.visitor
        return AccessAnswer(
            key_id=visitor.key_id,
            key_name=visitor.key_name,
            key_expires_milliseconds=visitor.key_expires_milliseconds,
            role=visitor.access,
        )

    async def _list_nodes(self, incoming: _Incoming) -> NodesAnswer:
        self._decoders.decode(NodesCall, incoming.body)
        return NodesAnswer(nodes=self._nodes() if callable(self._nodes) else self._nodes)

    async def _local(self, incoming: _Incoming, caller: RemoteSubject) -> LocalCluster:
        """Answer this cluster as this caller of that cluster may see it."""
        principal = await incoming.visitor.principal(caller)
        note_principal(principal)
        return LocalCluster(self._engine, principal, self._identity.node_id)


def _is_action_path(request: Request) -> bool:
    return request.method == "POST" and request.path.startswith(PATH_PREFIX)


def _not_a_rest_api(request: Request, port_name: str) -> Response:
    """Answer in JSON whoever took this port for another: it names the port's purpose and nothing more."""
    reason = (
        f"no handler found for uri [{request.path[:200]}] and method [{request.method[:20]}]: this is the"
        f" {port_name}, which answers other clusters only; the REST API has a port of its own"
    )
    return json_response(
        {"error": {"type": "illegal_argument_exception", "reason": reason}, "status": 404}, 404
    )


def _timeout_seconds(headers: Mapping[str, str]) -> float:
    text = headers.get(TIMEOUT_MILLISECONDS, "")
    if not text:
        return _DEFAULT_TIMEOUT_MILLISECONDS / 1000
    if not (text.isascii() and text.isdecimal()):
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "illegal_argument_exception",
            f"header [{TIMEOUT_MILLISECONDS}] must be a number of milliseconds but is [{text[:50]}]",
        )
    return min(int(text[:12]), _MAXIMUM_TIMEOUT_MILLISECONDS) / 1000


def _packed(body: bytes, headers: Mapping[str, str]) -> Response:
    if len(body) > MAXIMUM_ANSWER_BYTES:
        raise too_large(MAXIMUM_ANSWER_BYTES)
    accepted = headers.get(ACCEPTED_BODY_ENCODING)
    if accepted in BODY_ENCODINGS:
        compressed = compressed_or_none(body, accepted)
        if compressed is not None:
            return Response(200, compressed, CONTENT_TYPE, ((BODY_ENCODING, accepted),))
    return Response(200, body, CONTENT_TYPE)
