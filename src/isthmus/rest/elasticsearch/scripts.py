"""``_scripts``: templates stored by name."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    Call,
    ElasticsearchRouter,
    json_object,
    require_only_members,
)
from isthmus.rest.elasticsearch.search_values import json_object as read_object
from isthmus.rest.elasticsearch.search_values import token_of, unsupported
from isthmus.rest.http import Response, json_response, json_text
from isthmus.search.stored_scripts import LANGUAGE, StoredScript, StoredScripts
from isthmus.security.authorize import require_cluster_action

_GET_ACTION: Final = "cluster:admin/script/get"
_PUT_ACTION: Final = "cluster:admin/script/put"
_DELETE_ACTION: Final = "cluster:admin/script/delete"
_NOT_FOUND: Final = 404


def register(router: ElasticsearchRouter, scripts: StoredScripts) -> None:
    """Serve storing, looking at and removing scripts."""

    async def get(call: Call) -> Response:
        require_cluster_action(call.principal, _GET_ACTION)
        script_id = call.path["id"]
        script = scripts.find(script_id)
        if script is None:
            return json_response({"_id": script_id, "found": False}, _NOT_FOUND)
        shown: dict[str, Any] = {"lang": LANGUAGE, "source": script.source}
        if script.options:
            shown["options"] = script.options
        return json_response({"_id": script_id, "found": True, "script": shown})

    async def put(call: Call) -> Response:
        require_cluster_action(call.principal, _PUT_ACTION)
        await scripts.put(call.path["id"], _script(json_object(call)))
        return json_response({"acknowledged": True})

    async def delete(call: Call) -> Response:
        require_cluster_action(call.principal, _DELETE_ACTION)
        await scripts.delete(call.path["id"])
        return json_response({"acknowledged": True})

    async def execute(_call: Call) -> Response:
        raise unsupported("_scripts/painless/_execute")

    router.add("GET", "/_scripts/{id}", get, CLUSTER_WAIT_PARAMETERS)
    router.add("PUT POST", "/_scripts/{id}", put, ("context", *CLUSTER_WAIT_PARAMETERS))
    router.add("PUT POST", "/_scripts/{id}/{context}", put, CLUSTER_WAIT_PARAMETERS)
    router.add("DELETE", "/_scripts/{id}", delete, CLUSTER_WAIT_PARAMETERS)
    router.add("GET POST", "/_scripts/painless/_execute", execute)


def _script(body: dict[str, Any]) -> StoredScript:
    require_only_members(body, ("script",), "a stored script")
    script = body.get("script")
    if not isinstance(script, dict):
        raise parsing_failure(f"must specify [script] as an object, found {token_of(script)}")
    require_only_members(script, ("lang", "options", "source"), "a stored script")
    language = script.get("lang")
    if not isinstance(language, str) or not language:
        raise illegal_argument("must specify lang for stored script")
    if language != LANGUAGE:
        raise illegal_argument(f"script_lang not supported [{language[:100]}]")
    source = script.get("source")
    if isinstance(source, dict):
        source = json_text(source).decode()
    if not isinstance(source, str) or not source:
        raise illegal_argument("must specify source for stored script")
    options = script.get("options")
    return StoredScript(source=source, options={} if options is None else read_object("options", options))
