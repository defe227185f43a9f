"""What was seen of one remote cluster: values only, None for what was not looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.errors import FailureKind
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import CertificateFacts
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import Welcome
from isthmus.remotes.settings import RemoteSettings


@dataclass(frozen=True, slots=True)
class Trouble:
    """Where an attempt ended and why: a :class:`PhaseFailure` as a value."""

    phase: Phase
    reason: str
    remedy: str = ""
    cause: Cause | None = None

    @classmethod
    def of(cls, failure: PhaseFailure) -> Trouble:
        """Answer the value of a failure."""
        return cls(failure.phase, failure.reason, failure.remedy, failure.cause)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the far side answered to a request instead of a result."""

    kind: FailureKind
    error_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class SettingsSeen:
    """``remote`` None: not enabled. ``keys`` are the settings that the alias has nevertheless.

    ``problem`` is why stored settings cannot be used.
    """

    remote: RemoteSettings | None
    keys: tuple[str, ...] = ()
    configured: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class KeystoreSeen:
    """``aliases`` are those that the keystore has credentials for; ``key_id`` None: not an encoded key.

    ``problem`` is why the keystore cannot be read.
    """

    aliases: tuple[str, ...] = ()
    key_id: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """The server at the address as an unverified look shows it.

    ``tells_unknown_names_apart``: it answers another server name with "unrecognized name", as the door of
    an environment does; None where that was not tried.
    """

    certificate: CertificateFacts | None = None
    tls_version: str = ""
    tells_unknown_names_apart: bool | None = None


@dataclass(frozen=True, slots=True)
class AccessSeen:
    """What the asking user may do there, for the expressions that were asked about.

    ``denied_here`` is why nothing was asked. ``not_in_roles`` are the expressions that the roles here do not
    reach. ``matching`` is how many indices both sides let the user search, None where ``refusal`` came.
    """

    expressions: tuple[str, ...]
    username: str
    denied_here: str = ""
    not_in_roles: tuple[str, ...] = ()
    matching: int | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class SearchSeen:
    """A search without hits. ``total`` None where ``refusal`` came."""

    milliseconds: float
    total: int | None = None
    total_is_exact: bool = True
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """One look at one alias, as far as it went.

    ``trouble`` is what ended the attempt to connect and to introduce this node, in whichever phase;
    ``later_trouble`` ended the connection after that. ``skew_seconds``: how far the remote's clock is ahead.
    """

    alias: str
    now_milliseconds: int
    compatible_version: str
    settings: SettingsSeen
    keystore: KeystoreSeen
    addresses: tuple[str, ...] = ()
    server: ServerSeen | None = None
    trouble: Trouble | None = None
    welcome: Welcome | None = None
    skew_seconds: float | None = None
    round_trips_milliseconds: tuple[float, ...] = field(default=())
    later_trouble: Trouble | None = None
    access: AccessSeen | None = None
    search: SearchSeen | None = None

    @property
    def by_certificate(self) -> bool:
        """Tell whether the alias uses the certificate model: it does where it has no key."""
        return self.alias not in self.keystore.aliases

    def ended_in(self, phase: Phase) -> Trouble | None:
        """Answer the trouble if it came in this phase."""
        return self.trouble if self.trouble is not None and self.trouble.phase is phase else None
