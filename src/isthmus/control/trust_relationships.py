"""The environments that a platform knows: one method a use case.

Deployments refer to a relationship by its id (``settings.trust.external``). What changes here counts
for all of them at once, and a relationship that is removed ends what was trusted through it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from isthmus.clock import Clock
from isthmus.control.authorities import published_transport_authorities
from isthmus.control.certificates import parse_certificates, to_pem
from isthmus.control.failures import invalid_field
from isthmus.control.identity import new_hex_id
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import Nodes
from isthmus.control.trust import check_text, trust_anchors
from isthmus.control.trust_records import TrustRelationship, TrustRelationshipRecords
from isthmus.errors import Failure, FailureKind
from isthmus.settings import EnvironmentSettings

#: the id of the relationship that stands for this environment itself
LOCAL_ID: Final = "local"
_MAXIMUM_ACCOUNTS: Final = 100
_ACCOUNT_ID: Final = re.compile(r"[a-z0-9]{1,32}")
_MEMBERS: Final = ("name", "public_ca_cert", "trust_by_default", "account_ids", "installation_id")


@dataclass(frozen=True, slots=True)
class RelationshipChanges:
    """What a body says; None is "not said"."""

    name: str | None = None
    certificates: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None
    trust_by_default: bool | None = None
    installation_id: str | None = None


def parse_relationship(body: Any) -> RelationshipChanges:
    """Read the body of a creation or an update; raises a 400 failure that names the member."""
    if not isinstance(body, dict):
        raise invalid_field("(whole)", "must be an object")
    for name in body:
        if name not in _MEMBERS:
            raise invalid_field(str(name)[:100], "unknown member")
    by_default = body.get("trust_by_default")
    if by_default is not None and not isinstance(by_default, bool):
        raise invalid_field("trust_by_default", "must be true or false")
    return RelationshipChanges(
        name=None if body.get("name") is None else check_text(body["name"], "name"),
        certificates=_certificates(body.get("public_ca_cert")),
        account_ids=_account_ids(body.get("account_ids")),
        trust_by_default=by_default,
        installation_id=(
            None
            if body.get("installation_id") is None
            else check_text(body["installation_id"], "installation_id")
        ),
    )


class TrustRelationships:
    """The trust relationships of one platform. Changes happen one after another."""

    def __init__(
        self, settings: EnvironmentSettings, records: TrustRelationshipRecords, nodes: Nodes, clock: Clock
    ) -> None:
        self._settings = settings
        self._layout = EnvironmentLayout(settings.directory)
        self._records = records
        self._nodes = nodes
        self._clock = clock
        self._changing = asyncio.Lock()

    def local(self) -> TrustRelationship:
        """Answer what others have to know of this environment: its authorities and its scope id."""
        published = published_transport_authorities(self._layout)
        return TrustRelationship(
            id=LOCAL_ID,
            name=f"{self._settings.kind.value} environment {self._settings.scope_id}",
            certificates=tuple(each.pem for each in published),
            account_ids=(self._settings.scope_id,),
            trust_by_default=True,
        )

    async def all(self) -> tuple[TrustRelationship, ...]:
        """Answer the relationships with other environments, by name."""
        return await self._records.all()

    async def get(self, relationship_id: str) -> TrustRelationship:
        """Answer one relationship, the local one too; raises a 404 failure."""
        if relationship_id == LOCAL_ID:
            return self.local()
        found = await self._records.find_or_none(relationship_id)
        if found is None:
            raise _not_found(relationship_id)
        return found

    async def create(self, wanted: RelationshipChanges) -> TrustRelationship:
        """Know another environment; raises a 400 failure where name or authority is missing."""
        if wanted.name is None:
            raise invalid_field("name", "is required")
        if wanted.certificates is None:
            raise invalid_field("public_ca_cert", "is required")
        created = TrustRelationship(
            id=new_hex_id(),
            name=wanted.name,
            certificates=wanted.certificates,
            account_ids=wanted.account_ids or (),
            trust_by_default=bool(wanted.trust_by_default),
            installation_id=wanted.installation_id,
            modified_milliseconds=self._clock.now_milliseconds(),
        )
        async with self._changing:
            await self._records.put(created)
        self._nodes.ring()
        return created

    async def update(self, relationship_id: str, changes: RelationshipChanges) -> TrustRelationship:
        """Replace what is said; raises a 404 failure, and a 400 failure for the local relationship."""
        _refuse_local(relationship_id)
        async with self._changing:
            found = await self.get(relationship_id)
            given = {
                name: value
                for name in RelationshipChanges.__slots__
                if (value := getattr(changes, name)) is not None
            }
            changed = msgspec.structs.replace(
                found,
                modified_milliseconds=self._clock.now_milliseconds(),
                revision=found.revision + 1,
                **given,
            )
            await self._records.put(changed)
        self._nodes.ring()
        return changed

    async def delete(self, relationship_id: str, version: int | None = None) -> None:
        """Forget another environment; raises 404, 400 for the local one and 409 for an old version."""
        _refuse_local(relationship_id)
        async with self._changing:
            found = await self.get(relationship_id)
            if version is not None and version != found.revision:
                raise Failure(
                    FailureKind.CONFLICT,
                    "trust_relationships.version_conflict",
                    f"the trust relationship is at version [{found.revision}]; read it again",
                )
            await self._records.remove(relationship_id)
        self._nodes.ring()


def _certificates(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise invalid_field("public_ca_cert", "must be one or more certificates as PEM text")
    try:
        parsed = parse_certificates(given)
    except Failure as failure:
        raise invalid_field("public_ca_cert", failure.reason) from failure
    return tuple(dict.fromkeys(to_pem(each) for each in trust_anchors(parsed, "public_ca_cert")))


def _account_ids(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > _MAXIMUM_ACCOUNTS:
        raise invalid_field("account_ids", f"must be a list of at most {_MAXIMUM_ACCOUNTS} ids")
    for number, account_id in enumerate(given):
        if not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id):
            raise invalid_field(
                f"account_ids[{number}]", "must be 1 to 32 lower-case letters and digits: an environment id"
            )
    return tuple(dict.fromkeys(given))


def _refuse_local(relationship_id: str) -> None:
    if relationship_id == LOCAL_ID:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "trust_relationships.cannot_update_local",
            "the local trust relationship stands for this environment and cannot be changed",
        )


def _not_found(relationship_id: str) -> Failure:
    return Failure(
        FailureKind.NOT_FOUND,
        "trust_relationships.not_found",
        f"no trust relationship has the id [{relationship_id[:64]}]",
    )
