"""Certificate chains with their keys, for tests of signed requests: good ones, and badly issued ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from isthmus.errors import Failure
from isthmus.security.signatures import (
    SigningKey,
)


@dataclass(frozen=True)
class Signer:
    """A certificate chain with its key."""

    chain: tuple[x509.Certificate, ...]
    key: SigningKey

    @property
    def der(self) -> tuple[bytes, ...]:
        """The chain as it travels."""
        return tuple(each.public_bytes(serialization.Encoding.DER) for each in self.chain)


def signer_of(leaf: trustme.LeafCert) -> Signer:
    """Answer what trustme issued."""
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    chain = tuple(x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems)
    return Signer(chain, key)


def anchors(*authorities: trustme.CA) -> tuple[x509.Certificate, ...]:
    """Answer these authorities' certificates."""
    return tuple(x509.load_pem_x509_certificate(each.cert_pem.bytes()) for each in authorities)


AUTHORITY = trustme.CA()
STRANGER = trustme.CA()
BETWEEN = AUTHORITY.create_child_ca()
EC_SIGNER = signer_of(AUTHORITY.issue_cert(common_name="instance"))
RSA_SIGNER = signer_of(AUTHORITY.issue_cert(common_name="instance", key_type=trustme.KeyType.RSA))
DEEP_SIGNER = signer_of(BETWEEN.issue_cert(common_name="deep"))
STRANGE_SIGNER = signer_of(STRANGER.issue_cert(common_name="instance"))


def issue(
    issuer: Signer,
    name: str,
    key: SigningKey,
    *,
    authority: bool = False,
    days: tuple[int, int] = (-1, 1),
    signs: bool = True,
) -> Signer:
    """Issue a certificate, as wrong as asked."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.chain[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs, key_cert_sign=authority, crl_sign=False, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=not signs,
                encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    return Signer((builder.sign(issuer.key, hashes.SHA256()), *issuer.chain), key)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key."""
    return ec.generate_private_key(ec.SECP256R1())


def failure_or_none(check: Callable[[], object]) -> Failure | None:
    """Answer the failure that this raises, if any."""
    try:
        check()
    except Failure as failure:
        return failure
    return None
