"""Certificate chains of one's own for the environment's servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloud_api_client import Client, create
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.control.authorities import renew_server_certificates
from isthmus.control.layout import EnvironmentLayout
from isthmus.rest.http import Request

PATH = "/platform/configuration/security/tls"
NOW = datetime.now(UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self, password: bytes | None = None) -> str:
        """Answer the key, encrypted where there is a password."""
        encryption: Any = (
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password)
        )
        form = serialization.PrivateFormat.PKCS8
        return str(self.key.private_bytes(serialization.Encoding.PEM, form, encryption).decode())


def issue(
    name: str,
    issuer: Issued | None = None,
    names: tuple[str, ...] = (),
    key: Any = None,
    starts: datetime = NOW - timedelta(days=1),
    usage: x509.ObjectIdentifier | None = None,
) -> Issued:
    """Make a certificate: an authority where it has no DNS names."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(starts + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signer = key if issuer is None else issuer.key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(builder.sign(signer, algorithm), key)


WILDCARD = ("*.enterprise.localhost", "enterprise.localhost")
ROOT = issue("root")
MIDDLE = issue("middle", ROOT)
SMALL_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
LEAF = issue("leaf", MIDDLE, WILDCARD, usage=ExtendedKeyUsageOID.SERVER_AUTH)


def chain_text(*certificates: Issued, key: Issued | None = None) -> str:
    """Answer key and certificates, as people put them into one file."""
    return (key or certificates[0]).key_pem() + "".join(each.pem for each in certificates)


async def upload(client: Client, service: str, body: bytes) -> Any:
    """Upload a chain over the control socket."""
    response = await client.trusted.handle(Request("POST", f"/api/v1{PATH}/{service}", body=body))
    return response.status, json.loads(response.body)


@pytest.mark.parametrize("encode", [str.encode, lambda text: json.dumps(text).encode()])
async def test_a_chain_is_uploaded_and_told(client: Client, encode: Callable[[str], bytes]) -> None:
    """As plain text or as a JSON text; the environment does not issue over it, until it is given up."""
    own = (await client.call("GET", f"{PATH}/proxy")).body
    assert (own["user_supplied"], len(own["chain"])) == (False, 2)
    assert await upload(client, "proxy", encode(chain_text(LEAF, MIDDLE, ROOT))) == (
        202,
        {"service": "proxy"},
    )
    told = (await client.call("GET", f"{PATH}/proxy")).body
    assert (told["user_supplied"], told["chain"]) == (True, [LEAF.pem, MIDDLE.pem, ROOT.pem])
    assert told["chain_status"]["first_certificate_to_expire"] in told["chain"]
    assert "PRIVATE" not in json.dumps(told)
    settings = client.made.settings
    assert renew_server_certificates(settings, NOW + timedelta(days=400)) == ("ui",)
    made = await create(client)
    trusted = EnvironmentLayout(settings.directory).deployment(made["id"]).trusted
    assert ROOT.pem in "".join(path.read_text() for path in trusted.iterdir())
    assert (await client.call("DELETE", f"{PATH}/proxy")).body == {}
    assert (await client.call("GET", f"{PATH}/proxy")).body["user_supplied"] is False


async def test_the_api_itself_may_have_any_name(client: Client) -> None:
    """Its chain needs no wildcard; RSA is taken as well."""
    key = rsa.generate_private_key(65537, 2048)
    leaf = issue("ui", ROOT, ("cloud.example.org",), key=key)
    assert (await upload(client, "ui", chain_text(leaf, ROOT).encode()))[0] == 202
    assert (await upload(client, "proxy", chain_text(leaf, ROOT).encode()))[0] == 400


async def test_a_half_written_chain_is_given_up(client: Client) -> None:
    """What a crash leaves must not keep the environment from starting."""
    await upload(client, "proxy", chain_text(LEAF, MIDDLE, ROOT).encode())
    settings = client.made.settings
    EnvironmentLayout(settings.directory).server("proxy").key.write_text(ROOT.key_pem())
    assert "proxy" in renew_server_certificates(settings, NOW)
    assert (await client.call("GET", f"{PATH}/proxy")).body["user_supplied"] is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "as PEM text"),
        ("-----BEGIN", "exactly one private key"),
        ("{}", "as PEM text"),
        ("\udcff", "as PEM text"),
        (LEAF.pem, "exactly one private key"),
        (LEAF.key_pem() * 2 + LEAF.pem, "exactly one private key"),
        (LEAF.key_pem(), "no certificate"),
        (LEAF.key_pem(b"secret") + LEAF.pem, "must not be encrypted"),
        (LEAF.key_pem().replace("M", "#") + LEAF.pem, "cannot be read"),
        (ROOT.key_pem() + LEAF.pem, "does not belong"),
        (chain_text(ROOT, LEAF, key=LEAF), "does not belong"),
        (chain_text(LEAF, ROOT), "did not issue"),
        (chain_text(LEAF, LEAF), "is not an authority"),
        (chain_text(LEAF, MIDDLE, *[ROOT] * 12), "at most 10"),
        (chain_text(issue("old", ROOT, WILDCARD, starts=NOW - timedelta(days=90)), ROOT), "is valid from"),
        (chain_text(issue("soon", ROOT, WILDCARD, starts=NOW + timedelta(days=9)), ROOT), "is valid from"),
        (chain_text(issue("one", ROOT, ("a.enterprise.localhost",)), ROOT), "must be valid for"),
        (chain_text(issue("none", ROOT), ROOT), "no subject alternative names"),
        (
            chain_text(issue("client", ROOT, WILDCARD, usage=ExtendedKeyUsageOID.CLIENT_AUTH), ROOT),
            "not one for servers",
        ),
        (
            chain_text(issue("small", ROOT, WILDCARD, key=SMALL_KEY), ROOT),
            "RSA with 2048",
        ),
        (
            chain_text(issue("odd", ROOT, WILDCARD, key=ed25519.Ed25519PrivateKey.generate()), ROOT),
            "RSA with 2048",
        ),
    ],
)
async def test_a_chain_that_cannot_be_presented(client: Client, text: str, reason: str) -> None:
    """A 400 that says why, without a word of the key; the old chain stays."""
    before = (await client.call("GET", f"{PATH}/proxy")).body
    status, body = await upload(client, "proxy", text.encode("utf-8", "surrogateescape"))
    (error,) = body["errors"]
    assert (status, error["code"]) == (400, "root.invalid_data")
    assert reason in error["message"]
    assert "PRIVATE KEY-----" not in error["message"]
    assert (await client.call("GET", f"{PATH}/proxy")).body == before
