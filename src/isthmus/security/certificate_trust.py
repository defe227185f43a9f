"""May the node that showed this certificate in? The decision of the certificate model. Pure.

The TLS library has verified the chain, the dates and the usage by now, against every authority that
is trusted for anything. What is left is the essential part, because one authority signs the nodes
of many owners: the leaf must hold a name that is trusted *of an authority in its own chain*. So an
authority that is trusted for one environment cannot vouch for a node of another, although both are trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from isthmus.exchange import Record
from isthmus.security.certificate_names import (
    CertificateNames,
    UnreadableCertificateError,
    node_name_parts_or_none,
    read_certificate_names,
)
from isthmus.security.patterns import is_regex, matcher

_MAXIMUM_SHOWN: Final = 10


class TrustEntry(Record, frozen=True, kw_only=True):
    """Authorities (PEM, one each) and the names that are trusted of them.

    In ``patterns`` a ``*`` stands for one or more and a ``?`` for one character, never for a dot, so that
    no part of a name can pose as another; ``/…/`` is a regular expression over the whole name.
    ``names`` are exact. ``label`` is for people.
    """

    label: str
    authorities: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class TransportTrust(Record, frozen=True, kw_only=True):
    """All that one deployment trusts on its transport port and of whom it connects to."""

    entries: tuple[TrustEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustedPeer:
    """A node that was let in. The ids are None for a name of another form than the platforms'."""

    subject: str
    name: str
    label: str
    cluster_id: str | None = None
    scope_id: str | None = None


class CertificateRejectedError(Exception):
    """The certificate is not trusted. The text names what is, so it is for this side's log only."""


class CertificateTrust:
    """Decides about certificates by what a deployment trusts. Raises ValueError for PEM that is none."""

    def __init__(self, trust: TransportTrust) -> None:
        self._entries = tuple(_CompiledEntry.of(entry) for entry in trust.entries)
        #: every authority, as DER, that a chain may end at
        self.authorities: tuple[bytes, ...] = tuple(
            dict.fromkeys(authority for entry in self._entries for authority in sorted(entry.authorities))
        )

    def decide(self, chain: Sequence[bytes]) -> TrustedPeer:
        """Answer who showed this verified chain (DER, the leaf first).

        Raises :class:`CertificateRejectedError`, also for an empty chain: what was not seen is not trusted.
        """
        if not chain:
            raise CertificateRejectedError("No certificate presented")
        try:
            leaf = read_certificate_names(chain[0])
        except UnreadableCertificateError as error:
            raise CertificateRejectedError(f"Rejecting certificate: {error}") from error
        vouched = [entry for entry in self._entries if not entry.authorities.isdisjoint(chain)]
        for entry in vouched:
            for name in leaf.names:
                if entry.matches(name):
                    return _peer(leaf, name, entry.label)
        trusted = [text for entry in vouched for text in entry.described]
        raise CertificateRejectedError(
            f"Certificate for {leaf.subject} with common-names [{_shown(leaf.names)}] does not match the"
            f" trusted names [{_shown(trusted)}]"
        )


@dataclass(frozen=True, slots=True)
class _CompiledEntry:
    label: str
    authorities: frozenset[bytes]
    names: frozenset[str]
    tests: tuple[Callable[[str], bool], ...]
    described: tuple[str, ...]

    @classmethod
    def of(cls, entry: TrustEntry) -> _CompiledEntry:
        return cls(
            label=entry.label,
            authorities=frozenset(_der(pem) for pem in entry.authorities),
            names=frozenset(entry.names),
            tests=tuple(name_matcher(pattern) for pattern in entry.patterns),
            described=(*entry.patterns, *entry.names),
        )

    def matches(self, name: str) -> bool:
        return name in self.names or any(test(name) for test in self.tests)


@lru_cache(maxsize=1024)
def name_matcher(pattern: str) -> Callable[[str], bool]:
    """Answer the test for one pattern, over the whole name and case-sensitive.

    Raises an ``illegal_argument_exception`` failure for a regular expression that cannot be used.
    """
    if is_regex(pattern):
        return matcher(pattern)
    labels = tuple(matcher(label) for label in pattern.split("."))

    def matches(name: str) -> bool:
        parts = name.split(".")
        return len(parts) == len(labels) and all(
            part != "" and test(part) for test, part in zip(labels, parts, strict=True)
        )

    return matches


def _peer(leaf: CertificateNames, name: str, label: str) -> TrustedPeer:
    parts = node_name_parts_or_none(name)
    if parts is None:
        return TrustedPeer(leaf.subject, name, label)
    return TrustedPeer(leaf.subject, name, label, parts.cluster_id, parts.scope_id)


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _MAXIMUM_SHOWN
    return ", ".join(listed[:_MAXIMUM_SHOWN]) + (f", and {more} more" if more > 0 else "")
