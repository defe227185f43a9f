"""What went wrong on a link without an API key, and what an operator has to do. Pure."""

from __future__ import annotations

import ssl
from typing import Final

from isthmus.remotes.address import Destination
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import CertificateFacts
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.settings import credentials_name
from isthmus.remotes.tls_failures import explain_tls_error

_CONTEXT: Final = "xpack.security.transport.ssl"


def explain_certificate_tls_error(
    error: BaseException, destination: Destination, seen: CertificateFacts | None, trusted: str
) -> PhaseFailure:
    """Answer the failure for an error while TLS was being set up on a link without an API key."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return explain_tls_error(error, destination, seen, trusted)
    shown = f" with {seen.describe()}" if seen else ""
    reason = (
        f"failed to establish trust with server at [{destination.address}]; the server provided a"
        f" certificate{shown}; this ssl context ([{_CONTEXT}]) is not configured to trust that issuer"
        f" ({error.verify_message or 'verification failed'}): it has {trusted}"
    )
    if seen is not None and not seen.node_names:
        return PhaseFailure(
            Phase.TLS,
            f"{reason}. {_model(destination)} That certificate is a server's and not a node's",
            choose_model(destination),
            cause=Cause.NO_CREDENTIALS,
        )
    return PhaseFailure(
        Phase.TLS, f"{reason}. {_model(destination)}", _check_trust_here(), cause=Cause.ISSUER_NOT_TRUSTED
    )


def explain_rejected_certificate(text: str, destination: Destination) -> PhaseFailure:
    """Answer the failure for a server whose certificate is valid but holds no trusted name."""
    return PhaseFailure(
        Phase.TLS,
        f"failed to establish trust with server at [{destination.address}]; {text}. {_model(destination)}",
        _check_trust_here(),
        cause=Cause.NODE_NAME_NOT_TRUSTED,
    )


def explain_end_after_certificate(
    reason: str, destination: Destination, identity: NodeIdentity
) -> PhaseFailure:
    """Answer the failure for a server that ended the connection once it had seen this node's certificate."""
    return PhaseFailure(
        Phase.TLS,
        f"server at [{destination.address}] ended the connection after this node had shown its certificate"
        f" ({reason}): most likely the remote deployment does not trust this one. {_model(destination)}",
        "on the remote side, check that its trust settings hold the transport CA of this environment (every"
        " one that is published, during a rotation), the id of this environment or organization and, unless"
        f" all of its deployments are trusted, this cluster's id [{identity.cluster_id}]; ids cannot be"
        " verified, so a wrong one is the first suspect",
        cause=Cause.NODE_NOT_TRUSTED_THERE,
    )


def explain_missing_key(reason: str, destination: Destination) -> PhaseFailure:
    """Answer the failure where a link without an API key found a remote cluster server (9443)."""
    return PhaseFailure(
        Phase.AUTHENTICATE, reason, choose_model(destination), refused=True, cause=Cause.NO_CREDENTIALS
    )


def no_certificate(destination: Destination) -> PhaseFailure:
    """Answer why a link without an API key cannot even try on a node without a certificate."""
    return PhaseFailure(
        Phase.AUTHENTICATE,
        f"no credentials are configured for [{destination.alias}], and this node has no certificate"
        " of its own to connect with",
        choose_model(destination),
        refused=True,
        cause=Cause.NO_CREDENTIALS,
    )


def choose_model(destination: Destination) -> str:
    """Answer how to get to either model from here."""
    return (
        "add a cross-cluster API key of the remote to the keystore under exactly the name"
        f" [{credentials_name(destination.alias)}]; or, to use the certificate model, use the remote's"
        " transport port, 9400 by default, and have both sides trust each other"
    )


def _model(destination: Destination) -> str:
    return (
        "This link uses the certificate model, because the keystore has no"
        f" [{credentials_name(destination.alias)}]."
    )


def _check_trust_here() -> str:
    return (
        "check in the trust settings of this deployment: the transport CA of the remote environment"
        " (every one that is published, during a rotation), the id of that environment or organization"
        " and, unless all of its deployments are trusted, the remote's cluster id, which is not its"
        " deployment id; ids cannot be verified, so a wrong one is the first suspect"
    )
