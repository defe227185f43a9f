"""``POST /_nodes/reload_secure_settings``: take up the keystore as it is on disk now.

A node looks at its keystore every second anyway; this has it done before the answer.
"""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    Call,
    ElasticsearchRouter,
    json_object,
    require_only_members,
)
from isthmus.rest.elasticsearch.errors import failure_object
from isthmus.rest.http import Response, json_response
from isthmus.security.audit_notes import note_change
from isthmus.security.authorize import require_cluster_action

_ACTION: Final = "cluster:admin/nodes/reload_secure_settings"
_PASSWORD: Final = "secure_settings_password"  # noqa: S105 - a member's name
_THIS_NODE: Final = frozenset({"_all", "_local", "_master", "*"})


def register(router: ElasticsearchRouter, remotes: Remotes, identity: NodeIdentity) -> None:
    """Serve the reload of secure settings."""

    async def reload(call: Call) -> Response:
        require_cluster_action(call.principal, _ACTION)
        body = json_object(call)
        require_only_members(body, (_PASSWORD,), "reload_secure_settings")
        if not _is_meant(call.path.get("node_id", "_all"), identity):
            return json_response(_answer(identity, {}))
        node: dict[str, Any] = {"name": identity.node_name}
        try:
            _require_no_password(body.get(_PASSWORD))
            remotes.reload_secure_settings()
            note_change("reload_secure_settings", {})
        except Failure as failure:
            node["reload_exception"] = failure_object(failure)
        return json_response(_answer(identity, {identity.node_id: node}))

    for path in ("/_nodes/reload_secure_settings", "/_nodes/{node_id}/reload_secure_settings"):
        router.add("POST", path, reload, CLUSTER_WAIT_PARAMETERS)


def _is_meant(expression: str, identity: NodeIdentity) -> bool:
    names = {name.strip() for name in expression.split(",")}
    return bool(names & (_THIS_NODE | {identity.node_id, identity.node_name}))


def _require_no_password(password: Any) -> None:
    """Refuse a password: the keystore's key is in a file, so one that is given is not the right one."""
    if password is not None and not isinstance(password, str):
        raise illegal_argument(f"[{_PASSWORD}] must be a string")
    if password:
        raise Failure(
            FailureKind.INVALID_REQUEST, "security_exception", "Provided keystore password was incorrect"
        )


def _answer(identity: NodeIdentity, nodes: dict[str, Any]) -> dict[str, Any]:
    count = len(nodes)
    return {
        "_nodes": {"total": count, "successful": count, "failed": 0},
        "cluster_name": identity.cluster_name,
        "nodes": nodes,
    }
