"""What the platform remembers of trust: by account, by trust relationship, and by certificate."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from isthmus.exchange import Record


class DirectTrustType(Enum):
    """What a directly trusted environment is; the values are the platform API's ``type``."""

    ENTERPRISE = "ECE"
    HOSTED = "ESS"
    GENERIC = "generic"
    #: no trust by node certificate at all: authorities of servers, for links with API keys
    PROXY = "proxy"


class AccountTrust(Record, frozen=True, kw_only=True):
    """Trust in deployments of an account of this very platform.

    In all three records a ``trust_allowlist`` of None is one that was not given: clients want it back so.
    """

    account_id: str
    trust_all: bool
    trust_allowlist: tuple[str, ...] | None = None
    name: str | None = None


class ExternalTrust(Record, frozen=True, kw_only=True):
    """Trust in deployments of an environment that the platform has a trust relationship with."""

    trust_relationship_id: str
    trust_all: bool
    trust_allowlist: tuple[str, ...] | None = None
    name: str | None = None


class DirectTrust(Record, frozen=True, kw_only=True):
    """Trust in an environment that only this deployment knows. ``certificates`` are PEM, one each."""

    uid: str
    name: str
    type: DirectTrustType
    certificates: tuple[str, ...]
    trust_all: bool = False
    trust_allowlist: tuple[str, ...] | None = None
    scope_id: str | None = None
    additional_node_names: tuple[str, ...] | None = None


class TrustSettings(Record, frozen=True, kw_only=True):
    """The ``settings.trust`` of a deployment. An update replaces it as a whole."""

    accounts: tuple[AccountTrust, ...] = ()
    external: tuple[ExternalTrust, ...] = ()
    direct: tuple[DirectTrust, ...] = ()


class TrustRelationship(Record, frozen=True, kw_only=True):
    """Another environment that this platform knows: its authorities (PEM) and its accounts.

    ``account_ids`` are what its nodes' names hold as scope. With ``trust_by_default`` new
    deployments trust all of its deployments.
    """

    id: str
    name: str
    certificates: tuple[str, ...]
    account_ids: tuple[str, ...]
    trust_by_default: bool = False
    installation_id: str | None = None
    modified_milliseconds: int = 0
    revision: int = 1


class KnownTrustRelationships(Protocol):
    """Which trust relationships there are, for those who act on them."""

    async def all(self) -> tuple[TrustRelationship, ...]:
        """Answer all relationships, by name."""
        ...


class TrustRelationshipRecords(KnownTrustRelationships, Protocol):
    """Where trust relationships are kept. Every write is durable once it returns."""

    async def find_or_none(self, relationship_id: str) -> TrustRelationship | None:
        """Answer the relationship of that id."""
        ...

    async def put(self, relationship: TrustRelationship) -> None:
        """Keep this relationship in place of any of the same id."""
        ...

    async def remove(self, relationship_id: str) -> bool:
        """Forget the relationship; False where there was none."""
        ...


class NoTrustRelationships:
    """The relationships of a platform that has none."""

    async def all(self) -> tuple[TrustRelationship, ...]:
        """Answer none."""
        return ()
