"""Index settings: the two forms in which they are written, and ``_settings``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import Engine, IndexDescription, JsonObject
from isthmus.names import wildcard_matches
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
    json_object,
)
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.settings import COMPATIBLE_VERSION

#: how Elasticsearch numbers the format of an index of the version that is spoken
INDEX_VERSION_CREATED: Final = "9039000"

#: what ``include_defaults`` shows of settings that were not set
DEFAULT_SETTINGS: Final = {
    "index.max_result_window": "10000",
    "index.refresh_interval": "1s",
    "index.mapping.total_fields.limit": "1000",
}
_GET_PARAMETERS: Final = (
    "flat_settings",
    "include_defaults",
    "local",
    "master_timeout",
    *INDICES_OPTIONS_PARAMETERS,
)
_PUT_PARAMETERS: Final = (
    "preserve_existing",
    "flat_settings",
    "reopen",
    *CLUSTER_WAIT_PARAMETERS,
    *INDICES_OPTIONS_PARAMETERS,
)
_DEEPEST_SETTING: Final = 20


def flat_settings(written: Any) -> JsonObject:
    """Answer ``{"index.…": value}`` for settings in any form that Elasticsearch takes.

    Names may be nested or dotted, with or without ``index``; numbers and flags become text, lists
    stay lists, None stays None. Raises a 400 failure for what is no object.
    """
    if written is None:
        return {}
    if not isinstance(written, dict):
        raise illegal_argument("[settings] must be an object")
    flat: JsonObject = {}
    for name, value in _leaves(written, "", 0):
        key = name if name.startswith("index.") or name == "index" else f"index.{name}"
        flat[key] = value
    return flat


def _leaves(value: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST_SETTING:
        raise illegal_argument("settings are nested too deeply")
    for name, member in value.items():
        path = f"{prefix}{name}"
        if isinstance(member, dict):
            yield from _leaves(member, f"{path}.", depth + 1)
        elif isinstance(member, list):
            if any(isinstance(item, dict | list) for item in member):
                raise illegal_argument(f"the value of setting [{path[:200]}] must be text or a list of texts")
            yield path, [_as_text(item) for item in member]
        else:
            yield path, None if member is None else _as_text(member)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def nested_settings(flat: Mapping[str, Any]) -> JsonObject:
    """Answer the nested form; a name that is both a value and a prefix keeps its dotted rest."""
    nested: JsonObject = {}
    for name in sorted(flat):
        *parents, leaf = name.split(".")
        place = nested
        for position, parent in enumerate(parents):
            child = place.setdefault(parent, {})
            if not isinstance(child, dict):
                leaf = ".".join([*parents[position:], leaf])
                break
            place = child
        place[leaf] = flat[name]
    return nested


def shown_settings(description: IndexDescription) -> JsonObject:
    """Answer an index's settings in flat form, with what every index has."""
    return {
        "index.creation_date": str(description.created_milliseconds),
        "index.number_of_replicas": "1",
        "index.number_of_shards": "1",
        "index.provided_name": str(description.name),
        "index.uuid": description.uuid,
        "index.version.created": INDEX_VERSION_CREATED,
        **description.settings,
    }


def settings_object(
    description: IndexDescription, call: Call, names: Sequence[str] = ()
) -> dict[str, JsonObject]:
    """Answer ``{"settings": …}``, with ``defaults`` where asked for, in the form asked for."""
    flat = boolean_parameter(call.parameters, "flat_settings", default=False)
    known = shown_settings(description)
    if boolean_parameter(call.parameters, "human", default=False):
        known |= _readable(description)
    shown = _named(known, names)
    answer = {"settings": shown if flat else nested_settings(shown)}
    if boolean_parameter(call.parameters, "include_defaults", default=False):
        defaults = {name: value for name, value in DEFAULT_SETTINGS.items() if name not in shown}
        defaults = _named(defaults, names)
        answer["defaults"] = defaults if flat else nested_settings(defaults)
    return answer


def _readable(description: IndexDescription) -> JsonObject:
    """Answer what ``human`` adds: dates and versions as people write them."""
    created = datetime.fromtimestamp(description.created_milliseconds / 1000, UTC)
    return {
        "index.creation_date_string": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "index.version.created_string": COMPATIBLE_VERSION,
    }


def _named(settings: Mapping[str, Any], names: Sequence[str]) -> JsonObject:
    if not names or "_all" in names:
        return dict(settings)
    return {
        name: value
        for name, value in settings.items()
        if any(wildcard_matches(wanted, name) for wanted in names)
    }


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve ``_settings``."""

    async def get(call: Call) -> Response:
        options = indices_options(call, expand_wildcards="open,closed")
        selections = select(call, engine, "indices:monitor/settings/get", options)
        names = index_expressions(call, "name")
        answer = {}
        for description in described(engine, selections):
            shown = settings_object(description, call, names)
            if shown["settings"] or not names:
                answer[str(description.name)] = shown
        return json_response(answer)

    async def put(call: Call) -> Response:
        body = json_object(call)
        changes = flat_settings(body.get("settings", body) if len(body) == 1 else body)
        if not changes:
            raise validation_failure("no settings to update")
        options = indices_options(call, expand_wildcards="open,closed")
        selections = select(call, engine, "indices:admin/settings/update", options)
        keep = boolean_parameter(call.parameters, "preserve_existing", default=False)
        for description in described(engine, selections):
            wanted = {
                name: value for name, value in changes.items() if not (keep and name in description.settings)
            }
            await engine.put_settings(description.name, wanted)
        return json_response({"acknowledged": True})

    for template in ("/_settings", "/_settings/{name}", "/{index}/_settings", "/{index}/_settings/{name}"):
        router.add("GET", template, get, _GET_PARAMETERS)
    for template in ("/_settings", "/{index}/_settings"):
        router.add("PUT", template, put, _PUT_PARAMETERS)
