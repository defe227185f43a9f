"""API key secrets: made at random, stored as salted SHA-256, compared in constant time.

A fast hash is enough because the secret is 128 random bits, not something a person chose: nobody
can try them out (Elasticsearch's ``ssha256`` rests on the same argument).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from isthmus.security.secret import Secret

_PREFIX: Final = "{SSHA256}"
_SALT_BYTES: Final = 16
_SECRET_BYTES: Final = 16
_ID_BYTES: Final = 15
#: verified against when a key does not exist, so that this takes as long as a wrong secret
UNKNOWN_KEY_HASH: Final = _PREFIX + base64.b64encode(bytes(_SALT_BYTES + 32)).decode()


def new_key_id() -> str:
    """Answer a random id: 20 letters and digits of the URL-safe alphabet, as Elasticsearch's are."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_ID_BYTES)).decode()


def new_key_secret() -> Secret:
    """Answer a secret of 128 random bits: 22 characters of the URL-safe alphabet."""
    return Secret(base64.urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("="))


def hash_key_secret(secret: Secret) -> str:
    """Answer what may be stored of a secret."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _PREFIX + base64.b64encode(salt + _digest(salt, secret)).decode()


def key_secret_matches(secret: Secret, stored: str) -> bool:
    """Tell whether this is the secret that was stored; takes the same time whatever differs."""
    salted = base64.b64decode(stored.removeprefix(_PREFIX))
    salt, digest = salted[:_SALT_BYTES], salted[_SALT_BYTES:]
    return hmac.compare_digest(digest, _digest(salt, secret))


def encode_credentials(key_id: str, secret: Secret) -> str:
    """Answer the one text that clients send: base64 of ``id:secret``."""
    return base64.b64encode(f"{key_id}:{secret.reveal()}".encode()).decode()


def decode_credentials(encoded: str) -> tuple[str, Secret] | None:
    """Answer id and secret of such a text, None when it is not one."""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    key_id, separator, secret = text.partition(":")
    if not separator or not key_id or not secret:
        return None
    return key_id, Secret(secret)


def _digest(salt: bytes, secret: Secret) -> bytes:
    return hashlib.sha256(salt + secret.reveal().encode()).digest()
