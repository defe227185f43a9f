"""``GET /_remote/privileges/{alias}``: what the caller may really do on a remote cluster, and why.

Ours, not Elasticsearch's; ``docs/roles.md`` describes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final, Protocol

from isthmus.errors import Failure
from isthmus.exchange import JsonObject
from isthmus.names import ClusterAlias, parse_cluster_alias
from isthmus.remotes.protocol import AccessAnswer
from isthmus.remotes.registry import Remotes
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.errors import failure_object
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import may_do_cluster_action
from isthmus.security.cross_cluster_access import render_access
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.remote_effective import (
    EffectiveEntry,
    entries_of,
    intersection,
    intersection_of_cluster,
)
from isthmus.security.remote_effective_words import REPLICATION, SEARCH, Sides, missing_for, whose_set
from isthmus.security.remote_privileges import remote_descriptors
from isthmus.security.role_format import render_index_entry

#: who may see the remotes at all may see what the key of one gives; others see only their own part of it
_SEE_KEY_ACTION: Final = "cluster:monitor/remote/info"
_CERTIFICATE_MODEL: Final = (
    "there is no cross-cluster API key for this remote: this cluster sends the names of the caller's roles, "
    "and the remote decides by its own roles of the same names. [remote_indices] and [remote_cluster] of the "
    "roles here do not count. Which roles of these names there are over there, and what they grant, only the "
    "remote knows: a role for searching grants [read, read_cross_cluster] on its indices, one for "
    "replication [monitor, read] and the cluster privilege [read_ccr]"
)


class _TellsAccess(Protocol):
    """The part of a remote cluster that is asked here."""

    async def access(self) -> AccessAnswer:
        """Answer what the key gives; raises a failure."""
        ...


def register(router: ElasticsearchRouter, remotes: Remotes) -> None:
    """Serve effective privileges. Everybody may ask about themselves."""

    async def privileges(call: Call) -> Response:
        alias = parse_cluster_alias(call.path["alias"])
        cluster = remotes.get(alias)
        if cluster.link.security_model == "certificate":
            return json_response(_by_certificate(call.principal, alias))
        return json_response(await _by_key(call.principal, alias, cluster))

    router.add("GET", "/_remote/privileges/{alias}", privileges, ())


def _by_certificate(principal: Principal, alias: ClusterAlias) -> JsonObject:
    return {
        **_head(principal, alias, "certificate"),
        "explanation": _CERTIFICATE_MODEL,
        "role_names": list(principal.role_names),
    }


async def _by_key(principal: Principal, alias: ClusterAlias, cluster: _TellsAccess) -> JsonObject:
    access: AccessAnswer | None = None
    problem: Failure | None = None
    try:
        access = await cluster.access()
    except Failure as failure:
        problem = failure
    role = None if access is None else access.role
    descriptors = remote_descriptors(principal, alias)
    by_roles = [entries_of((descriptor,), "roles") for descriptor in descriptors]
    by_key = None if role is None else entries_of((role,), "key")
    effective = _effective(by_roles, by_key)
    sides = Sides(alias, by_roles, by_key, effective)
    described = _head(principal, alias, "api_key")
    described["roles"] = [
        _described_set(whose_set(position, principal), descriptor)
        for position, descriptor in enumerate(descriptors)
    ]
    described["key"] = _described_key(principal, access, problem)
    described["effective"] = (
        None
        if by_key is None
        else {
            "indices": [_described_entry(entry) for entry in effective],
            "cluster": list(_effective_cluster(descriptors, role)),
        }
    )
    for name, purpose in (("search", SEARCH), ("replication", REPLICATION)):
        missing = missing_for(purpose, sides, principal)
        allowed = None if by_key is None and not missing else not missing
        described[name] = {"allowed": allowed, "missing": list(missing)}
    return described


def _head(principal: Principal, alias: ClusterAlias, model: str) -> JsonObject:
    described: JsonObject = {"alias": alias, "security_model": model, "username": principal.username}
    if principal.api_key_id is not None:
        described["api_key"] = {"id": principal.api_key_id, "name": principal.api_key_name}
    return described


def _effective(
    by_roles: Sequence[Sequence[EffectiveEntry]], by_key: Sequence[EffectiveEntry] | None
) -> Sequence[EffectiveEntry]:
    if by_key is None or not by_roles:
        return ()
    return reduce(intersection, [*by_roles, by_key])


def _effective_cluster(descriptors: Sequence[RoleDescriptor], role: RoleDescriptor | None) -> Sequence[str]:
    if role is None or not descriptors:
        return ()
    granted: Sequence[str] = descriptors[0].cluster
    for ceiling in (*descriptors[1:], role):
        granted = intersection_of_cluster(granted, ceiling.cluster)
    return granted


def _described_set(whose: str, descriptor: RoleDescriptor) -> JsonObject:
    return {
        "of": whose,
        "indices": [render_index_entry(entry) for entry in descriptor.indices],
        "cluster": list(descriptor.cluster),
    }


def _described_key(principal: Principal, access: AccessAnswer | None, problem: Failure | None) -> JsonObject:
    if access is None:
        return {"known": False} if problem is None else {"known": False, "error": failure_object(problem)}
    if not may_do_cluster_action(principal, _SEE_KEY_ACTION):
        return {"known": True}
    described: JsonObject = {"known": True, "id": access.key_id, "name": access.key_name}
    if access.key_expires_milliseconds is not None:
        described["expiration"] = access.key_expires_milliseconds
    if access.role is not None:
        described["access"] = render_access(access.role)
    return described


def _described_entry(entry: EffectiveEntry) -> JsonObject:
    described: JsonObject = {"names": [entry.patterns[0]], "privileges": list(entry.privileges)}
    if len(entry.patterns) > 1:
        described["names_match_all_of"] = list(entry.patterns)
        del described["names"]
    described["document_level_security"] = list(entry.documents_by)
    described["field_level_security"] = list(entry.fields_by)
    described["allow_restricted_indices"] = entry.allow_restricted_indices
    return described
