"""Authorities and the certificates that they issue (ECDSA P-256), as PEM. No file is touched here."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.control.identity import node_common_name, node_other_name
from isthmus.errors import Failure, illegal_argument

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=365)
#: clocks of peers may be behind ours
_BACKDATED: Final = timedelta(minutes=5)
#: commonName as otherName: how Elastic's platforms put a node's name into its certificate
_COMMON_NAME_OID: Final = x509.ObjectIdentifier("2.5.4.3")
_SHORT_DER_LENGTH: Final = 0x80


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate (or chain, leaf first) and its private key, both PEM; the key never shows in a repr."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Credentials(certificate=…, key=…)"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What people and APIs are told of a certificate."""

    subject: str
    issuer: str
    fingerprint: str
    valid_from: datetime
    valid_to: datetime
    is_authority: bool
    server_names: tuple[str, ...]


def make_authority(common_name: str, organization: str, now: datetime) -> Credentials:
    """Answer a new authority that signs itself and no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return Credentials(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def issue_server_certificate(authority: Credentials, names: Sequence[str], now: datetime) -> Credentials:
    """Answer a chain for a server of these DNS names and IP addresses; the first is the subject."""
    # X.520 allows 64 characters in a common name; clients look at the alternative names only.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    return _issue(
        authority, subject, [_general_name(name) for name in names], [ExtendedKeyUsageOID.SERVER_AUTH], now
    )


def issue_node_certificate(
    authority: Credentials, node_id: str, cluster_id: str, scope_id: str, now: datetime
) -> Credentials:
    """Answer a node's own certificate: named in subject and otherName, for server and client."""
    common_name = node_common_name(node_id, cluster_id, scope_id)
    other_name = node_other_name(node_id, cluster_id, scope_id)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    name = x509.OtherName(_COMMON_NAME_OID, _der_text(other_name))
    return _issue(authority, subject, [name], usages, now)


def parse_certificates(pem: str) -> tuple[x509.Certificate, ...]:
    """Answer the certificates of a PEM text; raises a 400 failure that says what is wrong with it."""
    if "PRIVATE KEY" in pem:
        raise illegal_argument(
            "the PEM holds a private key: give the certificate only, and keep the key secret"
        )
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem.encode()))
        for certificate in certificates:
            facts_of(certificate)  # some broken parts only show when they are read
    except Failure:
        raise
    except Exception as error:  # the library documents ValueError and raises others for some junk
        raise illegal_argument("no certificate in PEM form (-----BEGIN CERTIFICATE-----) found") from error
    return certificates


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Answer what a certificate says; raises ValueError for extensions that cannot be read."""
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    server_names: list[str] = []
    if names is not None:
        server_names += names.get_values_for_type(x509.DNSName)
        server_names += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
        is_authority=is_authority,
        server_names=tuple(server_names),
    )


def to_pem(certificate: x509.Certificate) -> str:
    """Answer the certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _issue(
    authority: Credentials,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
    usages: Sequence[x509.ObjectIdentifier],
    now: datetime,
) -> Credentials:
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(subject, issuer.subject, key.public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    leaf = certificate.public_bytes(serialization.Encoding.PEM)
    return Credentials(leaf + authority.certificate, _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _der_text(text: str) -> bytes:
    """Answer a DER UTF8String; node names stay far below the 128 bytes that need a longer header."""
    encoded = text.encode()
    if len(encoded) >= _SHORT_DER_LENGTH:
        raise ValueError(f"node name of {len(encoded)} bytes is too long")
    return bytes((0x0C, len(encoded))) + encoded


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
