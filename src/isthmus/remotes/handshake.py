"""What the answer to a handshake means: a welcome, or a failure with its remedy. Pure.

Whatever listens on the configured port gets to answer: a remote cluster server, a REST API, a
platform's proxy, a web server. Each has its own remedy, so each is told apart here.
"""

from __future__ import annotations

from typing import Final, TypeVar

import orjson

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import FailureReport
from isthmus.remotes.address import Destination
from isthmus.remotes.body_encodings import decompressed
from isthmus.remotes.causes import Cause
from isthmus.remotes.http_messages import Answer
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import (
    BODY_ENCODING,
    CONTENT_TYPE,
    MINIMUM_VERSION,
    VERSION,
    Decoders,
    VersionRange,
    Welcome,
    agree_on_version,
)
from isthmus.security.remote_caller import API_KEY_PROBLEM

T = TypeVar("T")

_OK: Final = 200
_FORBIDDEN: Final = 403
#: before anybody is known to be a remote cluster server, no more than this is taken from it
MAXIMUM_HANDSHAKE_BYTES: Final = 64 * 1024
_CAUSE_OF_KEY_PROBLEM: Final = {"expired": Cause.KEY_EXPIRED, "invalidated": Cause.KEY_INVALIDATED}
#: what a transport port says to whoever comes with a certificate and a key
_TAKES_NO_KEY: Final = "missing authentication credentials for action"
_UPGRADE_NAMED: Final = "upgrade the side that the message names"
_UPGRADE_OLDER: Final = (
    "look into the log of the remote's node at the time of this attempt, and upgrade the older side"
)
_USE_REMOTE_CLUSTER_PORT: Final = (
    "use the port of the remote cluster server, 9443 by default, in the proxy address"
)


def read_answer(answer: Answer, kind: type[T], destination: Destination, decoders: Decoders) -> T:
    """Answer what the far side sent to a handshake or a ping; raises :class:`PhaseFailure` otherwise."""
    if not is_protocol_answer(answer):
        raise explain_stranger(answer, destination)
    try:
        body = decompressed(answer.body, answer.headers.get(BODY_ENCODING, ""), MAXIMUM_HANDSHAKE_BYTES)
        if answer.status != _OK:
            raise explain_refusal(decoders.decode(FailureReport, body), destination)
        return decoders.decode(kind, body)
    except Failure as failure:
        raise PhaseFailure(
            Phase.HANDSHAKE,
            f"server at [{destination.address}] sent a handshake that cannot be read ({failure.reason})",
            _UPGRADE_OLDER,
            cause=Cause.HANDSHAKE_FAILED,
        ) from failure


def require_common_version(welcome: Welcome, software_version: str) -> None:
    """Return if both sides speak a common version; raises a :class:`PhaseFailure` with both ranges."""
    here = VersionRange(MINIMUM_VERSION, VERSION, software_version)
    there = VersionRange(welcome.minimum_version, welcome.maximum_version, welcome.software_version)
    try:
        agree_on_version(here, there)
    except Failure as failure:
        raise PhaseFailure(
            Phase.HANDSHAKE, failure.reason, _UPGRADE_NAMED, refused=True, cause=Cause.PROTOCOL_VERSIONS
        ) from failure


def is_protocol_answer(answer: Answer) -> bool:
    """Tell whether a remote cluster server sent this, be it a result or an error."""
    return answer.headers.get("content-type", "").partition(";")[0].strip() == CONTENT_TYPE


def explain_refusal(report: FailureReport, destination: Destination) -> PhaseFailure:
    """Answer the failure for an error that a remote cluster server sent."""
    entry = f"cluster.remote.{destination.alias}.credentials"
    if report.kind == FailureKind.UNAUTHENTICATED.name:
        return PhaseFailure(
            Phase.AUTHENTICATE,
            report.reason,
            _key_remedy(report.reason, entry),
            refused=True,
            cause=_key_cause(report),
        )
    if report.kind == FailureKind.FORBIDDEN.name:
        return PhaseFailure(
            Phase.AUTHENTICATE,
            report.reason,
            f"check the access of the key under [{entry}]",
            refused=True,
            cause=Cause.KEY_NOT_ACCEPTED,
        )
    refused = report.kind == FailureKind.INVALID_REQUEST.name
    if "protocol versions" in report.reason:
        cause, remedy = Cause.PROTOCOL_VERSIONS, _UPGRADE_NAMED
    else:
        cause, remedy = Cause.HANDSHAKE_FAILED, _UPGRADE_OLDER
    return PhaseFailure(Phase.HANDSHAKE, report.reason, remedy, refused=refused, cause=cause)


def explain_stranger(answer: Answer, destination: Destination) -> PhaseFailure:
    """Answer the failure for an answer of something that is not a remote cluster server."""
    where = f"[{destination.address}]"
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        if answer.status == _FORBIDDEN and body.get("ok") is False:
            return PhaseFailure(
                Phase.HANDSHAKE,
                f"the proxy at {where} forbids connections from this deployment's address",
                "add this deployment's egress addresses to an IP filter of the remote deployment, and check"
                " that a load balancer in between passes the client's address on",
                refused=True,
                cause=Cause.IP_FILTER,
            )
        if "x-elastic-product" in answer.headers or "error" in body or "cluster_uuid" in body:
            return PhaseFailure(
                Phase.HANDSHAKE,
                f"server at {where} is the REST API of a deployment, not its remote cluster server",
                _USE_REMOTE_CLUSTER_PORT,
                cause=Cause.REST_API_PORT,
            )
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()[:100] or "no content type"
    return PhaseFailure(
        Phase.HANDSHAKE,
        f"server at {where} is not a remote cluster server: it answered HTTP status [{answer.status}]"
        f" with [{kind}]",
        _USE_REMOTE_CLUSTER_PORT,
        cause=Cause.NOT_A_REMOTE_CLUSTER_SERVER,
    )


def explain_silence(reason: str, destination: Destination) -> PhaseFailure:
    """Answer the failure for a server that took the connection and gave no answer to the handshake."""
    return PhaseFailure(
        Phase.HANDSHAKE,
        f"server at [{destination.address}] did not answer the handshake ({reason})",
        "check that the address is a remote cluster server of Isthmus: one that speaks Elasticsearch's binary"
        " transport protocol cannot answer, and one behind a certificate requirement will not",
        cause=Cause.HANDSHAKE_UNANSWERED,
    )


def _is_about_signature(reason: str) -> bool:
    return "cross cluster api key signature" in reason or "signed cross-cluster headers" in reason


def _key_cause(report: FailureReport) -> Cause:
    """Answer what is wrong with the key; the far side tells only whoever has its secret."""
    reason = report.reason
    if "expected API key type" in reason:
        return Cause.KEY_OF_ANOTHER_TYPE
    if "require transport header" in reason:
        return Cause.NO_CREDENTIALS
    if _TAKES_NO_KEY in reason:
        return Cause.CLIENT_CERTIFICATE_WANTED
    if "not a valid ApiKey value" in reason:
        return Cause.CREDENTIALS_MALFORMED
    if "certificate identity" in reason:
        return Cause.KEY_NEEDS_CERTIFICATE
    if _is_about_signature(reason):
        return Cause.SIGNATURE_NOT_ACCEPTED
    problem = report.metadata.get(API_KEY_PROBLEM)
    return _CAUSE_OF_KEY_PROBLEM.get(str(problem), Cause.KEY_NOT_ACCEPTED)


def _key_remedy(reason: str, entry: str) -> str:
    signing = entry.removesuffix("credentials") + "signing"
    if _TAKES_NO_KEY in reason:
        return f"this looks like the transport port, which takes no key: {_USE_REMOTE_CLUSTER_PORT}"
    if "no certificate was provided" in reason:
        return (
            f"have requests signed: set [{signing}.certificate] and [{signing}.key] (docs/strong-identity.md)"
        )
    if "certificate identity" in reason:
        return (
            "have the remote's administrator correct the key's certificate_identity, or sign with the "
            f"certificate that it names ([{signing}.certificate])"
        )
    if _is_about_signature(reason):
        return (
            "have the remote's administrator trust the authority of the signing certificate, in "
            "[cluster.remote.signing.certificate_authorities] over there, and check both clocks"
        )
    if "type" in reason and "rest" in reason:
        return (
            f"create a cross-cluster API key on the remote cluster and store it under [{entry}];"
            " a key made for the REST API cannot be used"
        )
    return f"create a new cross-cluster API key on the remote cluster and store it under [{entry}]"
