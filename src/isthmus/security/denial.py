"""What a caller is told who may not do something: Elasticsearch's wording, word for word.

Operators search the web for these sentences and scripts match them. Each of the failures is made to be
raised, and is noted for the audit log here, so that no denial can be forgotten there.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.errors import Failure, security_failure
from isthmus.security.audit_notes import note_denied, note_run_as_denied
from isthmus.security.principal import Principal
from isthmus.security.privileges import (
    cluster_privileges_that_grant,
    index_privileges_that_grant,
    is_cluster_action,
)
from isthmus.security.restricted import is_restricted


def action_denied(principal: Principal, action: str, names: Sequence[str] = ()) -> Failure:
    """Answer the 403 failure for an action here, on these indices where it is about indices."""
    note_denied(action, names)
    towards = "towards remote cluster " if principal.subject is not None else ""
    message = f"action [{action}] {towards}is unauthorized for {describe(principal)}{_on_indices(names)}"
    if is_cluster_action(action):
        kind, privileges = "cluster", cluster_privileges_that_grant(action)
    else:
        kind, privileges = "index", index_privileges_that_grant(action)
    if privileges:
        message += f", this action is granted by the {kind} privileges [{','.join(privileges)}]"
    return security_failure(message)


def remote_action_denied(principal: Principal, action: str, alias: str) -> Failure:
    """Answer the 403 failure of a caller whose roles say nothing about that remote cluster."""
    note_denied(action, cluster=alias)
    kind = "cluster" if is_cluster_action(action) else "indices"
    return security_failure(
        f"action [{action}] towards remote cluster [{alias}] is unauthorized for {describe(principal)}"
        f" because no remote {kind} privileges apply for the target cluster"
    )


def run_as_denied(principal: Principal, action: str, target: str) -> Failure:
    """Answer the 403 failure of a caller who may not act for ``target``."""
    note_run_as_denied(action, target)
    who = _authenticated(principal)
    return security_failure(
        f"action [{action}] is unauthorized for {who}{_roles(principal)}, because {who} is unauthorized"
        f" to run as [{target}]"
    )


def describe(principal: Principal) -> str:
    """Answer who this is and by which roles, as the denials name a caller."""
    if principal.subject is not None:
        # The roles of a caller from another cluster are not resolved here: only assigned ones are known.
        return f"{_describe_subject(principal.subject)} authenticated by {_authenticated(principal)}"
    return f"{_with_run_as(principal)}{_roles(principal)}"


def _describe_subject(subject: Principal) -> str:
    roles = ""
    if subject.api_key_id is None or subject.run_by is not None:
        roles = f" with assigned roles [{','.join(subject.role_names)}]"
    return f"{_with_run_as(subject)}{roles}"


def _with_run_as(principal: Principal) -> str:
    if principal.run_by is None:
        return _authenticated(principal)
    return f"{_authenticated(principal.run_by)} run as [{principal.username}]"


def _authenticated(principal: Principal) -> str:
    if principal.api_key_id is None:
        return f"user [{principal.username}]"
    return f"API key id [{principal.api_key_id}] of user [{principal.api_key_owner or principal.username}]"


def _roles(principal: Principal) -> str:
    if principal.api_key_id is not None and principal.run_by is None:
        return ""  # a key has privileges, not roles
    effective = sorted({role.name for roles in principal.role_sets[:1] for role in roles})
    described = f" with effective roles [{','.join(effective)}]"
    missing = sorted(set(principal.role_names) - set(effective))
    if missing:
        described += f" (assigned roles [{','.join(missing)}] were not found)"
    return described


def _on_indices(names: Sequence[str]) -> str:
    ordinary = [name for name in names if not is_restricted(name)]
    restricted = [name for name in names if is_restricted(name)]
    parts = []
    if ordinary:
        parts.append(f"indices [{','.join(ordinary)}]")
    if restricted:
        parts.append(f"restricted indices [{','.join(restricted)}]")
    return f" on {' and '.join(parts)}" if parts else ""
