"""Checks the signatures of other clusters' requests, each at most once."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from isthmus.clock import Clock
from isthmus.errors import Failure
from isthmus.security.credentials import unauthenticated
from isthmus.security.signatures import (
    RequestSignature,
    body_digest,
    describe_certificate,
    load_chain,
    parse_signature,
    signature_is_good,
    signed_bytes,
    subject_of,
)
from isthmus.security.signatures_chain import chain_problem

logger = logging.getLogger(__name__)

#: how far the clocks of two clusters may be apart (Kerberos' default, for the same reason)
MAXIMUM_SKEW_MILLISECONDS: Final = 300_000
#: a chain is checked again after this: it may have expired meanwhile
_CHAIN_BELIEVED_SECONDS: Final = 10.0
_REMEMBERED_CHAINS: Final = 256
#: about 10 MiB; with more signed requests than this in ten minutes the oldest could be replayed
_REMEMBERED_REQUESTS: Final = 100_000
_LOG_EVERY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class _TrustedChain:
    """A chain that was verified a moment ago; what is computed of it once serves many requests."""

    leaf: x509.Certificate
    subject: str
    signers: str
    until_seconds: float


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that is good. ``subject`` is the leaf's whole name, ``signers`` names it for messages."""

    subject: str
    signers: str
    body_digest: bytes
    fingerprint: bytes
    signed_at_milliseconds: int


class SignatureVerifier:
    """Verifies against the authorities that :meth:`trust` was given last; before that, refuses all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._authorities: tuple[x509.Certificate, ...] | None = None
        self._diagnose = True
        self._chains: OrderedDict[bytes, _TrustedChain] = OrderedDict()
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self._logged_at_seconds: float | None = None

    def trust(self, authorities: Sequence[x509.Certificate] | None, *, diagnose: bool = True) -> None:
        """Trust these authorities from now on; None: none are configured.

        ``diagnose`` has the log say why a chain is not trusted.
        """
        self._authorities = None if authorities is None else tuple(authorities)
        self._diagnose = diagnose
        self._chains.clear()

    def verify(self, header: str, authorization: str, path: str) -> VerifiedSignature:
        """Check form, chain, dates, signature and time. The body is for :meth:`accept`.

        Raises a 401 failure in Elasticsearch's words.
        """
        signature = parse_signature(header)
        chain = self._trusted_chain(signature)
        content = signed_bytes(
            authorization,
            path,
            signature.body_digest,
            signature.signed_at_milliseconds,
            signature.nonce,
        )
        if not signature_is_good(chain.leaf, signature, content):
            raise _invalid(chain.signers)
        self._require_recent(signature, chain.signers)
        return VerifiedSignature(
            subject=chain.subject,
            signers=chain.signers,
            body_digest=signature.body_digest,
            # Of what is signed, not of the signature: of one ECDSA signature anybody can make a second.
            fingerprint=hashlib.sha256(content).digest(),
            signed_at_milliseconds=signature.signed_at_milliseconds,
        )

    def accept(self, verified: VerifiedSignature, body: bytes) -> None:
        """Take a request with its body; raises a 401 failure for another body, or if it was here before."""
        if not hmac.compare_digest(body_digest(body), verified.body_digest):
            raise _invalid(verified.signers, "the body is not the one that was signed")
        oldest_milliseconds = self._clock.now_milliseconds() - MAXIMUM_SKEW_MILLISECONDS
        while self._seen:
            fingerprint, signed_at_milliseconds = next(iter(self._seen.items()))
            if signed_at_milliseconds >= oldest_milliseconds and len(self._seen) < _REMEMBERED_REQUESTS:
                break
            del self._seen[fingerprint]
        if verified.fingerprint in self._seen:
            raise _invalid(verified.signers, "a request with this signature has been received before")
        self._seen[verified.fingerprint] = verified.signed_at_milliseconds

    def _trusted_chain(self, signature: RequestSignature) -> _TrustedChain:
        if self._authorities is None:
            raise no_signature_trust()
        key = hashlib.sha256(b"".join(len(der).to_bytes(4, "big") + der for der in signature.chain)).digest()
        known = self._chains.get(key)
        if known is not None and known.until_seconds > self._clock.monotonic_seconds():
            return known
        chain = load_chain(signature)
        problem = chain_problem(chain, self._authorities, self._clock.now_milliseconds())
        if problem is not None:
            raise self._untrusted(chain, problem)
        trusted = _TrustedChain(
            leaf=chain[0],
            subject=subject_of(chain[0]),
            signers=_described(chain),
            until_seconds=self._clock.monotonic_seconds() + _CHAIN_BELIEVED_SECONDS,
        )
        self._chains[key] = trusted
        self._chains.move_to_end(key)
        while len(self._chains) > _REMEMBERED_CHAINS:
            self._chains.popitem(last=False)
        return trusted

    def _untrusted(self, chain: tuple[x509.Certificate, ...], problem: str) -> Failure:
        signers = _described(chain)
        now = self._clock.monotonic_seconds()
        if self._diagnose and (
            self._logged_at_seconds is None or now - self._logged_at_seconds >= _LOG_EVERY_SECONDS
        ):
            self._logged_at_seconds = now
            logger.warning(
                "cross-cluster signature not trusted",
                extra={
                    "certificates": signers,
                    "problem": problem,
                    "trusted": [subject_of(authority)[:200] for authority in self._authorities or ()][:20],
                },
            )
        return unauthenticated(
            f"Failed to verify cross cluster api key signature certificate from [{signers}]"
        )

    def _require_recent(self, signature: RequestSignature, signers: str) -> None:
        now_milliseconds = self._clock.now_milliseconds()
        if abs(now_milliseconds - signature.signed_at_milliseconds) > MAXIMUM_SKEW_MILLISECONDS:
            raise _invalid(
                signers,
                f"it was made at [{_time(signature.signed_at_milliseconds)}], which is more than "
                f"[{MAXIMUM_SKEW_MILLISECONDS // 1000}s] from the clock of this node "
                f"[{_time(now_milliseconds)}]",
            )


def no_signature_trust() -> Failure:
    """Answer the failure for a signed request where nobody's signature is believed."""
    return unauthenticated(
        "Cannot verify signed cross-cluster headers because [cluster.remote.signing] has not trust "
        "configuration"
    )


def _described(chain: Sequence[x509.Certificate]) -> str:
    return ", ".join(describe_certificate(certificate) for certificate in chain)


def _invalid(signers: str, problem: str = "") -> Failure:
    text = f"Invalid cross cluster api key signature from [{signers}]"
    return unauthenticated(f"{text}: {problem}" if problem else text)


def _time(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
