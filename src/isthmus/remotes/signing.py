"""Signs requests to other clusters, and knows whose signatures this cluster believes.

Both follow the cluster settings and the files that these name: a certificate that is renewed, or an
authority that is replaced, counts within a second.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from isthmus.clock import Clock
from isthmus.errors import Failure, illegal_argument
from isthmus.names import ClusterAlias
from isthmus.remotes.causes import Cause
from isthmus.remotes.flat_settings import FlatSettings
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.settings import RemoteSettings, remotes_of
from isthmus.remotes.signing_settings import SignatureTrust, SigningFiles, signature_trust_of
from isthmus.security.signatures import (
    MAXIMUM_CHAIN,
    NONCE_BYTES,
    SIGNATURE_HEADER,
    SigningKey,
    algorithm_of,
    new_signature,
    render_signature,
)
from isthmus.security.signing import SignatureVerifier

logger = logging.getLogger(__name__)

_MAXIMUM_FILE_BYTES: Final = 1024 * 1024
T = TypeVar("T")

_FileSignature: TypeAlias = tuple[tuple[str, int, int, int], ...]


class SignsRequests(Protocol):
    """Adds a signature to requests, where an alias is to have them."""

    def headers(self, alias: str, authorization: str, path: str, body: bytes) -> list[tuple[str, str]]:
        """Answer the header to add, none where nothing is to be signed.

        Raises :class:`PhaseFailure` where it is and cannot be: it must not go out unsigned.
        """
        ...

    def look_for_changes(self) -> None:
        """Read files that have changed; raises nothing."""
        ...


class NoSigning:
    """Signs nothing."""

    def headers(
        self,
        alias: str,  # noqa: ARG002 - one answer for all
        authorization: str,  # noqa: ARG002
        path: str,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        """Answer no header."""
        return []

    def look_for_changes(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The files that settings may name: some of the node's own, and any below one folder."""

    folder: Path
    known: Mapping[str, Path]

    def path(self, name: str) -> Path:
        """Answer where the file lies; raises a 400 failure where there is none."""
        path = self.known.get(name) or self.folder / name
        resolved = path.resolve()
        inside = name in self.known or resolved.is_relative_to(self.folder.resolve())
        if not inside or not resolved.is_file():
            raise illegal_argument(f"Configured file [{name}] not found: looked for [{path}]")
        return resolved

    def read(self, name: str) -> bytes:
        """Answer the content; raises a 400 failure for what is absent, unreadable or far too large."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                content = file.read(_MAXIMUM_FILE_BYTES + 1)
        except OSError as error:
            raise illegal_argument(f"Configured file [{name}] cannot be read: {error.strerror}") from error
        if len(content) > _MAXIMUM_FILE_BYTES:
            raise illegal_argument(f"Configured file [{name}] is larger than [{_MAXIMUM_FILE_BYTES}] bytes")
        return content

    def signature(self, names: tuple[str, ...]) -> _FileSignature:
        """Answer inode, time and size of each file: cheap, and different whenever one is replaced."""
        found = []
        for name in names:
            try:
                status = (self.known.get(name) or self.folder / name).stat()
            except OSError:
                found.append((name, 0, 0, 0))
            else:
                found.append((name, status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Material:
    """What signs: the leaf's key, and the chain in DER, the leaf first."""

    chain: tuple[bytes, ...]
    key: SigningKey

    def __repr__(self) -> str:
        return f"_Material(chain of {len(self.chain)}, key=…)"


class RequestSigning:
    """All signing of a node. Follows the settings by :meth:`apply`, the files by :meth:`look_for_changes`."""

    def __init__(self, files: NodeFiles, verifier: SignatureVerifier, clock: Clock) -> None:
        self._files = files
        self._verifier = verifier
        self._clock = clock
        self._wanted: Mapping[ClusterAlias, SigningFiles] = {}
        self._trust = SignatureTrust()
        self._materials: dict[ClusterAlias, _Material | Failure] = {}
        self._seen: _FileSignature = ()

    def check(self, settings: FlatSettings) -> None:
        """Return if every file that these settings name can be used; raises a 400 failure otherwise."""
        # Only what is new: a file that has gone meanwhile must not stand in the way of other settings.
        for alias, files in _wanted(remotes_of(settings)).items():
            if files != self._wanted.get(alias):
                _load_material(self._files, files)
        trust = signature_trust_of(settings)
        if trust.authorities != self._trust.authorities:
            _load_authorities(self._files, trust)

    def apply(self, settings: FlatSettings) -> None:
        """Sign and believe as these settings say; a file that cannot be used is told of when it is needed."""
        wanted = _wanted(remotes_of(settings))
        for alias in [alias for alias in self._materials if wanted.get(alias) != self._wanted.get(alias)]:
            del self._materials[alias]
        self._wanted = wanted
        self._trust = signature_trust_of(settings)
        self._load()

    def look_for_changes(self) -> None:
        """Load again what has changed on disk."""
        if self._files.signature(self._names()) != self._seen:
            logger.info("signing files read again")
            self._load()

    def headers(self, alias: str, authorization: str, path: str, body: bytes) -> list[tuple[str, str]]:
        """Sign this request if requests to this alias are signed."""
        material = self._materials.get(ClusterAlias(alias))
        if material is None:
            return []
        if isinstance(material, Failure):
            raise PhaseFailure(
                Phase.AUTHENTICATE,
                f"requests to [{alias}] cannot be signed: {material.reason}",
                f"correct the settings [cluster.remote.{alias}.signing.*] or the files that they name",
                cause=Cause.CANNOT_SIGN,
            )
        signature = new_signature(
            material.key,
            material.chain,
            authorization,
            path,
            body,
            signed_at_milliseconds=self._clock.now_milliseconds(),
            nonce=secrets.token_bytes(NONCE_BYTES),
        )
        return [(SIGNATURE_HEADER, render_signature(signature))]

    def _names(self) -> tuple[str, ...]:
        names = [name for files in self._wanted.values() for name in (files.certificate, files.key)]
        return tuple(sorted({*names, *(self._trust.authorities or ())}))

    def _load(self) -> None:
        self._seen = self._files.signature(self._names())  # first: what changes meanwhile is seen next time
        for alias, files in self._wanted.items():
            material = _or_failure(lambda files=files: _load_material(self._files, files))  # type: ignore[misc]
            if isinstance(material, Failure):
                logger.warning("requests cannot be signed", extra={"alias": alias, "reason": material.reason})
                if isinstance(self._materials.get(alias), _Material):
                    continue  # certificate and key are replaced one after the other: go on with the old ones
            self._materials[alias] = material
        authorities = _or_failure(lambda: _load_authorities(self._files, self._trust))
        if isinstance(authorities, Failure):
            logger.warning("signatures cannot be verified", extra={"reason": authorities.reason})
            authorities = None
        self._verifier.trust(authorities, diagnose=self._trust.diagnose)


def _wanted(remotes: Mapping[ClusterAlias, RemoteSettings]) -> dict[ClusterAlias, SigningFiles]:
    return {alias: remote.signing for alias, remote in remotes.items() if remote.signing is not None}


def _or_failure(load: Callable[[], T]) -> T | Failure:
    try:
        return load()
    except Failure as failure:
        return failure


def _load_material(files: NodeFiles, names: SigningFiles) -> _Material:
    chain = _certificates(files, names.certificate)
    if len(chain) > MAXIMUM_CHAIN:
        raise illegal_argument(
            f"Configured file [{names.certificate}] holds [{len(chain)}] certificates: give the chain of the"
            f" signing certificate, at most [{MAXIMUM_CHAIN}]"
        )
    content = files.read(names.key)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise illegal_argument(
            f"Configured file [{names.key}] holds an encrypted key: signing needs one without a passphrase"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise illegal_argument(f"Cannot find a signing key in [{names.key}]") from None
    algorithm_of(key)
    if _public_bytes(chain[0].public_key()) != _public_bytes(key.public_key()):
        raise illegal_argument(
            f"the key in [{names.key}] is not that of the first certificate in [{names.certificate}]"
        )
    return _Material(
        tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in chain),
        key,  # type: ignore[arg-type] # algorithm_of has refused every other kind
    )


def _load_authorities(files: NodeFiles, trust: SignatureTrust) -> tuple[x509.Certificate, ...] | None:
    if trust.authorities is None:
        return None
    return tuple(certificate for name in trust.authorities for certificate in _certificates(files, name))


def _certificates(files: NodeFiles, name: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(files.read(name)))
    except ValueError:
        raise illegal_argument(
            f"Configured file [{name}] holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ) from None


def _public_bytes(key: object) -> bytes:
    if not hasattr(key, "public_bytes"):
        raise TypeError("not a public key")
    encoded: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
