"""Use cases of API keys, REST and cross-cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.exchange import JsonObject
from isthmus.security.api_key_rules import (
    KeyFilter,
    check_filter,
    is_active,
    key_problems,
    matches_filter,
    may_manage_security,
    owner_of,
)
from isthmus.security.api_key_secrets import hash_key_secret, new_key_id, new_key_secret
from isthmus.security.changes import Changes
from isthmus.security.cross_cluster_access import check_certificate_identity, render_access
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.records import ApiKeyRecords, ApiKeyType, StoredApiKey
from isthmus.security.secret import Secret
from isthmus.security.time_values import parse_duration_milliseconds

#: Elasticsearch's defaults of xpack.security.authc.api_key.delete.{retention_period,interval}
_RETENTION_MILLISECONDS: Final = 7 * 86_400_000
_REMOVAL_INTERVAL_MILLISECONDS: Final = 86_400_000


class Unchanged:
    """Says that a member is not given, where None means something else."""


UNCHANGED: Final = Unchanged()


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made. ``role_descriptors`` is for REST keys, ``access`` for cross-cluster ones."""

    name: str
    expiration: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    role_descriptors: tuple[RoleDescriptor, ...] = ()
    access: RoleDescriptor | None = None
    certificate_identity: str | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What of a key is to be replaced; None leaves it as it is, as UNCHANGED does the identity."""

    expiration: str | None = None
    metadata: JsonObject | None = None
    role_descriptors: tuple[RoleDescriptor, ...] | None = None
    access: RoleDescriptor | None = None
    certificate_identity: str | Unchanged | None = UNCHANGED


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What became of the keys that were to be invalidated."""

    invalidated: Sequence[str]
    previously_invalidated: Sequence[str]
    failures: Sequence[Failure]


class ApiKeys:
    """API keys. Whether the caller may do this at all is checked before it is called."""

    def __init__(self, records: ApiKeyRecords, changes: Changes, clock: Clock) -> None:
        self._records = records
        self._changes = changes
        self._clock = clock
        self._removed_milliseconds = 0

    async def create(self, caller: Principal, wanted: NewKey) -> tuple[StoredApiKey, Secret]:
        """Make a REST key that can do at most what the caller can do now; its secret is never shown again.

        Raises a 400 failure with every problem.
        """
        problems = key_problems(wanted.name, wanted.metadata, wanted.role_descriptors)
        if problems:
            raise validation_failure(*problems)
        if _is_key(caller) and not _is_empty(wanted.role_descriptors):
            raise illegal_argument(
                "creating derived api keys requires an explicit role descriptor that is empty "
                "(has no privileges)"
            )
        return await self._add(
            caller,
            wanted,
            ApiKeyType.REST,
            role_descriptors=wanted.role_descriptors,
            limited_by=_limit_of(caller),
        )

    async def create_cross_cluster(self, caller: Principal, wanted: NewKey) -> tuple[StoredApiKey, Secret]:
        """Make a cross-cluster key with exactly the access that is wanted, whoever makes it.

        Raises a 400 failure with every problem, and for a caller who came with an API key.
        """
        if _is_key(caller):
            raise illegal_argument(
                "authentication via API key not supported: An API key cannot be used to create a "
                "cross-cluster API key"
            )
        problems = key_problems(wanted.name, wanted.metadata)
        if problems:
            raise validation_failure(*problems)
        if wanted.access is None:
            raise illegal_argument("[cross_cluster_api_key_request] missing required field [access]")
        if wanted.certificate_identity is not None:
            check_certificate_identity(wanted.certificate_identity)
        return await self._add(
            caller, wanted, ApiKeyType.CROSS_CLUSTER, role_descriptors=(wanted.access,), limited_by=()
        )

    async def update(self, caller: Principal, key_id: str, change: KeyChange) -> bool:
        """Replace what is given of a REST key, and what its owner can do; False when nothing differs.

        Only the owner may, with a password. Raises a 404 failure where no such key is the caller's, 400
        for one that ended or is of the other type.
        """
        problems = key_problems(None, change.metadata, change.role_descriptors or ())
        if problems:
            raise validation_failure(*problems)
        key = await self._own_key(caller, key_id, ApiKeyType.REST)
        changed = self._changed(key, change)
        if change.role_descriptors is not None:
            changed = replace(changed, role_descriptors=change.role_descriptors)
        return await self._replace(key, replace(changed, limited_by=_limit_of(caller)))

    async def update_cross_cluster(self, caller: Principal, key_id: str, change: KeyChange) -> bool:
        """Replace what is given of a cross-cluster key; the same rules as for :meth:`update`."""
        nothing = change.expiration is None and change.metadata is None and change.access is None
        if nothing and change.certificate_identity is UNCHANGED:
            raise validation_failure(
                "must update at least one of [access], [metadata], [expiration] or [certificate_identity]"
            )
        problems = key_problems(None, change.metadata)
        if problems:
            raise validation_failure(*problems)
        if isinstance(change.certificate_identity, str):
            check_certificate_identity(change.certificate_identity)
        key = await self._own_key(caller, key_id, ApiKeyType.CROSS_CLUSTER)
        changed = self._changed(key, change)
        if change.access is not None:
            changed = replace(changed, role_descriptors=(change.access,), access=render_access(change.access))
        if not isinstance(change.certificate_identity, Unchanged):
            changed = replace(changed, certificate_identity=change.certificate_identity)
        return await self._replace(key, changed)

    async def find(self, caller: Principal, wanted: KeyFilter) -> Sequence[StoredApiKey]:
        """Answer the keys that the filter means, the oldest first."""
        check_filter(wanted, "retrieving")
        return await self._matching(caller, wanted)

    async def invalidate(self, caller: Principal, wanted: KeyFilter) -> Invalidation:
        """End the keys that the filter means, at once and for ever."""
        check_filter(wanted, "invalidating")
        await self._remove_old_ones()
        keys = await self._matching(caller, wanted)
        previously = [key.id for key in keys if key.invalidated_milliseconds is not None]
        candidates = [key for key in keys if key.invalidated_milliseconds is None]
        failures = []
        if not may_manage_security(caller):
            failures = [_cannot_invalidate(key) for key in candidates if key.type is ApiKeyType.CROSS_CLUSTER]
            candidates = [key for key in candidates if key.type is not ApiKeyType.CROSS_CLUSTER]
        ids = [key.id for key in candidates]
        invalidated = await self._records.invalidate_api_keys(ids, self._clock.now_milliseconds())
        self._changes.ring()
        return Invalidation(invalidated, previously, failures)

    async def _add(
        self,
        caller: Principal,
        wanted: NewKey,
        key_type: ApiKeyType,
        *,
        role_descriptors: tuple[RoleDescriptor, ...],
        limited_by: tuple[RoleDescriptor, ...],
    ) -> tuple[StoredApiKey, Secret]:
        await self._remove_old_ones()
        owner = owner_of(caller)
        secret = new_key_secret()
        now = self._clock.now_milliseconds()
        key = StoredApiKey(
            id=new_key_id(),
            name=wanted.name,
            type=key_type,
            secret_hash=hash_key_secret(secret),
            created_milliseconds=now,
            expires_milliseconds=_expiry(wanted.expiration, now),
            owner_username=owner.username,
            owner_realm=owner.realm_name,
            owner_realm_type=owner.realm_type,
            role_descriptors=role_descriptors,
            limited_by=limited_by,
            metadata=wanted.metadata,
            access=None if wanted.access is None else render_access(wanted.access),
            certificate_identity=wanted.certificate_identity,
        )
        await self._records.add_api_key(key)
        return key, secret

    async def _own_key(self, caller: Principal, key_id: str, key_type: ApiKeyType) -> StoredApiKey:
        if _is_key(caller):
            raise illegal_argument(
                "authentication via API key not supported: only the owner user can update an API key"
            )
        key = await self._records.find_api_key(key_id)
        owner = owner_of(caller)
        if key is None or (key.owner_username, key.owner_realm) != (owner.username, owner.realm_name):
            raise Failure(
                FailureKind.NOT_FOUND,
                "resource_not_found_exception",
                f"no API key owned by requesting user found for ID [{key_id}]",
            )
        if key.invalidated_milliseconds is not None:
            raise illegal_argument(f"cannot update invalidated API key [{key_id}]")
        if not is_active(key, self._clock.now_milliseconds()):
            raise illegal_argument(f"cannot update expired API key [{key_id}]")
        if key.type is not key_type:
            raise illegal_argument(
                f"cannot update API key of type [{key.type.value}] while expected type is [{key_type.value}]"
            )
        return key

    def _changed(self, key: StoredApiKey, change: KeyChange) -> StoredApiKey:
        if change.metadata is not None:
            key = replace(key, metadata=change.metadata)
        if change.expiration is not None:
            now = self._clock.now_milliseconds()
            key = replace(key, expires_milliseconds=_expiry(change.expiration, now))
        return key

    async def _replace(self, key: StoredApiKey, changed: StoredApiKey) -> bool:
        if changed == key:
            return False
        updated = await self._records.replace_api_key(changed)
        self._changes.ring()
        return updated

    async def _matching(self, caller: Principal, wanted: KeyFilter) -> Sequence[StoredApiKey]:
        if wanted.ids:
            found = [await self._records.find_api_key(key_id) for key_id in dict.fromkeys(wanted.ids)]
            keys = [key for key in found if key is not None]
        else:
            keys = list(
                await self._records.all_api_keys(
                    owner_username=wanted.username, owner_realm=wanted.realm_name
                )
            )
        now = self._clock.now_milliseconds()
        keys = [key for key in keys if matches_filter(key, wanted, now)]
        if wanted.owner:
            owner = owner_of(caller)
            mine = (owner.username, owner.realm_name)
            keys = [key for key in keys if (key.owner_username, key.owner_realm) == mine]
        return keys

    async def _remove_old_ones(self) -> None:
        """Forget, now and then, the keys that ended longer ago than they are kept to be looked at."""
        now = self._clock.now_milliseconds()
        if now - self._removed_milliseconds < _REMOVAL_INTERVAL_MILLISECONDS:
            return
        self._removed_milliseconds = now
        await self._records.delete_api_keys_ended_before(now - _RETENTION_MILLISECONDS)


def _is_key(caller: Principal) -> bool:
    return caller.api_key_id is not None and caller.run_by is None


def _limit_of(caller: Principal) -> tuple[RoleDescriptor, ...]:
    """Answer what the caller can do, as one set: keys made with a key have no privileges at all."""
    return () if _is_key(caller) or not caller.role_sets else caller.role_sets[0]


def _is_empty(roles: Sequence[RoleDescriptor]) -> bool:
    return bool(roles) and not any(
        role.cluster
        or role.indices
        or role.applications
        or role.run_as
        or role.remote_indices
        or role.remote_cluster
        for role in roles
    )


def _cannot_invalidate(key: StoredApiKey) -> Failure:
    return illegal_argument(
        f"Cannot invalidate cross-cluster API key [{key.id}]. This requires "
        "[manage_security] cluster privilege or higher"
    )


def _expiry(expiration: str | None, now_milliseconds: int) -> int | None:
    """Answer when a key made at this moment ends; None: never."""
    if expiration is None:
        return None
    return now_milliseconds + parse_duration_milliseconds("expiration", expiration)
