"""A node's part of the certificate model: its transport port, and watching what is trusted."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final

from isthmus.app.handshake_failures import HandshakeFailure, noted_failures
from isthmus.control.addresses import Address
from isthmus.remotes.registry import Remotes
from isthmus.remotes.transport_security import TransportSecurity
from isthmus.rest.http import HttpApplication, Peer
from isthmus.rest.serving import HttpServer
from isthmus.rest.serving_protocol import Origin
from isthmus.security.audit_connections import TRANSPORT_PROFILE, ConnectionAudit, Refused
from isthmus.security.certificate_trust import CertificateRejectedError

logger = logging.getLogger(__name__)

#: a change is to take effect within a second; a look at three files costs some ten microseconds
_LOOK_SECONDS: Final = 0.25
_LOG_EVERY_SECONDS: Final = 10.0


class TransportPort:
    """Serves what the door hands over from 9400, and ends what is trusted no longer, both ways."""

    def __init__(
        self,
        security: TransportSecurity,
        server: HttpServer,
        application: HttpApplication,
        remotes: Remotes,
        audit: ConnectionAudit | None = None,
    ) -> None:
        self._security = security
        self._server = server
        self._application = application
        self._remotes = remotes
        self._audit = audit
        self._seen = (security.trust_generation, security.certificate_generation)
        self._log_at_seconds = float("-inf")

    async def serve(self, connection: socket.socket, client: Address | None) -> None:
        """Serve one connection; return when its TLS handshake is done or has failed."""
        self.check()
        context = self._security.server_context
        if context is None:
            connection.close()
            return
        origin = Origin(None if client is None else str(client), self._admits)
        with noted_failures(context) as failures:
            await self._server.serve_connection(connection, context, self._application, origin, is_link=True)
        for failure in failures:
            self._tell(failure, origin.address)

    async def run(self) -> None:
        """Watch the files until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self.check()
            except Exception:  # trust must go on being applied, whatever went wrong with this change
                logger.exception("trust settings not applied")

    def check(self) -> None:
        """Take up what has changed on disk; connections of nodes that are trusted no longer end at once."""
        security = self._security
        security.reload_if_changed()
        trust, certificate = security.trust_generation, security.certificate_generation
        if (trust, certificate) == self._seen:
            return
        seen_certificate = self._seen[1]
        self._seen = (trust, certificate)
        cut = self._server.recheck_connections()
        if certificate != seen_certificate:
            # Whoever is connected comes back and sees the new one, before the old one's authority goes.
            self._server.retire_connections(self._application)
        self._remotes.certificates_changed()
        logger.info("trust by certificate applied", extra={"connections_cut": cut})

    def _admits(self, peer: Peer) -> bool:
        try:
            self._security.decide(peer.chain)
        except CertificateRejectedError as rejected:
            self._tell(HandshakeFailure(str(rejected)), peer.address)
            return False
        return True

    def _tell(self, failure: HandshakeFailure, address: str | None) -> None:
        self._log_rejected(failure.reason, address)
        if self._audit is not None:
            tell = self._audit.certificate_missing if failure.missing else self._audit.certificate_rejected
            tell(Refused(TRANSPORT_PROFILE, address, failure.reason))

    def _log_rejected(self, reason: str, address: str | None) -> None:
        now_seconds = asyncio.get_running_loop().time()
        if now_seconds - self._log_at_seconds >= _LOG_EVERY_SECONDS:
            self._log_at_seconds = now_seconds
            logger.warning("certificate rejected", extra={"reason": reason, "peer": address})
