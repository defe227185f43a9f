"""Signatures over cross-cluster requests: what a verifier takes, and what it refuses."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from signature_makers import (
    AUTHORITY,
    DEEP_SIGNER,
    EC_SIGNER,
    RSA_SIGNER,
    STRANGE_SIGNER,
    STRANGER,
    Signer,
    anchors,
    failure_or_none,
    issue,
    new_key,
)

from isthmus.errors import Failure, FailureKind
from isthmus.security.signatures import (
    RequestSignature,
    algorithm_of,
    new_signature,
    parse_signature,
    render_signature,
)
from isthmus.security.signing import MAXIMUM_SKEW_MILLISECONDS, SignatureVerifier

AUTHORIZATION = "ApiKey aWQ6c2VjcmV0"
PATH = "/_isthmus/v1/search"
BODY = b"who asks, and for what"


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
