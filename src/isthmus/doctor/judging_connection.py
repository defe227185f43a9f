"""The way to the server and who it is: functions of what was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from isthmus.doctor.findings import Verdict, error, fine, skipped, warning
from isthmus.doctor.observations import Observations, Trouble
from isthmus.doctor.server_names import holds_name
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import CertificateFacts, is_valid_at
from isthmus.remotes.phases import Phase
from isthmus.remotes.settings import RemoteSettings

#: the environment renews its certificates thirty days ahead: one that is closer to its end is stuck
_EXPIRES_SOON_DAYS: Final = 14
_MAXIMUM_NAMES_SHOWN: Final = 5
_MILLISECONDS_PER_DAY: Final = 86_400_000
_SEEN_IN_CERTIFICATE: Final = (
    Cause.ISSUER_NOT_TRUSTED,
    Cause.NAME_NOT_IN_CERTIFICATE,
    Cause.CERTIFICATE_NOT_VALID_NOW,
    Cause.NODE_NAME_NOT_TRUSTED,
)
#: what the server said only after both certificates were there
_AFTER_CERTIFICATE: Final = (
    Cause.CLIENT_CERTIFICATE_WANTED,
    Cause.NODE_NOT_TRUSTED_THERE,
    Cause.NO_CREDENTIALS,
)


def judge_resolve(seen: Observations) -> Verdict:
    """Judge whether the host's name stands for an address."""
    trouble = seen.ended_in(Phase.RESOLVE)
    if trouble is not None:
        return _error_of(trouble, Cause.UNKNOWN_HOST)
    host = _remote(seen).destination.address.host
    return fine(f"[{host}] is [{', '.join(seen.addresses)}]" if seen.addresses else f"[{host}] is known")


def judge_connect(seen: Observations) -> Verdict:
    """Judge whether somebody takes a TCP connection there."""
    trouble = seen.ended_in(Phase.CONNECT)
    if trouble is not None:
        return _error_of(trouble, Cause.UNREACHABLE)
    return fine(f"[{_remote(seen).destination.address}] takes connections")


def judge_ip_filter(seen: Observations) -> Verdict:
    """Judge whether this node's address is let in."""
    trouble = seen.trouble
    if trouble is not None and trouble.cause is Cause.IP_FILTER:
        return _error_of(trouble, Cause.IP_FILTER)
    if trouble is None or trouble.cause is not Cause.CLOSED_DURING_TLS:
        return fine("the connection is not turned away")
    destination = _remote(seen).destination
    if seen.server is not None and seen.server.tells_unknown_names_apart:
        return error(
            Cause.IP_FILTER,
            f"[{destination.address}] closes every connection for [{destination.server_name}]"
            " before TLS begins, and answers those for other names: an IP filter of that deployment does not"
            " admit this deployment's address",
            "add this deployment's egress addresses to an IP filter of the remote deployment, and check that"
            " a load balancer in between passes the client's address on",
        )
    return _error_of(trouble, Cause.CLOSED_DURING_TLS)


def judge_tls(seen: Observations) -> Verdict:
    """Judge whether TLS is spoken there, for this name."""
    trouble = seen.ended_in(Phase.TLS)
    if trouble is not None and trouble.cause not in (*_SEEN_IN_CERTIFICATE, *_AFTER_CERTIFICATE):
        return _error_of(trouble, Cause.TLS_FAILED)
    version = seen.server.tls_version if seen.server is not None else ""
    return fine(f"{version or 'TLS'} with the server for [{_remote(seen).destination.server_name}]")


def judge_certificate_chain(seen: Observations) -> Verdict:
    """Judge whether the server's certificate is of an authority that this deployment trusts."""
    trouble = seen.trouble
    facts = _certificate(seen)
    details = {} if facts is None else {"certificate": _described(facts)}
    if _shows_node_certificate(seen, facts):
        return error(
            Cause.CLIENT_CERTIFICATE_WANTED,
            f"[{_remote(seen).destination.address}] shows a node's own certificate: it is the transport port,"
            " which takes no API key",
            "with an API key use the port of the remote cluster server, 9443 by default",
            **details,
        )
    if trouble is not None and trouble.cause is Cause.NO_CREDENTIALS and trouble.phase is Phase.TLS:
        return skipped("without a key it is not known whose certificate is to be expected")
    if trouble is not None and trouble.cause is Cause.ISSUER_NOT_TRUSTED:
        return error(Cause.ISSUER_NOT_TRUSTED, trouble.reason, trouble.remedy, **details)
    if facts is None:
        return fine("the server's certificate is of a trusted authority")
    return fine(f"the server shows a certificate with {facts.describe()}", **details)


def judge_certificate_name(seen: Observations) -> Verdict:
    """Judge whether the certificate holds the name that was asked for."""
    trouble, facts = seen.trouble, _certificate(seen)
    expected = _remote(seen).destination.server_name
    if facts is not None and _shows_node_certificate(seen, facts):
        return _judge_node_name(seen, facts)  # the port is wrong, not the name
    if trouble is not None and trouble.cause is Cause.NAME_NOT_IN_CERTIFICATE:
        return _error_of(trouble, Cause.NAME_NOT_IN_CERTIFICATE)
    if trouble is not None and trouble.cause is Cause.NODE_NAME_NOT_TRUSTED:
        return _error_of(trouble, Cause.NODE_NAME_NOT_TRUSTED)
    if facts is None:
        return _not_looked_at(seen)
    if _expects_node(seen):
        return _judge_node_name(seen, facts)
    if _connected(seen) or holds_name(facts.names, expected):
        return fine(f"the certificate is valid for {facts.describe_names()}, which covers [{expected}]")
    return error(
        Cause.NAME_NOT_IN_CERTIFICATE,
        f"the certificate is valid for {facts.describe_names()} and not for [{expected}]",
        f"set [cluster.remote.{seen.alias}.server_name] to a name that the certificate holds, or have the"
        " remote present a certificate for this name",
    )


def judge_certificate_dates(seen: Observations) -> Verdict:
    """Judge whether the certificate is valid today, and for a while."""
    trouble, facts = seen.trouble, _certificate(seen)
    if trouble is not None and trouble.cause is Cause.CERTIFICATE_NOT_VALID_NOW:
        return _error_of(trouble, Cause.CERTIFICATE_NOT_VALID_NOW)
    if facts is None:
        return _not_looked_at(seen)
    dates = f"valid from {facts.valid_from:%Y-%m-%d %H:%M} to {facts.valid_until:%Y-%m-%d %H:%M} UTC"
    renew = "renew the certificate on the remote side, and check both clocks"
    if not is_valid_at(facts, seen.now_milliseconds):
        now = datetime.fromtimestamp(seen.now_milliseconds / 1000, UTC)
        return error(
            Cause.CERTIFICATE_NOT_VALID_NOW,
            f"the certificate is {dates}; this node's clock says {now:%Y-%m-%d %H:%M} UTC",
            renew,
        )
    left_days = (facts.valid_until.timestamp() * 1000 - seen.now_milliseconds) / _MILLISECONDS_PER_DAY
    if left_days < _EXPIRES_SOON_DAYS:
        return warning(
            Cause.CERTIFICATE_EXPIRES_SOON,
            f"the certificate is {dates}: it expires in {left_days:.0f} days",
            renew,
        )
    return fine(f"the certificate is {dates}")


def judge_server(seen: Observations) -> Verdict:
    """Judge whether a remote cluster server answers there, and not another port of the deployment."""
    trouble = seen.trouble
    if trouble is not None and trouble.cause is Cause.CLIENT_CERTIFICATE_WANTED:
        return _error_of(trouble, Cause.CLIENT_CERTIFICATE_WANTED)
    ended = seen.ended_in(Phase.HANDSHAKE)
    return _describe_server(seen) if ended is None else _error_of(ended, Cause.HANDSHAKE_FAILED)


def _expects_node(seen: Observations) -> bool:
    """Tell whether it is a node that is to answer: not where a remote cluster server asked for a key."""
    return seen.by_certificate and not (_connected(seen) and _asks_for_key(seen))


def _asks_for_key(seen: Observations) -> bool:
    return seen.trouble is not None and seen.trouble.cause is Cause.NO_CREDENTIALS


def _shows_node_certificate(seen: Observations, facts: CertificateFacts | None) -> bool:
    """Tell whether a link with a key has met the transport port, which shows certificates of nodes."""
    return not seen.by_certificate and not _connected(seen) and facts is not None and bool(facts.node_names)


def _judge_node_name(seen: Observations, facts: CertificateFacts) -> Verdict:
    if not facts.node_names:
        return skipped("it is a server's certificate and not a node's")
    names = ", ".join(facts.node_names[:_MAXIMUM_NAMES_SHOWN])
    if _connected(seen):
        return fine(f"the certificate holds the node name [{names}], which this deployment trusts")
    return skipped(f"the certificate holds the node name [{names}]")


def _describe_server(seen: Observations) -> Verdict:
    welcome = seen.welcome
    if welcome is None:
        return fine(f"{_kind_of_server(seen)} answers{', and asks for a key' if _asks_for_key(seen) else ''}")
    return fine(
        f"{_kind_of_server(seen)} of cluster [{welcome.cluster_name}], Isthmus [{welcome.software_version}],"
        " answers",
        cluster_name=welcome.cluster_name,
        cluster_uuid=welcome.cluster_id,
        software_version=welcome.software_version,
    )


def _kind_of_server(seen: Observations) -> str:
    return "a node" if _expects_node(seen) else "a remote cluster server"


def _error_of(trouble: Trouble, cause_otherwise: Cause) -> Verdict:
    return error(trouble.cause or cause_otherwise, trouble.reason, trouble.remedy)


def _remote(seen: Observations) -> RemoteSettings:
    remote = seen.settings.remote
    if remote is None:
        raise ValueError("nothing is judged beyond settings that are not there")
    return remote


def _certificate(seen: Observations) -> CertificateFacts | None:
    return seen.server.certificate if seen.server is not None else None


def _connected(seen: Observations) -> bool:
    """Tell whether the certificate was accepted: then OpenSSL has checked name and dates."""
    trouble = seen.trouble
    if trouble is None or trouble.phase in (Phase.AUTHENTICATE, Phase.HANDSHAKE):
        return True
    return trouble.cause in (Cause.CLIENT_CERTIFICATE_WANTED, Cause.NODE_NOT_TRUSTED_THERE)


def _not_looked_at(seen: Observations) -> Verdict:
    if _connected(seen):
        return fine("the certificate was accepted")
    return skipped("the server's certificate could not be looked at")


def _described(facts: CertificateFacts) -> dict[str, Any]:
    return {
        "subject": facts.subject,
        "issuer": facts.issuer,
        "names": list(facts.names),
        "sha256": facts.sha256,
        "valid_from": facts.valid_from.isoformat(),
        "valid_until": facts.valid_until.isoformat(),
    }
