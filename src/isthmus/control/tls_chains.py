"""The certificate chains that an environment's servers present: its own, or one that was uploaded.

An uploaded chain lies where the environment's own would; a file beside it says whose it is, and keeps
it from being issued anew. Servers notice the change by themselves and present it to new connections.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.control.certificates import facts_of, parse_certificates, to_pem
from isthmus.control.failures import invalid_field
from isthmus.control.layout import EnvironmentLayout
from isthmus.errors import Failure, FailureKind
from isthmus.security.private_files import write_private

logger = logging.getLogger(__name__)

SERVICES: Final = ("proxy", "ui")
_MAXIMUM_CHARACTERS: Final = 256 * 1024
_MAXIMUM_CERTIFICATES: Final = 10
_SMALLEST_RSA_BITS: Final = 2048
_KEY_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UploadedChain:
    """A chain that was checked: leaf first, and its key. The key never shows in a repr."""

    certificates: tuple[str, ...]
    key: bytes

    def __repr__(self) -> str:
        return f"UploadedChain({len(self.certificates)} certificates, key=…)"


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain that a service presents, PEM, leaf first."""

    certificates: tuple[str, ...]
    expires: datetime
    first_to_expire: str
    user_supplied: bool


def check_service(service: str) -> str:
    """Answer the service if it has a chain; raises a 404 failure."""
    if service not in SERVICES:
        raise Failure(
            FailureKind.NOT_FOUND,
            "platform.tls_service_not_found",
            f"no certificates for the service [{service[:64]}]; there are [proxy] and [ui]",
        )
    return service


def uploaded_text(body: bytes) -> str:
    """Answer the PEM text of a body: as it is, or within a JSON text; raises a 400 failure."""
    try:
        text = body.decode("utf-8")
        if text.lstrip().startswith('"'):
            decoded = json.loads(text)
            text = decoded if isinstance(decoded, str) else ""
    except ValueError:
        text = ""
    if "-----BEGIN" not in text or len(text) > _MAXIMUM_CHARACTERS:
        raise invalid_field("chain", "must be a private key and its certificate chain as PEM text")
    return text


def parse_chain(text: str, now: datetime, domain: str | None) -> UploadedChain:
    """Answer the chain of a PEM text if servers can present it; raises a 400 failure that says why not.

    ``domain`` is set where the leaf must be valid for every name below it, as the proxy's must.
    """
    if text.count("-----BEGIN") > _MAXIMUM_CERTIFICATES + 1:
        raise invalid_field("chain", f"must have at most {_MAXIMUM_CERTIFICATES} certificates and one key")
    key = _private_key(text)
    certificates = parse_certificates(_KEY_BLOCK.sub("", text))
    leaf = certificates[0]
    if _public_bytes(key.public_key()) != _public_bytes(leaf.public_key()):
        raise invalid_field(
            "chain", "the private key does not belong to the first certificate, which must be the server's"
        )
    for certificate, issuer in pairwise(certificates):
        _check_issued(certificate, issuer)
    for certificate in certificates:
        facts = facts_of(certificate)
        if not facts.valid_from <= now <= facts.valid_to:
            until = f"from {facts.valid_from:%Y-%m-%d} to {facts.valid_to:%Y-%m-%d}"
            raise invalid_field("chain", f"[{facts.subject}] is valid {until} only")
    _check_leaf(leaf, domain)
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return UploadedChain(tuple(to_pem(certificate) for certificate in certificates), plain)


def read_chain(layout: EnvironmentLayout, service: str) -> Chain:
    """Answer the chain that the service presents now."""
    certificates = parse_certificates(layout.server(service).certificate.read_text())
    ends = [facts_of(certificate).valid_to for certificate in certificates]
    return Chain(
        certificates=tuple(to_pem(certificate) for certificate in certificates),
        expires=min(ends),
        first_to_expire=to_pem(certificates[ends.index(min(ends))]),
        user_supplied=layout.server_is_uploaded(service).exists(),
    )


def write_chain(layout: EnvironmentLayout, service: str, chain: UploadedChain) -> None:
    """Have the service present this chain from its next connection on."""
    # The mark first: what a crash leaves half-written must not be mended with a chain of our own.
    write_private(layout.server_is_uploaded(service), b"")
    files = layout.server(service)
    write_private(files.key, chain.key)
    write_private(files.certificate, "".join(chain.certificates).encode())
    files.certificate.chmod(0o644)


def keeps_uploaded_chain(layout: EnvironmentLayout, service: str) -> bool:
    """Tell whether an uploaded chain is to stay; one that a crash left half-written is given up."""
    if not layout.server_is_uploaded(service).exists():
        return False
    files = layout.server(service)
    try:
        leaf = parse_certificates(files.certificate.read_text())[0]
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        is_whole = _public_bytes(key.public_key()) == _public_bytes(leaf.public_key())
    except Exception:  # noqa: BLE001 - whatever is wrong with the files, they cannot be presented
        is_whole = False
    if not is_whole:
        logger.error("uploaded certificate chain cannot be used", extra={"service": service})
        forget_chain(layout, service)
    return is_whole


def forget_chain(layout: EnvironmentLayout, service: str) -> None:
    """Let the environment issue the service's chain itself again; it does so when it is asked to renew."""
    layout.server_is_uploaded(service).unlink(missing_ok=True)


def server_authorities(layout: EnvironmentLayout) -> tuple[str, ...]:
    """Answer the authorities (PEM) that the servers of this environment can be trusted by."""
    own = layout.authority("proxy").certificate.read_text()
    found = {to_pem(certificate): None for certificate in parse_certificates(own)}
    for certificate in parse_certificates(layout.server("proxy").certificate.read_text()):
        if facts_of(certificate).is_authority:
            found[to_pem(certificate)] = None
    return tuple(found)


def _private_key(text: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    blocks = [match.group(0) for match in _KEY_BLOCK.finditer(text)]
    if len(blocks) != 1:
        raise invalid_field("chain", "must hold exactly one private key")
    if "ENCRYPTED" in blocks[0]:
        raise invalid_field("chain", "the private key must not be encrypted")
    try:
        key = serialization.load_pem_private_key(blocks[0].encode(), password=None)
    except Exception:  # noqa: BLE001 - whatever the library makes of it; its words may hold parts of the key
        raise invalid_field("chain", "the private key cannot be read") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SMALLEST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    reason = f"the private key must be RSA with {_SMALLEST_RSA_BITS} bits or more, or an elliptic curve's"
    raise invalid_field("chain", reason)


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    names = f"[{facts_of(issuer).subject}] did not issue [{facts_of(certificate).subject}]"
    if not facts_of(issuer).is_authority:
        raise invalid_field(
            "chain", f"[{facts_of(issuer).subject}] is not an authority; the leaf comes first"
        )
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - the library raises several kinds
        raise invalid_field("chain", f"{names}; each certificate must be followed by its issuer's") from None


def _check_leaf(leaf: x509.Certificate, domain: str | None) -> None:
    facts = facts_of(leaf)
    if not facts.server_names:
        raise invalid_field("chain", "the server's certificate has no subject alternative names")
    if domain is not None and f"*.{domain}" not in (name.lower() for name in facts.server_names):
        names = ", ".join(facts.server_names)
        raise invalid_field(
            "chain", f"the server's certificate must be valid for [*.{domain}]; it is for [{names}]"
        )
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        raise invalid_field("chain", "the server's certificate is not one for servers (extended key usage)")


def _public_bytes(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def now_utc(now_milliseconds: int) -> datetime:
    """Answer a clock's time as certificates have it."""
    return datetime.fromtimestamp(now_milliseconds / 1000, UTC)
