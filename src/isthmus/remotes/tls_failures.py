"""From an error of the TLS library to what an operator has to do. Pure but for reading the clock's value."""

from __future__ import annotations

import ssl
from typing import Final

from isthmus.remotes.address import Destination
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import CertificateFacts
from isthmus.remotes.phases import Phase, PhaseFailure

# OpenSSL's X509_V_ERR_* numbers (x509_vfy.h).
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_HOSTNAME_MISMATCH: Final = 62
_IP_ADDRESS_MISMATCH: Final = 64
#: what OpenSSL reports when the other side's first bytes are not TLS
_NOT_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
        "UNEXPECTED_MESSAGE",
        "BAD_RECORD_TYPE",
        "INVALID_RECORD_TYPE",
    }
)


_USE_REMOTE_CLUSTER_PORT: Final = "with an API key use the remote cluster server, port 9443 by default"


def explain_tls_error(
    error: BaseException, destination: Destination, seen: CertificateFacts | None, trusted: str
) -> PhaseFailure:
    """Answer the failure for an error raised while TLS was being set up.

    ``seen`` is the certificate that the server shows, where one could be had; ``trusted`` tells
    where the trusted authorities come from.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, destination, seen, trusted)
    where = f"[{destination.address}]"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if reason in _NOT_TLS:
            return PhaseFailure(
                Phase.TLS,
                f"server at {where} does not speak TLS ({reason})",
                "check the port: the remote cluster server listens on 9443 by default",
                cause=Cause.NOT_TLS,
            )
        if "UNRECOGNIZED_NAME" in reason:
            return PhaseFailure(
                Phase.TLS,
                f"server at {where} does not know the name [{destination.server_name}], or nothing of that"
                " name is running",
                "check that the remote deployment runs, and that"
                f" [cluster.remote.{destination.alias}.server_name] is the server name that it shows under"
                " remote cluster parameters",
                cause=Cause.UNKNOWN_SERVER_NAME,
            )
        if wants_client_certificate(reason):
            return explain_wanted_certificate(reason, destination)
        return PhaseFailure(
            Phase.TLS,
            f"TLS with server at {where} failed: {reason or type(error).__name__}",
            "compare the TLS versions and ciphers of both sides (TLS 1.2 is the oldest version that is used),"
            " and look for something in between that inspects TLS",
            cause=Cause.TLS_FAILED,
        )
    if isinstance(error, TimeoutError):
        return PhaseFailure(
            Phase.TLS,
            f"server at {where} accepted the connection but did not answer the TLS hello in time",
            "check that the address is the remote cluster server and that nothing in between swallows TLS",
            cause=Cause.TLS_UNANSWERED,
        )
    return PhaseFailure(
        Phase.TLS,
        f"server at {where} closed the connection during the TLS handshake",
        f"check that the remote deployment runs, [cluster.remote.{destination.alias}.server_name] (sent:"
        f" [{destination.server_name}]), the port, and whether the remote's IP filters admit this"
        " deployment's address",
        cause=Cause.CLOSED_DURING_TLS,
    )


def wants_client_certificate(reason: str) -> bool:
    """Tell whether this is how a server says that it asked for a certificate and got none."""
    return "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason


def explain_wanted_certificate(reason: str, destination: Destination) -> PhaseFailure:
    """Answer the failure for a server that asks for a certificate where this node has a key to show."""
    return PhaseFailure(
        Phase.TLS,
        f"server at [{destination.address}] asks for a client certificate ({reason})",
        f"this looks like the transport port: {_USE_REMOTE_CLUSTER_PORT}",
        cause=Cause.CLIENT_CERTIFICATE_WANTED,
    )


def _explain_certificate(
    error: ssl.SSLCertVerificationError,
    destination: Destination,
    seen: CertificateFacts | None,
    trusted: str,
) -> PhaseFailure:
    shown = f" with {seen.describe()}" if seen else ""
    start = (
        f"failed to establish trust with server at [{destination.address}];"
        f" the server provided a certificate{shown}"
    )
    if error.verify_code in (_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH):
        held = seen.describe_names() if seen else "other names"
        return PhaseFailure(
            Phase.TLS,
            f"{start}; it is valid for {held} and not for [{destination.server_name}]",
            _node_certificate_remedy(seen)
            or f"set [cluster.remote.{destination.alias}.server_name] to a name that the certificate holds,"
            " or have the remote present a certificate for this name",
            cause=Cause.NAME_NOT_IN_CERTIFICATE,
        )
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        dates = f" (valid from {seen.valid_from:%Y-%m-%d} to {seen.valid_until:%Y-%m-%d})" if seen else ""
        word = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        return PhaseFailure(
            Phase.TLS,
            f"{start}; it or one of its authorities {word}{dates}",
            "renew the certificate on the remote side, and check both clocks",
            cause=Cause.CERTIFICATE_NOT_VALID_NOW,
        )
    return PhaseFailure(
        Phase.TLS,
        f"{start}; this deployment trusts {trusted}, none of which is that issuer"
        f" ({error.verify_message or 'verification failed'})",
        _node_certificate_remedy(seen)
        or "add the root certificate of the remote environment's proxy to the trusted authorities (on Elastic"
        " Cloud Enterprise: Platform > Settings > TLS certificates > Proxy > Show certificate chain)",
        cause=Cause.ISSUER_NOT_TRUSTED,
    )


def _node_certificate_remedy(seen: CertificateFacts | None) -> str | None:
    """Answer what to do where the certificate is a node's own: then the port, not the trust, is wrong."""
    if seen is None or not seen.node_names:
        return None
    return f"this is a node's own certificate, which the transport port shows: {_USE_REMOTE_CLUSTER_PORT}"
