"""What a server's certificate says, for messages that tell an operator what was seen. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from isthmus.security.certificate_names import UnreadableCertificateError, read_certificate_names

_MAXIMUM_NAMES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate: names as RFC 4514 text, ``sha256`` in hexadecimal.

    ``node_names`` are those of the certificate model: a certificate that has one is a node's.
    """

    subject: str
    issuer: str
    sha256: str
    names: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    node_names: tuple[str, ...] = ()

    @property
    def self_signed(self) -> bool:
        """Tell whether nobody else vouches for it."""
        return self.subject == self.issuer

    def describe(self) -> str:
        """Answer the words for a message: subject, issuer, fingerprint."""
        issuer = "is self-signed" if self.self_signed else f"was issued by [{self.issuer}]"
        return f"subject name [{self.subject}], SHA-256 fingerprint [{self.sha256}], which {issuer}"

    def describe_names(self) -> str:
        """Answer the names it is valid for."""
        if not self.names:
            return "no name at all"
        shown = ", ".join(self.names[:_MAXIMUM_NAMES_SHOWN])
        more = len(self.names) - _MAXIMUM_NAMES_SHOWN
        return f"[{shown}]" if more <= 0 else f"[{shown}] and {more} more"


def certificate_facts_or_none(der: bytes) -> CertificateFacts | None:
    """Read a certificate; None for bytes that are none, or for one too odd to read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return CertificateFacts(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            sha256=hashlib.sha256(der).hexdigest(),
            names=_names(certificate),
            valid_from=certificate.not_valid_before_utc,
            valid_until=certificate.not_valid_after_utc,
            node_names=_node_names(der),
        )
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        return None


def is_valid_at(facts: CertificateFacts, now_milliseconds: int) -> bool:
    """Tell whether the certificate is valid at this time."""
    now = datetime.fromtimestamp(now_milliseconds / 1000, UTC)
    return facts.valid_from <= now <= facts.valid_until


def _node_names(der: bytes) -> tuple[str, ...]:
    try:
        return read_certificate_names(der).names
    except UnreadableCertificateError:
        return ()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    names = extension.value
    dns = names.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*dns, *addresses)
