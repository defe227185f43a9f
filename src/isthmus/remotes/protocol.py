"""The node-to-node protocol as values and bytes: ``docs/protocol.md`` describes it for people.

One action a path, ``POST /_isthmus/v1/<action>`` over HTTP/1.1 and TLS; bodies in MessagePack, whose
records are those of :mod:`isthmus.exchange`. Pure: what is sent and received, never how.

Rules for whoever changes this file: a record's new member has a default; a member is never renamed
and its meaning never changes; what an older peer must understand raises :data:`VERSION`. The handshake's two
records can be read by every version there will ever be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

import msgspec

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Json, Record, SearchRequest
from isthmus.names import IndicesOptions
from isthmus.security.principal import RoleDescriptor
from isthmus.security.remote_caller import RemoteSubject

VERSION: Final = 1
MINIMUM_VERSION: Final = 1
PATH_PREFIX: Final = "/_isthmus/v1/"
CONTENT_TYPE: Final = "application/vnd.isthmus.v1+msgpack"

# What a peer may or may not have, told in the handshake. How bodies may be packed:
ZSTANDARD: Final = "zstd"
LZ4: Final = "lz4"
DEFLATE: Final = "deflate"
#: the action ``nodes``
NODES: Final = "nodes"
#: the actions ``hold``, ``search_held`` and ``release``
VIEWS: Final = "views"
#: the actions ``field_caps`` and ``resolve_index``
QUESTIONS: Final = "questions"
#: the members ``fetch``, ``collapse``, ``rescore``, ``profile``, ``statistics``, ``indices_boost`` and
#: ``suggest`` of a search, and ``numeric_type`` of its sort keys; the action ``term_statistics``
HITS: Final = "hits"
#: the members ``completions`` and ``phrases`` of a search
SUGGESTERS: Final = "suggesters"
#: all that this version has
FEATURES: Final = (ZSTANDARD, LZ4, DEFLATE, NODES, VIEWS, QUESTIONS, HITS, SUGGESTERS)

# Header names, lower case.
AUTHORIZATION: Final = "authorization"
# Not Content-Encoding: how the records are packed is between the two clusters, and nothing on the way is to
# unpack them.
BODY_ENCODING: Final = "isthmus-body-encoding"
ACCEPTED_BODY_ENCODING: Final = "isthmus-accepted-body-encoding"
TIMEOUT_MILLISECONDS: Final = "isthmus-timeout-milliseconds"
REQUEST_ID: Final = "x-request-id"
OPAQUE_ID: Final = "x-opaque-id"
TRACE_PARENT: Final = "traceparent"
#: which cluster asks, by its own account: for the far side's audit log, never for a decision
ORIGIN_CLUSTER: Final = "isthmus-origin-cluster"

#: what a node takes, after decompression: a query of 16 MiB is a mistake, an answer may hold 10,000 documents
MAXIMUM_REQUEST_BYTES: Final = 16 * 1024 * 1024
MAXIMUM_ANSWER_BYTES: Final = 256 * 1024 * 1024

T = TypeVar("T")


class Action(Enum):
    """What one cluster may ask of another: the last segment of the path. Nothing else is answered."""

    HANDSHAKE = "handshake"
    PING = "ping"
    SEARCH = "search"
    COUNT = "count"
    RESOLVE = "resolve"
    ACCESS = "access"
    NODES = "nodes"
    HOLD = "hold"
    SEARCH_HELD = "search_held"
    RELEASE = "release"
    FIELD_CAPS = "field_caps"
    RESOLVE_INDEX = "resolve_index"
    TERM_STATISTICS = "term_statistics"

    @property
    def path(self) -> str:
        """The path that is asked."""
        return PATH_PREFIX + self.value


#: all actions so far only read, so that asking twice does no harm (a view that was held twice goes with its
#: keep-alive)
IDEMPOTENT_ACTIONS: Final = frozenset(Action)


class Hello(Record, frozen=True, kw_only=True):
    """The handshake's request: who asks, and which versions of the protocol they speak."""

    minimum_version: int = MINIMUM_VERSION
    maximum_version: int = VERSION
    node_id: str = ""
    cluster_id: str = ""
    cluster_name: str = ""
    software_version: str = ""
    compatible_version: str = ""
    features: tuple[str, ...] = ()


class Welcome(Record, frozen=True, kw_only=True):
    """The handshake's answer: who answers, and which key was recognised.

    ``build_flavor`` and the three versions are what ``_resolve/cluster`` shows. ``key_expires_milliseconds``
    is None for a key that never expires, or when the far side does not tell. ``now_milliseconds`` is the
    answering node's clock, for whoever wonders why a key or a certificate is out of date.
    """

    minimum_version: int = MINIMUM_VERSION
    maximum_version: int = VERSION
    node_id: str = ""
    node_name: str = ""
    cluster_id: str = ""
    cluster_name: str = ""
    software_version: str = ""
    compatible_version: str = ""
    minimum_wire_compatible_version: str = ""
    minimum_index_compatible_version: str = ""
    build_flavor: str = "default"
    features: tuple[str, ...] = ()
    key_id: str = ""
    key_name: str = ""
    key_expires_milliseconds: int | None = None
    now_milliseconds: int | None = None


class Pong(Record, frozen=True, kw_only=True):
    """A ping's answer: the node is there, and the key is still good. What is told of it may have changed.

    ``key_id`` "" means that nothing is told of the key.
    """

    cluster_id: str = ""
    key_id: str = ""
    key_name: str = ""
    key_expires_milliseconds: int | None = None


class SearchCall(Record, frozen=True, kw_only=True):
    """A search on behalf of a caller; answered by a ``SearchResult``.

    ``timed`` asks for ``served_nanoseconds`` in it; a peer that does not know that leaves it out.
    """

    caller: RemoteSubject
    expressions: tuple[str, ...]
    options: IndicesOptions = IndicesOptions()
    request: SearchRequest = SearchRequest()
    timed: bool = False


class CountCall(Record, frozen=True, kw_only=True):
    """A count on behalf of a caller. ``query`` None counts everything."""

    caller: RemoteSubject
    expressions: tuple[str, ...]
    options: IndicesOptions = IndicesOptions()
    query: Json = None


class CountAnswer(Record, frozen=True, kw_only=True):
    """How many documents match, and in how many indices they were counted."""

    count: int
    indices: int = 0


class ResolveCall(Record, frozen=True, kw_only=True):
    """Which indices do these expressions name, as far as the caller may know."""

    caller: RemoteSubject
    expressions: tuple[str, ...]
    options: IndicesOptions = IndicesOptions()


class ResolveAnswer(Record, frozen=True, kw_only=True):
    """Whether any open index matches."""

    matching_indices: bool


class AccessCall(Record, frozen=True, kw_only=True):
    """Asks what the key that it comes with gives."""


class AccessAnswer(Record, frozen=True, kw_only=True):
    """The access of the asking cluster's own key, for whoever wonders what its users may do here.

    ``role`` is None where the cluster came without a key.
    """

    key_id: str = ""
    key_name: str = ""
    key_expires_milliseconds: int | None = None
    role: RoleDescriptor | None = None


class NodesCall(Record, frozen=True, kw_only=True):
    """Asks which nodes of this cluster others may connect to: mode *sniff*."""


class GatewayNode(Record, frozen=True, kw_only=True):
    """One node as others reach it on the port that was asked, with what they choose their gateways by.

    ``address`` is ``host:port``; ``server_name`` is what the TLS hello has to name and the certificate holds.
    ``roles`` and ``attributes`` are Elasticsearch's; ``attributes`` without the beginning ``node.attr.``.
    """

    node_id: str
    name: str = ""
    address: str = ""
    server_name: str = ""
    roles: tuple[str, ...] = ()
    attributes: dict[str, str] = {}


class NodesAnswer(Record, frozen=True, kw_only=True):
    """Every node of the answering cluster."""

    nodes: tuple[GatewayNode, ...] = ()


_ENCODER: Final = msgspec.msgpack.Encoder()


def encode(record: Record) -> bytes:
    """Write a record. Raises a 400 failure for a value that MessagePack cannot hold."""
    try:
        return _ENCODER.encode(record)
    except (OverflowError, TypeError, ValueError, RecursionError) as error:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "illegal_argument_exception",
            f"the request cannot be sent to a remote cluster: {error}",
        ) from None


class Decoders:
    """Readers of records, made once a type: making one costs more than reading with it."""

    def __init__(self) -> None:
        self._by_type: dict[type, msgspec.msgpack.Decoder[object]] = {}

    def decode(self, kind: type[T], data: bytes) -> T:
        """Read a record; members that this version does not know are ignored.

        Raises ``parsing_exception`` (400) for bytes that are not such a record.
        """
        decoder = self._by_type.get(kind)
        if decoder is None:
            decoder = self._by_type[kind] = msgspec.msgpack.Decoder(kind)
        try:
            return decoder.decode(data)  # type: ignore[return-value] # the table's key is the type
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "parsing_exception",
                f"body is not a [{kind.__name__}] of protocol version [{VERSION}]: {str(error)[:300]}",
            ) from None


def too_large(maximum_bytes: int) -> Failure:
    """Answer the failure for a body beyond what this protocol carries (413)."""
    return Failure(
        FailureKind.TOO_LARGE,
        "content_too_large_exception",
        f"body is larger than the [{maximum_bytes}] bytes that one cluster takes from another",
    )


def action_not_allowed(action: str, port_name: str = "dedicated remote cluster server port") -> Failure:
    """Answer the failure for what a port for other clusters does not do, in Elasticsearch's words."""
    return Failure(
        FailureKind.FORBIDDEN,
        "security_exception",
        f"action [{action[:200]}] is not allowed as a cross cluster operation on the {port_name}",
    )


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The protocol versions that a node speaks, with its software's version for messages."""

    minimum: int
    maximum: int
    software_version: str

    def describe(self) -> str:
        """Answer the words for a message."""
        software = f", software [{self.software_version}]" if self.software_version else ""
        return f"[{self.minimum}-{self.maximum}]{software}"


def agree_on_version(here: VersionRange, there: VersionRange) -> int:
    """Answer the newest version that both speak; raises a 400 failure that names both sides."""
    agreed = min(here.maximum, there.maximum)
    if agreed >= max(here.minimum, there.minimum):
        return agreed
    older = "this side" if here.maximum < there.minimum else "the other side"
    raise Failure(
        FailureKind.INVALID_REQUEST,
        "illegal_state_exception",
        "node-to-node protocol versions are incompatible: this side speaks"
        f" {here.describe()}, the other side {there.describe()}; upgrade {older}",
    )
