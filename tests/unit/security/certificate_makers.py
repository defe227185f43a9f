"""Certificates for tests of the certificate model: good ones, and ones that nobody honest makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

COMMON_NAME = "2.5.4.3"
_ALTERNATIVE_NAMES = x509.ObjectIdentifier("2.5.29.17")
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def utf8(text: str | bytes) -> bytes:
    """Answer a DER UTF8String."""
    content = text if isinstance(text, bytes) else text.encode()
    length = bytes((len(content),)) if len(content) < 128 else bytes((0x81, len(content)))
    return b"\x0c" + length + content


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority(name: str, issuer: Made | None = None) -> Made:
    """Answer an authority, signed by itself or by another."""
    return _make(name, issuer, None, is_authority=True)


def leaf(
    issuer: Made,
    *others: bytes,
    subject: str = "leaf",
    dns: tuple[str, ...] = (),
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT),
    oid: str = COMMON_NAME,
    valid: tuple[int, int] = (-1, 1),
) -> Made:
    """Answer a leaf with these raw values as otherNames; ``valid`` is in days from now."""
    kind = x509.ObjectIdentifier(oid)
    names = b"".join(_other_name(kind, each) for each in others)
    names += b"".join(_tagged(0x82, each.encode()) for each in dns)
    return _make(subject, issuer, names, usages=usages, valid=valid)


def node(issuer: Made, name: str, **more: object) -> Made:
    """Answer a node's certificate as a platform makes it, of this name."""
    return leaf(issuer, utf8(name), subject=name.removesuffix(".account")[:64], **more)  # type: ignore[arg-type]


def _other_name(kind: x509.ObjectIdentifier, value: bytes) -> bytes:
    written = x509.SubjectAlternativeName([x509.OtherName(kind, utf8("x"))]).public_bytes()
    # SEQUENCE, [0], then the type's own tag, length and bytes.
    type_length = written[5]
    return _tagged(0xA0, written[4 : 6 + type_length] + _tagged(0xA0, value))


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _make(
    subject: str,
    issuer: Made | None,
    names: bytes | None,
    *,
    is_authority: bool = False,
    usages: tuple[x509.ObjectIdentifier, ...] = (),
    valid: tuple[int, int] = (-1, 1),
) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=valid[0]))
        .not_valid_after(now + timedelta(days=valid[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    signer = key if issuer is None else issuer.key
    # With these the library tells two authorities of one name apart, as it must during a rotation.
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    if names:
        # By hand: the library would not write what hostile certificates hold.
        extension = x509.UnrecognizedExtension(_ALTERNATIVE_NAMES, _tagged(0x30, names))
        builder = builder.add_extension(extension, critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return Made(builder.sign(signer, hashes.SHA256()), key)
