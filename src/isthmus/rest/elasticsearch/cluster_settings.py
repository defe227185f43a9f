"""``GET`` and ``PUT /_cluster/settings``."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import Failure, FailureKind, validation_failure
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.flat_settings import FlatSettings, SettingsUpdate, flat_json, flatten, nest
from isthmus.remotes.known_settings import METADATA_PREFIX
from isthmus.remotes.registry import Remotes
from isthmus.remotes.setting_defaults import defaults_of
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    Call,
    ElasticsearchRouter,
    json_object,
)
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.security.audit_notes import note_change
from isthmus.security.audit_settings import is_audit_setting
from isthmus.security.authorize import require_cluster_action

_READ_ACTION: Final = "cluster:monitor/settings"
_UPDATE_ACTION: Final = "cluster:admin/settings/update"
_SECTIONS: Final = ("persistent", "transient")
#: Elasticsearch waits up to 10 s for new remote clusters to connect before it acknowledges; a remote
#: that does not answer should not hold an administrator up for that long
_SETTLE_SECONDS: Final = 3.0


def register(router: ElasticsearchRouter, service: ClusterSettingsService, remotes: Remotes) -> None:
    """Serve the cluster settings."""

    async def get(call: Call) -> Response:
        require_cluster_action(call.principal, _READ_ACTION)
        current = service.current
        answer = {
            "persistent": _rendered(call, current.persistent),
            "transient": _rendered(call, current.transient),
        }
        if boolean_parameter(call.parameters, "include_defaults", default=False):
            answer["defaults"] = _rendered(call, defaults_of(current.effective, service.static))
        return json_response(answer)

    async def put(call: Call) -> Response:
        require_cluster_action(call.principal, _UPDATE_ACTION)
        body = json_object(call)
        for name in body:
            if name not in _SECTIONS:
                raise Failure(
                    FailureKind.INVALID_REQUEST,
                    "x_content_parse_exception",
                    f"[cluster_update_settings_request] unknown field [{name[:200]}]",
                )
        persistent = flatten(body.get("persistent"), "persistent")
        transient = flatten(body.get("transient"), "transient")
        if not persistent and not transient:
            raise validation_failure("no settings to update")
        before = {alias: remotes.get(alias).settings for alias in remotes.aliases()}
        await service.update(persistent, transient)
        note_change(
            "update_cluster_settings",
            {"change": {"settings": {"persistent": _audited(persistent), "transient": _audited(transient)}}},
            always=any(is_audit_setting(key) for key in (*persistent, *transient)),
        )
        changed = [alias for alias in remotes.aliases() if remotes.get(alias).settings != before.get(alias)]
        await remotes.settle(changed, _SETTLE_SECONDS)
        return json_response(
            {
                "acknowledged": True,
                "persistent": _rendered(call, _given(persistent)),
                "transient": _rendered(call, _given(transient)),
            }
        )

    router.add(
        "GET", "/_cluster/settings", get, ("flat_settings", "include_defaults", *CLUSTER_WAIT_PARAMETERS)
    )
    router.add("PUT", "/_cluster/settings", put, ("flat_settings", *CLUSTER_WAIT_PARAMETERS))


def _rendered(call: Call, settings: FlatSettings) -> dict[str, Any]:
    flat = boolean_parameter(call.parameters, "flat_settings", default=False)
    return flat_json(settings) if flat else nest(settings)


def _audited(update: SettingsUpdate) -> dict[str, Any]:
    """Answer what the audit log tells of an update: of free-form notes the names only."""
    return {
        key[:500]: "..." if key.startswith(METADATA_PREFIX) and value is not None else value
        for key, value in update.items()
    }


def _given(update: SettingsUpdate) -> FlatSettings:
    """Answer what was set, as it is echoed: what was deleted is not."""
    return {key: value for key, value in update.items() if value is not None}
