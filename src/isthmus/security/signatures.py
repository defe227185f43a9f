"""Signatures over requests to another cluster: their form on the wire, made and checked. Pure.

A signature says that whoever holds the private key of a certificate has sent this very request with
this very cross-cluster key. What is signed (:func:`signed_bytes`):

* the ``authorization`` header, so that a signature goes with one key only;
* the path and the body's digest; the body holds the caller and their privileges;
* the time of signing and a random number, so that a request which was seen once can be refused later.

Other headers (timeout, trace, encoding of the answer) are not signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final, TypeAlias

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from isthmus.errors import Failure, illegal_argument
from isthmus.security.credentials import unauthenticated

SIGNATURE_HEADER: Final = "isthmus-signature"
_VERSION: Final = 1
_PURPOSE: Final = b"isthmus cross-cluster request 1"
_RSA_ALGORITHM: Final = "SHA256withRSA"
_EC_ALGORITHM: Final = "SHA256withECDSA"
#: three RSA certificates with long names need 6 KiB; this also has to fit into a request's headers
MAXIMUM_HEADER_CHARACTERS: Final = 24 * 1024
MAXIMUM_CHAIN: Final = 5
NONCE_BYTES: Final = 16
_DIGEST_BYTES: Final = 32
_MAXIMUM_NAME_CHARACTERS: Final = 500

SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class RequestSignature(msgspec.Struct, frozen=True, array_like=True):
    """What travels in the header: base64 of this as MessagePack. ``chain`` is DER, the leaf first."""

    version: int
    chain: tuple[bytes, ...]
    algorithm: str
    signature: bytes
    signed_at_milliseconds: int
    nonce: bytes
    body_digest: bytes


def body_digest(body: bytes) -> bytes:
    """Answer the digest under which a body is signed: of the bytes that travel, compressed or not."""
    return hashlib.sha256(body).digest()


def signed_bytes(
    authorization: str, path: str, digest: bytes, signed_at_milliseconds: int, nonce: bytes
) -> bytes:
    """Answer the bytes that a signature is over. No two different requests have the same."""
    # Each part ends where its length says: nothing can be moved from one into the next.
    parts = (
        _PURPOSE,
        authorization.encode("utf-8", "surrogatepass"),
        path.encode("utf-8", "surrogatepass"),
        digest,
        str(signed_at_milliseconds).encode(),
        nonce,
    )
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def algorithm_of(key: object) -> str:
    """Answer the signature algorithm of a private or public key; raises a 400 failure for other kinds."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return _RSA_ALGORITHM
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return _EC_ALGORITHM
    kind = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")
    raise illegal_argument(f"Unsupported Key Type [{kind}]: use an RSA or an elliptic curve (EC) key")


def sign(key: SigningKey, content: bytes) -> bytes:
    """Answer the signature of these bytes."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(content, ec.ECDSA(hashes.SHA256()))


def signature_is_good(leaf: x509.Certificate, signature: RequestSignature, content: bytes) -> bool:
    """Tell whether the leaf's key has made this signature, with the algorithm that it names."""
    try:
        key = leaf.public_key()
        if algorithm_of(key) != signature.algorithm:
            return False
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.signature, content, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature.signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    except Exception:  # noqa: BLE001 - a stranger's certificate: whatever the library thinks of it, it is not good
        return False
    return True


def render_signature(signature: RequestSignature) -> str:
    """Answer the header's value."""
    return base64.b64encode(msgspec.msgpack.encode(signature)).decode()


def parse_signature(header: str) -> RequestSignature:
    """Answer what a header says; raises a 401 failure for what is not a signature of this version."""
    if len(header) > MAXIMUM_HEADER_CHARACTERS:
        raise _malformed(f"longer than [{MAXIMUM_HEADER_CHARACTERS}] characters")
    try:
        content = base64.b64decode(header, validate=True)
        signature = msgspec.msgpack.decode(content, type=RequestSignature)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        raise _malformed("not base64 of a signature's record") from None
    if signature.version != _VERSION:
        raise _malformed(f"of version [{signature.version}], but only [{_VERSION}] is known here")
    if not 0 < len(signature.chain) <= MAXIMUM_CHAIN:
        raise _malformed(
            f"with a chain of [{len(signature.chain)}] certificates instead of 1 to {MAXIMUM_CHAIN}"
        )
    if len(signature.nonce) != NONCE_BYTES or len(signature.body_digest) != _DIGEST_BYTES:
        raise _malformed("with a number or digest of the wrong length")
    if not 0 <= signature.signed_at_milliseconds < 2**53:
        raise _malformed("with a time that cannot be")
    return signature


def new_signature(  # noqa: PLR0913 - one parameter a part of what is signed
    key: SigningKey,
    chain: tuple[bytes, ...],
    authorization: str,
    path: str,
    body: bytes,
    *,
    signed_at_milliseconds: int,
    nonce: bytes,
) -> RequestSignature:
    """Sign one request."""
    digest = body_digest(body)
    content = signed_bytes(authorization, path, digest, signed_at_milliseconds, nonce)
    return RequestSignature(
        version=_VERSION,
        chain=chain,
        algorithm=algorithm_of(key),
        signature=sign(key, content),
        signed_at_milliseconds=signed_at_milliseconds,
        nonce=nonce,
        body_digest=digest,
    )


def load_chain(signature: RequestSignature) -> tuple[x509.Certificate, ...]:
    """Answer the certificates that were sent along; raises a 401 failure for one that cannot be read."""
    try:
        certificates = tuple(x509.load_der_x509_certificate(der) for der in signature.chain)
        for certificate in certificates:
            describe_certificate(certificate)  # some broken parts only show when they are read
    except Exception:  # noqa: BLE001 - the library raises many kinds for junk
        raise _malformed("with a certificate that cannot be read") from None
    return certificates


def subject_of(certificate: x509.Certificate) -> str:
    """Answer the subject as RFC 4514 text, as patterns of identities are written for."""
    return certificate.subject.rfc4514_string()


def describe_certificate(certificate: x509.Certificate) -> str:
    """Answer ``(DN;X.509;SHA1:fingerprint)``, by which messages name a certificate."""
    # SHA-1 only names the certificate, as in Elasticsearch; nothing is decided by it.
    fingerprint = certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - see above
    return f"({subject_of(certificate)[:_MAXIMUM_NAME_CHARACTERS]};X.509;SHA1:{fingerprint})"


def _malformed(problem: str) -> Failure:
    return unauthenticated(f"the cross cluster api key signature is malformed: {problem}")
