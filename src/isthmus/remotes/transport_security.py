"""This node's own certificate and whom it trusts by certificate, as they are on disk now.

Used on both sides: by the transport port for the nodes that connect, and by links without an API
key for the nodes that they connect to. Whatever cannot be read trusts nobody.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from isthmus.errors import Failure
from isthmus.security.certificate_trust import (
    CertificateRejectedError,
    CertificateTrust,
    TransportTrust,
    TrustedPeer,
)

logger = logging.getLogger(__name__)

_REMEMBERED_DECISIONS: Final = 256
_Signature: TypeAlias = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class TransportFiles:
    """Where certificate, key and trust (JSON of :class:`TransportTrust`) are; others write them."""

    certificate: Path
    key: Path
    trust: Path


class TransportSecurity:
    """Contexts for both directions, and the decision about who may be at the other end."""

    def __init__(self, files: TransportFiles) -> None:
        self._files = files
        self._trust = CertificateTrust(TransportTrust())
        self._decisions: dict[tuple[bytes, ...], TrustedPeer | CertificateRejectedError] = {}
        self._server: ssl.SSLContext | None = None
        self._client: ssl.SSLContext | None = None
        self._identity_seen: _Signature = ()
        self._failed_identity: _Signature = ()
        self._trust_generation = 0
        self._certificate_generation = 0
        self._trust_seen: _Signature = ()
        self.reload_if_changed()

    @property
    def server_context(self) -> ssl.SSLContext | None:
        """The context of the transport port, which demands a certificate; None where there is no own one."""
        return self._server

    @property
    def client_context(self) -> ssl.SSLContext | None:
        """The context to connect with; None where there is no own certificate."""
        return self._client

    @property
    def trust_generation(self) -> int:
        """Another number whenever something else is trusted than before."""
        return self._trust_generation

    @property
    def certificate_generation(self) -> int:
        """Another number whenever this node has got another certificate."""
        return self._certificate_generation

    @property
    def description(self) -> str:
        """Answer where the authorities come from, for messages."""
        return f"{len(self._trust.authorities)} authorities of its trust settings"

    def decide(self, chain: Sequence[bytes]) -> TrustedPeer:
        """Answer who showed this verified chain; raises :class:`CertificateRejectedError`."""
        key = tuple(chain)
        decision = self._decisions.get(key)
        if decision is None:
            try:
                decision = self._trust.decide(key)
            except CertificateRejectedError as rejected:
                decision = rejected
            if len(self._decisions) >= _REMEMBERED_DECISIONS:
                self._decisions.clear()
            self._decisions[key] = decision
        if isinstance(decision, CertificateRejectedError):
            raise CertificateRejectedError(str(decision))
        return decision

    def trusts(self, chain: Sequence[bytes]) -> bool:
        """Tell whether whoever showed this verified chain is trusted now."""
        try:
            self.decide(chain)
        except CertificateRejectedError:
            return False
        return True

    def reload_if_changed(self) -> None:
        """Read what has changed on disk, which the generations tell. Costs a look at three files."""
        identity_seen = (_signature(self._files.certificate), _signature(self._files.key))
        trust_seen = (_signature(self._files.trust),)
        if identity_seen == self._identity_seen and trust_seen == self._trust_seen:
            return
        if trust_seen != self._trust_seen:
            self._trust = self._read_trust()
            self._decisions.clear()
            self._trust_seen = trust_seen
            self._trust_generation += 1
        self._make_contexts(identity_seen)

    def _make_contexts(self, identity_seen: _Signature) -> None:
        """Make both contexts anew; certificate and key that do not match yet are tried again later."""
        try:
            server = _context(ssl.PROTOCOL_TLS_SERVER, self._files, self._trust.authorities)
            client = _context(ssl.PROTOCOL_TLS_CLIENT, self._files, self._trust.authorities)
        except (ssl.SSLError, OSError, ValueError) as error:
            if identity_seen != self._failed_identity:
                self._failed_identity = identity_seen
                logger.warning("node certificate cannot be read", extra={"error": str(error)})
            # The contexts at hand may hold authorities that are trusted no longer, which does no harm:
            # what decides is the chain, against what is trusted now.
            return
        server.set_alpn_protocols(["http/1.1"])
        if identity_seen != self._identity_seen:
            self._certificate_generation += 1
        self._server, self._client, self._identity_seen = server, client, identity_seen
        logger.info("certificates and trust read", extra={"authorities": len(self._trust.authorities)})

    def _read_trust(self) -> CertificateTrust:
        try:
            content = self._files.trust.read_bytes()
            return CertificateTrust(msgspec.json.decode(content, type=TransportTrust))
        except FileNotFoundError:
            return CertificateTrust(TransportTrust())
        except (OSError, ValueError, Failure) as error:  # msgspec's errors are ValueErrors
            logger.error(  # noqa: TRY400 - the error is in the file, not in this program
                "trust settings cannot be read: nobody is trusted by certificate", extra={"error": str(error)}
            )
            return CertificateTrust(TransportTrust())


def _context(protocol: int, files: TransportFiles, authorities: Sequence[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nodes are known by their names in the certificate, which are not host names.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # Whatever authority was put there is an anchor, be it an intermediate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A resumed session would bring along a peer that was verified by what was trusted back then.
    context.options |= ssl.OP_NO_TICKET
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    context.load_cert_chain(files.certificate, files.key)
    if authorities:
        context.load_verify_locations(cadata=b"".join(authorities))
    return context


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
