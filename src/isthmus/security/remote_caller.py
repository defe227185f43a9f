"""Callers across clusters: what travels about them, and who they are on arrival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Record
from isthmus.security.field_security import require_field_security
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.privileges import REMOTE_CLUSTER_PRIVILEGE_NAMES
from isthmus.security.remote_privileges import remote_role_descriptors

#: metadata of a refusal: what is wrong with a cross-cluster key, told only to whoever has its secret
API_KEY_PROBLEM: Final = "api_key_problem"
#: a key of a user has two, a key made with a key three; each is another conjunction for every name
_MAXIMUM_ROLE_SETS: Final = 16
INTERNAL_USERNAME: Final = "_cross_cluster_access"
_INTERNAL_ROLE_NAME: Final = "_cross_cluster_internal"
#: what a cluster itself, not a user of it, may ask of another
_INTERNAL_CLUSTER_ACTIONS: Final = (
    "cluster:internal/remote_cluster/handshake",
    "cluster:internal/remote_cluster/nodes",
    "cluster:monitor/state",
    "cluster:monitor/xpack/info",
)
_INTERNAL_ROLE: Final = RoleDescriptor(
    name=_INTERNAL_ROLE_NAME,
    cluster=_INTERNAL_CLUSTER_ACTIONS,
    indices=(
        IndexPrivileges(
            names=("*",),
            privileges=(
                "indices:admin/seq_no/add_retention_lease",
                "indices:admin/seq_no/remove_retention_lease",
                "indices:admin/seq_no/renew_retention_lease",
                "indices:monitor/stats",
            ),
            allow_restricted_indices=True,
        ),
    ),
)


class RemoteSubject(Record, frozen=True, kw_only=True):
    """A caller as one cluster presents them to another: never a credential.

    ``role_sets`` holds the privileges for the receiving cluster, one element for each of the
    caller's role sets there; every one must allow an action. ``api_key_id`` and ``run_by`` tell how
    the caller authenticated, for messages only. ``internal`` marks the other cluster itself rather
    than a user of it; what that may do the receiver knows, and ``role_sets`` is not looked at.
    """

    username: str
    realm_name: str
    realm_type: str
    role_names: tuple[str, ...] = ()
    role_sets: tuple[tuple[RoleDescriptor, ...], ...] = ()
    api_key_id: str | None = None
    run_by: str | None = None
    internal: bool = False


@dataclass(frozen=True, slots=True)
class CrossClusterKey:
    """A cross-cluster API key that has just been verified, without its secret.

    ``expires_milliseconds`` is since 1970; None: never.
    """

    id: str
    name: str
    owner_username: str
    owner_realm: str
    role: RoleDescriptor
    expires_milliseconds: int | None = None


def remote_subject(principal: Principal, alias: str, action: str) -> RemoteSubject:
    """Answer how this caller is presented to the cluster of this alias.

    Raises a 403 ``security_exception``, worded for ``action``, when nothing is granted there.
    """
    return RemoteSubject(
        username=principal.username,
        realm_name=principal.realm_name,
        realm_type=principal.realm_type,
        role_names=principal.role_names,
        role_sets=remote_role_descriptors(principal, alias, action),
        api_key_id=principal.api_key_id,
        run_by=None if principal.run_by is None else principal.run_by.username,
    )


def internal_remote_subject() -> RemoteSubject:
    """Answer how this cluster presents itself for the handshake and other doings of its own."""
    return RemoteSubject(
        username=INTERNAL_USERNAME,
        realm_name="__attach",
        realm_type="__attach",
        role_names=(_INTERNAL_ROLE_NAME,),
        internal=True,
    )


def remote_principal(key: CrossClusterKey, subject: RemoteSubject) -> Principal:
    """Answer the caller as this cluster sees them: bound by the key **and** by what was sent along.

    Raises a 400 failure when the subject's privileges are of a kind that cannot be asked for from
    outside.
    """
    role_sets = subject.role_sets
    if subject.internal:
        role_sets = ((_INTERNAL_ROLE,),)
    else:
        _require_plain_privileges(subject)
    return Principal(
        username=subject.username,
        role_names=subject.role_names,
        role_sets=((key.role,), *(role_sets or ((),))),
        realm_name="_es_cross_cluster_access",
        realm_type="_es_cross_cluster_access",
        authentication_type="cross_cluster_access",
        api_key_id=key.id,
        api_key_name=key.name,
        api_key_owner=key.owner_username,
        subject=_subject_principal(subject),
    )


def _subject_principal(subject: RemoteSubject) -> Principal:
    caller = Principal(
        username=subject.username,
        role_names=subject.role_names,
        role_sets=(),
        realm_name=subject.realm_name,
        realm_type=subject.realm_type,
        api_key_id=subject.api_key_id if subject.run_by is None else None,
        api_key_owner=subject.username,
    )
    if subject.run_by is None:
        return caller
    run_by = Principal(
        username=subject.run_by,
        role_names=(),
        role_sets=(),
        realm_name=subject.realm_name,
        realm_type=subject.realm_type,
        api_key_id=subject.api_key_id,
        api_key_owner=subject.run_by,
    )
    return Principal(
        username=caller.username,
        role_names=caller.role_names,
        role_sets=(),
        realm_name=caller.realm_name,
        realm_type=caller.realm_type,
        run_by=run_by,
    )


def _require_plain_privileges(subject: RemoteSubject) -> None:
    if len(subject.role_sets) > _MAXIMUM_ROLE_SETS:
        raise illegal_argument(f"a caller from another cluster has at most [{_MAXIMUM_ROLE_SETS}] role sets")
    for roles in subject.role_sets:
        for role in roles:
            for entry in role.indices:
                require_field_security(entry.field_security)
            unwanted = set(role.cluster) - set(REMOTE_CLUSTER_PRIVILEGE_NAMES)
            plain = not (role.applications or role.run_as or role.remote_indices or role.remote_cluster)
            if unwanted or not plain:
                raise Failure(
                    FailureKind.INVALID_REQUEST,
                    "illegal_argument_exception",
                    "role descriptor for cross cluster access can only contain index privileges and the "
                    f"cluster privileges [{', '.join(REMOTE_CLUSTER_PRIVILEGE_NAMES)}] but other privileges "
                    f"found for subject [{subject.username}]",
                )
