"""Opening a connection by certificate: this node shows its own, and checks the name in the other's."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from isthmus.remotes.address import Destination
from isthmus.remotes.certificate_chain import verified_chain
from isthmus.remotes.certificate_failures import (
    explain_certificate_tls_error,
    explain_rejected_certificate,
    no_certificate,
)
from isthmus.remotes.connection import Connection, DialTimeouts, open_connection
from isthmus.remotes.transport_security import TransportSecurity
from isthmus.security.certificate_trust import CertificateRejectedError


@dataclass(frozen=True, slots=True)
class _ClientSide:
    """The certificate model as :class:`isthmus.remotes.connection.ServerTrust`."""

    context: ssl.SSLContext
    description: str


async def open_by_certificate(
    destination: Destination,
    security: TransportSecurity | None,
    timeouts: DialTimeouts,
    maximum_answer_bytes: int,
) -> Connection:
    """Answer a connection to a node that is trusted by its certificate.

    Raises :class:`isthmus.remotes.phases.PhaseFailure`. Whether the far side trusts *this* node shows
    only in what it does next.
    """
    if security is None:
        raise no_certificate(destination)
    security.reload_if_changed()
    context = security.client_context
    if context is None:
        raise no_certificate(destination)
    connection = await open_connection(
        destination,
        _ClientSide(context, security.description),
        timeouts,
        maximum_answer_bytes,
        explain_certificate_tls_error,
    )
    chain = verified_chain(connection.tls)
    try:
        security.decide(chain)
    except CertificateRejectedError as rejected:
        connection.abort()
        raise explain_rejected_certificate(str(rejected), destination) from rejected
    connection.peer_chain = chain
    return connection
