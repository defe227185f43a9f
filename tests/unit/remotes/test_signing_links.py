"""Links whose requests are signed: real files, real certificates, real keys, real TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from remotes_harness import ALIAS, SERVER_NAME, FakeEngine, FakeKeystore, FarCluster, identity, reader, until

from isthmus.clock import SystemClock
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.registry import Remotes
from isthmus.remotes.settings import remotes_of
from isthmus.remotes.signing import NodeFiles, RequestSigning
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.security.api_key_secrets import encode_credentials
from isthmus.security.api_keys import KeyChange, NewKey
from isthmus.security.cross_cluster_access import parse_access
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.service import Security, build_security
from isthmus.security.signing import SignatureVerifier
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.security_records import SqlSecurityRecords

OWNER = Principal(
    "elastic",
    ("superuser",),
    ((RoleDescriptor(name="superuser", cluster=("all",)),),),
    "reserved",
    "reserved",
)
ACCESS = parse_access({"search": [{"names": ["logs-*"]}]})
EU = f"cluster.remote.{ALIAS}."
SIGNED = {f"{EU}signing.certificate": "node.crt", f"{EU}signing.key": "node.key"}


class MemoryRecords:
    """Cluster settings in memory."""

    def __init__(self) -> None:
        self._saved: dict[str, str | tuple[str, ...]] = {}

    async def load(self) -> Mapping[str, str | tuple[str, ...]]:
        """Answer what was saved."""
        return dict(self._saved)

    async def save(self, settings: Mapping[str, str | tuple[str, ...]]) -> None:
        """Keep it for the next load."""
        self._saved = dict(settings)


@pytest.fixture
def signers() -> trustme.CA:
    """Make the near environment's transport CA."""
    return trustme.CA()


def put_node_files(folder: Path, authority: trustme.CA, name: str) -> None:
    """Write the node's certificate and key as an environment does."""
    leaf = authority.issue_cert(common_name=name)
    (folder / "node.crt").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    (folder / "node.key").write_bytes(leaf.private_key_pem.bytes())


@pytest.fixture
def files(tmp_path: Path, signers: trustme.CA) -> NodeFiles:
    """Make the near node's files: its own, and a folder for the operator's."""
    own, folder = tmp_path / "own", tmp_path / "signing"
    own.mkdir()
    folder.mkdir()
    put_node_files(own, signers, "near-node")
    signers.cert_pem.write_to_path(own / "ca.crt")
    known = {
        "node.crt": own / "node.crt",
        "node.key": own / "node.key",
        "internal_tls_ca.crt": own / "ca.crt",
    }
    return NodeFiles(folder, known)


@pytest.fixture
async def security(tmp_path: Path) -> AsyncIterator[Security]:
    """Open the far side's security."""
    database = Database.open(sqlite_url(tmp_path / "far.sqlite"), Line.NODE)
    yield build_security(SqlSecurityRecords(database), SystemClock())
    database.close()


@pytest.fixture
def verifier(signers: trustme.CA) -> SignatureVerifier:
    """Make the far side's verifier, which trusts the near environment."""
    made = SignatureVerifier(SystemClock())
    made.trust([x509.load_pem_x509_certificate(signers.cert_pem.bytes())])
    return made


@pytest.fixture
async def far(
    certificate: trustme.LeafCert, security: Security, verifier: SignatureVerifier
) -> AsyncIterator[FarCluster]:
    """Run a far cluster with real keys that verifies signatures."""
    engine = FakeEngine(**{"logs-a": ["1"]})
    cluster = FarCluster(certificate, security.authenticator, engine, signatures=verifier)  # type: ignore[arg-type]
    await cluster.start()
    yield cluster
    await cluster.kill()


@dataclass
class NearSide:
    """The near side with its settings."""

    remotes: Remotes
    settings: ClusterSettingsService

    async def set(self, **values: str | None) -> None:
        """Change the alias's settings."""
        await self.settings.update({f"{EU}{name}": value for name, value in values.items()}, {})

    async def refused(self) -> dict[str, str]:
        """Answer why the link is refused, as soon as it is."""
        await until(lambda: self.remotes.get(ALIAS).info()["isthmus"]["state"] == "refused")
        error: dict[str, str] = self.remotes.get(ALIAS).info()["isthmus"]["last_error"]
        return error

    async def search(self) -> list[str]:
        """Answer the ids that a search finds."""
        target = self.remotes.get(ALIAS).search_target(reader("*"))
        result = await target.search(("*",), IndicesOptions(), SearchRequest())
        return [hit.id for hit in result.hits]


@asynccontextmanager
async def near_side(
    far: FarCluster, folder: Path, files: NodeFiles, key: str, settings: Mapping[str, str]
) -> AsyncIterator[NearSide]:
    """Run a near side with this key and these settings."""
    keystore = FakeKeystore()
    keystore.put_key(key)
    signing = RequestSigning(files, SignatureVerifier(SystemClock()), SystemClock())
    trust = TrustedAuthorities(folder, system_trust=False)
    remotes = Remotes(keystore, LinkContext(identity=identity("near"), trust=trust, signing=signing))
    running = asyncio.create_task(remotes.run())
    service = ClusterSettingsService(MemoryRecords(), remotes.apply, observers=(signing,))
    await service.update(
        {
            f"{EU}mode": "proxy",
            f"{EU}proxy_address": str(far.address),
            f"{EU}server_name": SERVER_NAME,
            f"{EU}transport.ping_schedule": "100ms",
            **settings,
        },
        {},
    )
    try:
        yield NearSide(remotes, service)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def new_key(security: Security, certificate_identity: str | None) -> tuple[str, str]:
    """Make a key; answer its id and encoded form."""
    wanted = NewKey(name="k", access=ACCESS, certificate_identity=certificate_identity)
    key, secret = await security.api_keys.create_cross_cluster(OWNER, wanted)
    return key.id, encode_credentials(key.id, secret)


IDENTITY = ".*CN=near-node.*"


@pytest.mark.parametrize("compress", ["indexing_data", "true"])
async def test_a_bound_key_works_for_whoever_signs(
    far: FarCluster, security: Security, trusted_folder: Path, files: NodeFiles, compress: str
) -> None:
    """Handshake, pings and searches are signed, with bodies compressed or not; each is taken."""
    _, key = await new_key(security, IDENTITY)
    settings = {**SIGNED, f"{EU}transport.compress": compress}
    async with near_side(far, trusted_folder, files, key, settings) as near:
        await until(lambda: near.remotes.get(ALIAS).connected)
        for _ in range(20):
            assert await near.search() == ["1"]
        await asyncio.sleep(0.3)  # pings are signed as well
        assert near.remotes.get(ALIAS).info()["isthmus"]["state"] == "connected"


async def test_a_bound_key_without_a_signature_is_refused_until_requests_are_signed(
    far: FarCluster, security: Security, trusted_folder: Path, files: NodeFiles
) -> None:
    """The reason is Elasticsearch's, the remedy names the settings; setting them connects at once."""
    key_id, key = await new_key(security, IDENTITY)
    async with near_side(far, trusted_folder, files, key, {}) as near:
        error = await near.refused()
        assert error["reason"] == (
            f"API key (type:[cross_cluster], id:[{key_id}]) requires certificate identity matching "
            f"[{IDENTITY}], but no certificate was provided"
        )
        assert f"[{EU}signing.certificate]" in error["remedy"]
        await near.settings.update(SIGNED, {})
        await until(lambda: near.remotes.get(ALIAS).connected, 2.0)
        assert await near.search() == ["1"]


async def test_a_certificate_of_another_name_is_refused(
    far: FarCluster, security: Security, trusted_folder: Path, files: NodeFiles
) -> None:
    """A trusted signature by the wrong node does not open the key's door, until the key says so."""
    key_id, key = await new_key(security, ".*CN=other-node.*")
    async with near_side(far, trusted_folder, files, key, SIGNED) as near:
        reason = (await near.refused())["reason"]
        assert reason.startswith("DN from provided certificate [")
        assert reason.endswith("does not match API Key certificate identity pattern [.*CN=other-node.*]")
        await security.api_keys.update_cross_cluster(OWNER, key_id, KeyChange(certificate_identity=IDENTITY))
        await until(lambda: near.remotes.get(ALIAS).connected)


async def test_trust_in_signatures_counts_at_once_for_open_links(
    far: FarCluster,
    security: Security,
    trusted_folder: Path,
    files: NodeFiles,
    verifier: SignatureVerifier,
    signers: trustme.CA,
) -> None:
    """Also for a key that needs none: an authority that is taken away ends the link at the next request."""
    _, key = await new_key(security, None)
    async with near_side(far, trusted_folder, files, key, SIGNED) as near:
        await until(lambda: near.remotes.get(ALIAS).connected)
        assert await near.search() == ["1"]
        verifier.trust([x509.load_pem_x509_certificate(trustme.CA().cert_pem.bytes())])
        reason = (await near.refused())["reason"]
        assert reason.startswith("Failed to verify cross cluster api key signature certificate from [(")
        verifier.trust(None)
        await until(
            lambda: (
                "has not trust configuration"
                in near.remotes.get(ALIAS).info()["isthmus"]["last_error"]["reason"]
            )
        )
        with pytest.raises(Failure) as caught:
            await near.search()
        assert caught.value.kind is FailureKind.UNAVAILABLE
        verifier.trust([x509.load_pem_x509_certificate(signers.cert_pem.bytes())])
        await until(lambda: near.remotes.get(ALIAS).connected)


async def test_a_renewed_certificate_signs_within_a_second(
    far: FarCluster, security: Security, trusted_folder: Path, files: NodeFiles, signers: trustme.CA
) -> None:
    """The environment replaces node.crt and node.key before they expire; nothing has to be set again."""
    _, key = await new_key(security, ".*CN=near-node(-renewed)?.*")
    async with near_side(far, trusted_folder, files, key, SIGNED) as near:
        await until(lambda: near.remotes.get(ALIAS).connected)
        folder = files.known["node.crt"].parent
        put_node_files(folder, signers, "near-node-renewed")
        near.remotes.look_for_changes()
        assert await near.search() == ["1"]
        (folder / "node.key").unlink()  # as between the two steps of a replacement
        near.remotes.look_for_changes()
        assert await near.search() == ["1"]


async def test_a_request_that_cannot_be_signed_is_not_sent(
    far: FarCluster, security: Security, trusted_folder: Path, files: NodeFiles
) -> None:
    """Files that are missing when the node starts fail the link with their names, until they are there."""
    _, key = await new_key(security, None)
    keystore = FakeKeystore()
    keystore.put_key(key)
    signing = RequestSigning(files, SignatureVerifier(SystemClock()), SystemClock())
    trust = TrustedAuthorities(trusted_folder, system_trust=False)
    remotes = Remotes(keystore, LinkContext(identity=identity("near"), trust=trust, signing=signing))
    settings = {f"{EU}mode": "proxy", f"{EU}proxy_address": str(far.address), f"{EU}server_name": SERVER_NAME}
    wanted = {**settings, f"{EU}signing.certificate": "later.crt", f"{EU}signing.key": "later.key"}
    signing.apply(wanted)
    remotes.apply(remotes_of(wanted))
    running = asyncio.create_task(remotes.run())
    await until(lambda: "last_error" in remotes.get(ALIAS).info()["isthmus"])
    error = remotes.get(ALIAS).info()["isthmus"]["last_error"]
    assert "Configured file [later.crt] not found" in error["reason"]
    (files.folder / "later.crt").write_bytes(files.known["node.crt"].read_bytes())
    (files.folder / "later.key").write_bytes(files.known["node.key"].read_bytes())
    await until(lambda: remotes.get(ALIAS).connected)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def pem_of(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Answer a key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("certificate_file", "key_file", "expected"),
    [
        ("absent.crt", "node.key", "Configured file [absent.crt] not found"),
        ("node.crt", "absent.key", "Configured file [absent.key] not found"),
        ("link.crt", "node.key", "Configured file [link.crt] not found"),
        ("text.pem", "node.key", "Configured file [text.pem] holds no certificate in PEM form"),
        ("node.crt", "text.pem", "Cannot find a signing key in [text.pem]"),
        (
            "node.crt",
            "other.key",
            "the key in [other.key] is not that of the first certificate in [node.crt]",
        ),
        ("node.crt", "edwards.key", "Unsupported Key Type [Ed25519]"),
        ("node.crt", "../node.key", "must be the name of a file below"),
    ],
)
async def test_files_that_cannot_sign_are_refused_when_they_are_set(
    far: FarCluster,
    trusted_folder: Path,
    files: NodeFiles,
    certificate_file: str,
    key_file: str,
    expected: str,
) -> None:
    """Settings that name them are a 400 that changes nothing; nothing outside of the folder is looked at."""
    (files.folder / "text.pem").write_text("no pem")
    (files.folder / "other.key").write_bytes(trustme.CA().issue_cert("x.y").private_key_pem.bytes())
    (files.folder / "edwards.key").write_bytes(pem_of(ed25519.Ed25519PrivateKey.generate()))
    (files.folder / "link.crt").symlink_to(files.known["internal_tls_ca.crt"])
    async with near_side(far, trusted_folder, files, "key", {}) as near:
        with pytest.raises(Failure) as caught:
            await near.set(**{"signing.certificate": certificate_file, "signing.key": key_file})
        assert caught.value.kind is FailureKind.INVALID_REQUEST
        assert expected in caught.value.reason
        assert near.remotes.get(ALIAS).settings.signing is None
        with pytest.raises(Failure, match="not found"):
            await near.settings.update(
                {"cluster.remote.signing.certificate_authorities": ("absent.crt",)}, {}
            )
        await near.settings.update(
            {"cluster.remote.signing.certificate_authorities": ("internal_tls_ca.crt",)}, {}
        )
