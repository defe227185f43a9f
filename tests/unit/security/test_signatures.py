"""Signatures over cross-cluster requests: identity patterns, chains, and what a verifier refuses."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.security.signatures import (
    RequestSignature,
    SigningKey,
    algorithm_of,
    new_signature,
    parse_signature,
    render_signature,
)
from isthmus.security.signatures_chain import chain_problem
from isthmus.security.signatures_identity import check_identity_pattern, identity_matches
from isthmus.security.signing import MAXIMUM_SKEW_MILLISECONDS, SignatureVerifier

CLUSTER = "cf659f7fe6164d9691b284ae36811be1"
NODE = f"CN=abcdefg.node.{CLUSTER}.cluster.1053523734"
AUTHORIZATION = "ApiKey aWQ6c2VjcmV0"
PATH = "/_isthmus/v1/search"
BODY = b"who asks, and for what"
DAY_MILLISECONDS = 86_400_000

MATCHES = [
    ("CN=instance", "CN=instance"),
    ("^CN=instance$", "CN=instance"),
    ("(?i)^CN=instance$", "CN=instance"),
    ("(?i)cn=INST[A-C]NCE", "CN=instance"),
    ("(?i)cn=in[r-t]tance", "CN=INSTANCE"),
    ("^CN=[A-Za-z0-9_]+$", "CN=instance"),
    ("CN=instance|CN=other", "CN=other"),
    ("^CN=instance$|^CN=other$", "CN=other"),
    ("CN=(?:in|out)stance", "CN=instance"),
    ("CN=i.*?e", "CN=instance"),
    ("CN=\\w{8}", "CN=instance"),
    ("CN=a\\.b,O=x\\\\, y", "CN=a.b,O=x\\, y"),
    ('CN="#<~&>@', 'CN="#<~&>@'),
    ("CN=[\\d\\-a-c]+", "CN=1-c"),
    (f"CN=.*.node.{CLUSTER}.cluster.*", NODE),
    ("CN=.*.node.*.cluster.1053523734", NODE),
]
DIFFERENCES = [
    ("", "CN=instance"),
    ("", ""),
    ("no-match", "CN=instance"),
    ("^CN= instance$", "CN=instance"),
    ("^CN=instance.$", "CN=instance"),
    ("^cn=instance$", "CN=instance"),
    ("CN=inst", "CN=instance"),
    ("instance", "CN=instance"),
    ("CN=instance", "CN=instance,O=other"),
    ("CN=.*", "CN=a\nCN=b"),
    ("CN=a.b", "CN=a..b"),
    ("CN=[^a]", "CN=a"),
    (f"CN=.*.node.{CLUSTER}.cluster.*", NODE.replace("cf659", "df659")),
]


def failure_or_none(check: Callable[[], object]) -> Failure | None:
    """Answer the failure that this raises, if any."""
    try:
        check()
    except Failure as failure:
        return failure
    return None


@pytest.mark.parametrize(("pattern", "subject"), MATCHES)
def test_an_identity_pattern_matches_the_whole_name(pattern: str, subject: str) -> None:
    """Patterns mean what they mean in Java's whole match."""
    check_identity_pattern(pattern)
    assert identity_matches(pattern, subject)


@pytest.mark.parametrize(("pattern", "subject"), DIFFERENCES)
def test_an_identity_pattern_matches_nothing_else(pattern: str, subject: str) -> None:
    """Parts, other cases, other names and the empty pattern do not match."""
    assert not identity_matches(pattern, subject)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(",
            ")",
            "a)",
            "[",
            "[]",
            "[a",
            "*",
            "a**",
            "a*+",
            "a{",
            "a{x}",
            "(?=a)",
            "(?<n>a)",
            "(?s)a",
            "\\1",
        ),
        *("\\bx", "\\", "x^", "$x", "(^a)", "a(b$)", "[a&&b]", "[a[b]]", "[b-a]", "\\p{L}"),
    ],
)
def test_what_a_pattern_cannot_be_is_refused(pattern: str) -> None:
    """What is no regular expression, and what is not supported of Java's, is a 400 with the pattern in it."""
    with pytest.raises(Failure) as caught:
        check_identity_pattern(pattern)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason.startswith(
        f"Invalid certificate_identity format: [{pattern}]. Must be a valid regex."
    )
    assert not identity_matches(pattern, "a")


def test_no_pattern_takes_long() -> None:
    """The patterns that make backtracking matchers run for years take no time."""
    started = time.monotonic()
    assert not identity_matches("(a+)+b", "a" * 2_000)
    assert not identity_matches("(a|a)*(a|aa)*c", "a" * 2_000)
    assert time.monotonic() - started < 5


@given(
    pattern=st.text(alphabet="ab(|)*+?{2,}[^]$.\\-&CN=", max_size=12), subject=st.text("abCN=", max_size=6)
)
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_pattern_or_refused(pattern: str, subject: str) -> None:
    """No pattern makes anything but an answer or a 400, and a refused one matches nobody."""
    refused = failure_or_none(lambda: check_identity_pattern(pattern))
    matches = identity_matches(pattern, subject)
    assert refused is None or (refused.kind is FailureKind.INVALID_REQUEST and not matches)


# Chains and signatures


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


@dataclass
class ManualClock:
    """A clock that is set by hand."""

    milliseconds: int = field(default_factory=lambda: int(time.time() * 1000))
    seconds: float = 0.0

    def now_milliseconds(self) -> int:
        """Answer the wall clock."""
        return self.milliseconds

    def monotonic_seconds(self) -> float:
        """Answer the monotonic clock."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pass_seconds(seconds)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.seconds += seconds
        self.milliseconds += int(seconds * 1000)


@pytest.fixture
def clock() -> ManualClock:
    """Make a clock that starts now."""
    return ManualClock()


@pytest.fixture
def verifier(clock: ManualClock) -> SignatureVerifier:
    """Make a verifier that trusts the authority."""
    made = SignatureVerifier(clock)
    made.trust(anchors(AUTHORITY))
    return made


def signed(clock: ManualClock, signer: Signer = EC_SIGNER, body: bytes = BODY) -> RequestSignature:
    """Sign the request of these tests now."""
    return new_signature(
        signer.key,
        signer.der,
        AUTHORIZATION,
        PATH,
        body,
        signed_at_milliseconds=clock.now_milliseconds(),
        nonce=os.urandom(16),
    )


def refusal(check: Callable[[], object]) -> str:
    """Answer why this is refused: always 401."""
    with pytest.raises(Failure) as caught:
        check()
    assert caught.value.kind is FailureKind.UNAUTHENTICATED
    assert caught.value.error_type == "security_exception"
    return caught.value.reason


def test_chains_lead_to_a_trusted_authority_or_nowhere() -> None:
    """A direct, a deeper and a pinned leaf are trusted; a stranger's, a cut one and nobody's are not."""
    now = int(time.time() * 1000)
    trusted = anchors(AUTHORITY)
    assert chain_problem(EC_SIGNER.chain, trusted, now) is None
    assert chain_problem(RSA_SIGNER.chain, trusted, now) is None
    assert chain_problem(DEEP_SIGNER.chain, trusted, now) is None
    assert chain_problem(EC_SIGNER.chain, anchors(STRANGER, AUTHORITY), now) is None
    assert chain_problem(EC_SIGNER.chain, [EC_SIGNER.chain[0]], now) is None
    assert chain_problem(EC_SIGNER.chain, anchors(STRANGER), now)
    assert chain_problem(EC_SIGNER.chain, [], now)
    assert chain_problem(DEEP_SIGNER.chain[:1], trusted, now)


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


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (issue(EC_SIGNER, "forged", new_key()), "no valid path"),
        (
            issue(signer_of(AUTHORITY.issue_cert(common_name="n")), "f", new_key(), authority=True),
            "no valid path",
        ),
    ],
)
def test_a_leaf_is_no_authority(signer: Signer, expected: str) -> None:
    """Who has a certificate cannot issue others with it."""
    problem = chain_problem(signer.chain, anchors(AUTHORITY), int(time.time() * 1000))
    assert problem is not None
    assert expected in problem


def test_dates_and_usage_of_the_leaf_count() -> None:
    """Expired, early, and not for signatures are told apart, also where the leaf itself is trusted."""
    key = new_key()
    root = issue(Signer((anchors(AUTHORITY)[0],), key), "root", key, authority=True)  # only its name is used
    for leaf, expected in (
        (issue(root, "old", new_key(), days=(-3, -1)), "expired on"),
        (issue(root, "early", new_key(), days=(1, 3)), "not valid before"),
        (issue(root, "agreement", new_key(), signs=False), "not for digital signatures"),
    ):
        problem = chain_problem(leaf.chain[:1], leaf.chain[:1], int(time.time() * 1000))
        assert problem is not None
        assert expected in problem


@pytest.mark.parametrize(
    ("signer", "algorithm"),
    [(EC_SIGNER, "SHA256withECDSA"), (RSA_SIGNER, "SHA256withRSA"), (DEEP_SIGNER, "SHA256withECDSA")],
)
def test_a_good_signature_names_its_signer(
    verifier: SignatureVerifier, clock: ManualClock, signer: Signer, algorithm: str
) -> None:
    """Both kinds of keys sign, and the leaf's whole name is what is known of the caller."""
    signature = signed(clock, signer)
    assert signature.algorithm == algorithm
    verified = verifier.verify(render_signature(signature), AUTHORIZATION, PATH)
    verifier.accept(verified, BODY)
    assert verified.subject == signer.chain[0].subject.rfc4514_string()
    assert "CN=" in verified.subject


def test_other_kinds_of_keys_are_refused() -> None:
    """Neither side signs or checks with anything but RSA and EC."""
    with pytest.raises(Failure, match=r"Unsupported Key Type \[Ed25519\]"):
        algorithm_of(ed25519.Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("authorization", "path"), [("ApiKey b3RoZXI=", PATH), (AUTHORIZATION, "/_isthmus/v1/count")]
)
def test_a_signature_goes_with_one_key_and_one_action(
    verifier: SignatureVerifier, clock: ManualClock, authorization: str, path: str
) -> None:
    """Moved to another key or path it is invalid, in Elasticsearch's words."""
    header = render_signature(signed(clock))
    reason = refusal(lambda: verifier.verify(header, authorization, path))
    assert reason.startswith("Invalid cross cluster api key signature from [(")
    assert ";X.509;SHA1:" in reason


def test_another_body_is_refused(verifier: SignatureVerifier, clock: ManualClock) -> None:
    """A subject with more roles under the same signature is not taken."""
    verified = verifier.verify(render_signature(signed(clock)), AUTHORIZATION, PATH)
    assert "the body is not the one that was signed" in refusal(
        lambda: verifier.accept(verified, BODY + b" and more roles")
    )


def test_a_request_is_taken_once(verifier: SignatureVerifier, clock: ManualClock) -> None:
    """The same signature, and another that anybody can make of it, is refused the second time."""
    signature = signed(clock)
    verifier.accept(verifier.verify(render_signature(signature), AUTHORIZATION, PATH), BODY)
    r, s = decode_dss_signature(signature.signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = msgspec.structs.replace(signature, signature=encode_dss_signature(r, order - s))
    for again in (signature, twin):
        verified = verifier.verify(render_signature(again), AUTHORIZATION, PATH)
        assert "has been received before" in refusal(lambda v=verified: verifier.accept(v, BODY))  # type: ignore[misc]
    verifier.accept(verifier.verify(render_signature(signed(clock)), AUTHORIZATION, PATH), BODY)


@pytest.mark.parametrize("seconds", [-301.0, 301.0])
def test_an_old_or_early_signature_is_refused(
    verifier: SignatureVerifier, clock: ManualClock, seconds: float
) -> None:
    """What is remembered may be forgotten after the time in which it would be taken."""
    assert MAXIMUM_SKEW_MILLISECONDS == 300_000
    header = render_signature(signed(clock))
    clock.pass_seconds(seconds)
    reason = refusal(lambda: verifier.verify(header, AUTHORIZATION, PATH))
    assert "more than [300s] from the clock of this node" in reason


def test_forged_and_strange_signatures_are_refused(verifier: SignatureVerifier, clock: ManualClock) -> None:
    """A chain of a stranger, a trusted chain without its key, and another algorithm's name."""
    strange = render_signature(signed(clock, STRANGE_SIGNER))
    fingerprint = STRANGE_SIGNER.chain[0].fingerprint(hashes.SHA1()).hex()  # noqa: S303 - only names it
    subject = STRANGE_SIGNER.chain[0].subject.rfc4514_string()
    assert refusal(lambda: verifier.verify(strange, AUTHORIZATION, PATH)) == (
        "Failed to verify cross cluster api key signature certificate from "
        f"[({subject};X.509;SHA1:{fingerprint})]"
    )
    stolen = msgspec.structs.replace(signed(clock, STRANGE_SIGNER), chain=EC_SIGNER.der)
    renamed = msgspec.structs.replace(signed(clock), algorithm="SHA256withRSA")
    later = msgspec.structs.replace(signed(clock), signed_at_milliseconds=clock.milliseconds + 1)
    for forged in (stolen, renamed, later):
        reason = refusal(lambda f=forged: verifier.verify(render_signature(f), AUTHORIZATION, PATH))  # type: ignore[misc]
        assert reason.startswith("Invalid cross cluster api key signature from")


def test_trust_that_is_missing_or_taken_away_counts_at_once(
    verifier: SignatureVerifier, clock: ManualClock
) -> None:
    """A verified chain is not remembered beyond a change of the authorities, nor beyond its expiration."""
    verifier.verify(render_signature(signed(clock)), AUTHORIZATION, PATH)
    verifier.trust(anchors(STRANGER))
    assert refusal(lambda: verifier.verify(render_signature(signed(clock)), AUTHORIZATION, PATH)).startswith(
        "Failed to verify cross cluster api key signature certificate from"
    )
    verifier.trust(None)
    assert refusal(lambda: verifier.verify(render_signature(signed(clock)), AUTHORIZATION, PATH)) == (
        "Cannot verify signed cross-cluster headers because [cluster.remote.signing] has not trust "
        "configuration"
    )
    short = issue(EC_SIGNER, "short", new_key())  # pinned: trusted itself, whoever issued it
    verifier.trust(short.chain[:1])
    verifier.verify(render_signature(signed(clock, short)), AUTHORIZATION, PATH)
    clock.pass_seconds(2 * 86_400)
    assert "Failed to verify" in refusal(
        lambda: verifier.verify(render_signature(signed(clock, short)), AUTHORIZATION, PATH)
    )


@pytest.mark.parametrize("diagnose", [True, False])
def test_the_log_says_why_a_chain_is_not_trusted_if_it_may(
    verifier: SignatureVerifier, clock: ManualClock, caplog: pytest.LogCaptureFixture, *, diagnose: bool
) -> None:
    """One line a minute tells the problem and who is trusted; diagnose.trust false keeps it quiet."""
    verifier.trust(anchors(AUTHORITY), diagnose=diagnose)
    for _ in range(3):
        refusal(lambda: verifier.verify(render_signature(signed(clock, STRANGE_SIGNER)), AUTHORIZATION, PATH))
    lines = [record for record in caplog.records if record.message == "cross-cluster signature not trusted"]
    assert len(lines) == int(diagnose)


@pytest.mark.parametrize(
    "header",
    ["", "x", "!!!!", "A" * 30_000, base64.b64encode(b"\x93\x01\x02\x03").decode()],
)
def test_a_malformed_header_is_refused(verifier: SignatureVerifier, header: str) -> None:
    """Junk in the header is a 401."""
    assert "malformed" in refusal(lambda: verifier.verify(header, AUTHORIZATION, PATH))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"chain": ()},
        {"chain": (b"junk",) * 6},
        {"nonce": b"short"},
        {"body_digest": b""},
        {"signed_at_milliseconds": -1},
        {"signed_at_milliseconds": 2**60},
        {"chain": (b"no certificate",)},
    ],
)
def test_a_signature_that_cannot_be_is_malformed(
    verifier: SignatureVerifier, clock: ManualClock, change: dict[str, object]
) -> None:
    """Every member is checked before anything is computed with it."""
    header = render_signature(msgspec.structs.replace(signed(clock), **change))
    assert "malformed" in refusal(lambda: verifier.verify(header, AUTHORIZATION, PATH))


@given(data=st.binary(max_size=80), position=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_no_damaged_signature_is_taken(data: bytes, position: int) -> None:
    """Whatever is written over a part of a good header, the result is a 401 and never an error of ours."""
    clock = ManualClock()
    verifier = SignatureVerifier(clock)
    verifier.trust(anchors(AUTHORITY))
    good = base64.b64decode(render_signature(signed(clock)))
    position %= len(good)
    damaged = good[:position] + data + good[position + len(data) :]
    header = base64.b64encode(damaged).decode()
    if damaged == good:
        return
    refused = failure_or_none(lambda: verifier.verify(header, AUTHORIZATION, PATH))
    if refused is not None:
        assert refused.kind is FailureKind.UNAUTHENTICATED
        return
    # Only what is not signed, a later part of the chain, can differ.
    assert parse_signature(header).chain[0] == EC_SIGNER.der[0]
