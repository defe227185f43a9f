"""Who is asking on a port for other clusters: by cross-cluster key (9443) or by certificate (9400)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from isthmus.errors import Failure
from isthmus.rest.http import Request
from isthmus.security.audit_notes import note_authentication_failure, note_cluster_certificate
from isthmus.security.certificate_caller import CertificateRecords, certificate_principal
from isthmus.security.certificate_trust import CertificateRejectedError, TrustedPeer
from isthmus.security.credentials import unauthenticated
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.remote_caller import CrossClusterKey, RemoteSubject, remote_principal
from isthmus.security.signatures import SIGNATURE_HEADER
from isthmus.security.signing import VerifiedSignature, no_signature_trust


class Visitor(Protocol):
    """Another cluster that was let in. Key members are empty where it came without a key."""

    @property
    def key_id(self) -> str:
        """The id of its cross-cluster key."""
        ...

    @property
    def key_name(self) -> str:
        """The name of that key."""
        ...

    @property
    def key_expires_milliseconds(self) -> int | None:
        """When that key ends; None: never, or no key."""
        ...

    @property
    def access(self) -> RoleDescriptor | None:
        """What that key gives; None: no key."""
        ...

    @property
    def identity(self) -> str:
        """Who that cluster is, by its key or certificate: what it opens here is for nobody else."""
        ...

    async def principal(self, subject: RemoteSubject) -> Principal:
        """Answer a user of that cluster as this one sees them; raises 400 and 403 failures."""
        ...


class Gate(Protocol):
    """Lets clusters in, and tells what its port is."""

    @property
    def port_name(self) -> str:
        """What the port is called in messages."""
        ...

    async def identify(self, request: Request, action: str, *, complete: bool = True) -> Visitor:
        """Answer who sends this request; raises a 401 failure in Elasticsearch's words.

        ``complete`` False: the body has not been read yet, and the same request will be shown again.
        """
        ...


class AuthenticatesClusters(Protocol):
    """Which cross-cluster key is that? Satisfied by :class:`isthmus.security.authenticate.Authenticator`."""

    async def authenticate_cross_cluster(
        self, credentials: str, action: str = ..., certificate_subject: str | None = ...
    ) -> CrossClusterKey:
        """Answer the verified key; raises a 401 failure in Elasticsearch's words."""
        ...


class VerifiesSignatures(Protocol):
    """Whose signature is that? Satisfied by :class:`isthmus.security.signing.SignatureVerifier`."""

    def verify(self, header: str, authorization: str, path: str) -> VerifiedSignature:
        """Answer who has signed; raises a 401 failure."""
        ...

    def accept(self, verified: VerifiedSignature, body: bytes) -> None:
        """Take a signed request once, with its body; raises a 401 failure."""
        ...


class DecidesOnCertificates(Protocol):
    """Is that node trusted now? Satisfied by `isthmus.remotes.transport_security.TransportSecurity`."""

    def decide(self, chain: Sequence[bytes]) -> TrustedPeer:
        """Answer who showed this verified chain; raises :class:`CertificateRejectedError`."""
        ...


class KeyVisitor(msgspec.Struct, frozen=True):
    """A cluster with a cross-cluster API key."""

    key: CrossClusterKey

    @property
    def key_id(self) -> str:
        """The id of the key."""
        return self.key.id

    @property
    def key_name(self) -> str:
        """The name of the key."""
        return self.key.name

    @property
    def key_expires_milliseconds(self) -> int | None:
        """When the key ends; None: never."""
        return self.key.expires_milliseconds

    @property
    def access(self) -> RoleDescriptor:
        """What the key gives."""
        return self.key.role

    @property
    def identity(self) -> str:
        """The key's id."""
        return f"key:{self.key.id}"

    async def principal(self, subject: RemoteSubject) -> Principal:
        """Answer the caller, bound by the key and by what was sent along."""
        return remote_principal(self.key, subject)


@dataclass(frozen=True, slots=True)
class KeyGate:
    """The remote cluster server port. ``signatures`` None: signed requests are refused."""

    authenticator: AuthenticatesClusters
    signatures: VerifiesSignatures | None = None
    port_name: Final[str] = "dedicated remote cluster server port"

    async def identify(self, request: Request, action: str, *, complete: bool = True) -> KeyVisitor:
        """Answer the cluster whose key the request carries, and which has signed it if the key wants that.

        A signature is verified first, also where the key needs none (``docs/strong-identity.md``).
        """
        credentials = request.headers.get("authorization", "")
        signature = request.headers.get(SIGNATURE_HEADER)
        if signature is None:
            return KeyVisitor(await self.authenticator.authenticate_cross_cluster(credentials, action))
        if self.signatures is None:
            raise no_signature_trust()
        verified = self.signatures.verify(signature, credentials, request.path)
        if complete:
            self.signatures.accept(verified, request.body)
        key = await self.authenticator.authenticate_cross_cluster(credentials, action, verified.subject)
        return KeyVisitor(key)


@dataclass(frozen=True, slots=True)
class CertificateVisitor:
    """A node that showed a trusted certificate."""

    peer: TrustedPeer
    records: CertificateRecords
    key_id: Final[str] = ""
    key_name: Final[str] = ""
    key_expires_milliseconds: Final[int | None] = None
    access: Final[RoleDescriptor | None] = None

    @property
    def identity(self) -> str:
        """The cluster that the certificate's name is of, or the name as it is."""
        peer = self.peer
        if peer.cluster_id is None:
            return f"name:{peer.name}"
        return f"cluster:{peer.scope_id}:{peer.cluster_id}"

    async def principal(self, subject: RemoteSubject) -> Principal:
        """Answer the caller by this cluster's own roles of the same names."""
        return await certificate_principal(subject, self.records)


@dataclass(frozen=True, slots=True)
class CertificateGate:
    """The transport port. Trust is looked at with each request: what it was at the handshake may be over."""

    trust: DecidesOnCertificates
    records: CertificateRecords
    port_name: Final[str] = "transport port"

    async def identify(self, request: Request, action: str, *, complete: bool = True) -> CertificateVisitor:
        """Answer the node that the connection's certificate is of."""
        del complete  # the connection tells, whatever has been read
        try:
            peer = self.trust.decide(request.peer.chain)
        except CertificateRejectedError:
            # What is trusted here is none of the peer's business; the log has it.
            raise _noted(unauthenticated("the certificate of the connecting node is not trusted")) from None
        if "authorization" in request.headers:
            # As a transport port does: it takes no key, and without one nobody has authenticated.
            raise _noted(unauthenticated(f"missing authentication credentials for action [{action}]"))
        note_cluster_certificate(peer.subject)
        return CertificateVisitor(peer, self.records)


def _noted(failure: Failure) -> Failure:
    """Answer the failure, noted for the audit log."""
    note_authentication_failure(failure)
    return failure
