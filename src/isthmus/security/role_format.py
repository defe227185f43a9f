"""Roles as JSON: read strictly, written as Elasticsearch writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from isthmus.errors import Failure
from isthmus.exchange import Json, JsonObject
from isthmus.security.patterns import covers, matcher
from isthmus.security.principal import (
    ApplicationPrivileges,
    IndexPrivileges,
    RemoteClusterPrivileges,
    RemoteIndexPrivileges,
    RoleDescriptor,
)
from isthmus.security.strict_json import parse_exception, require_shallow, token_name

_ENTRY_FIELDS: Final = ("names", "privileges", "field_security", "query", "allow_restricted_indices")
_ROLE_FIELDS: Final = (
    "cluster",
    "indices",
    "index",
    "applications",
    "run_as",
    "metadata",
    "description",
    "remote_indices",
    "remote_cluster",
    "transient_metadata",
)
#: known to Elasticsearch, without an effect that Isthmus could give them: refused unless empty
_UNSUPPORTED_FIELDS: Final = ("global", "restriction")


def parse_role(name: str, body: Any) -> RoleDescriptor:
    """Answer the role of this name that a body describes; privilege names are not checked here.

    Raises a 400 failure of type ``parse_exception`` that names the role and the member.
    """
    if not isinstance(body, dict):
        raise parse_exception(
            f"failed to parse role [{name}]. expected an object but found [{token_name(body)}] instead"
        )
    for member, value in body.items():
        if member in _UNSUPPORTED_FIELDS and value:
            raise parse_exception(f"failed to parse role [{name}]. field [{member}] is not supported")
        if member not in _ROLE_FIELDS and member not in _UNSUPPORTED_FIELDS:
            raise parse_exception(f"failed to parse role [{name}]. unexpected field [{member}]")
    if "index" in body and "indices" in body:
        raise parse_exception(f"failed to parse role [{name}]. give either [index] or [indices], not both")
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise parse_exception(
            f"expected field [metadata] to be of type object, but found [{token_name(metadata)}] instead"
        )
    description = body.get("description")
    if description is not None and not isinstance(description, str):
        raise parse_exception(
            f"failed to parse role [{name}]. unexpected value of field [description]: expected a string"
        )
    return RoleDescriptor(
        name=name,
        cluster=_texts(name, "cluster", body.get("cluster")),
        indices=tuple(
            parse_index_entry(name, entry)
            for entry in _list(name, "indices", body.get("indices", body.get("index")))
        ),
        applications=tuple(
            _parse_application(name, entry) for entry in _list(name, "application", body.get("applications"))
        ),
        run_as=_texts(name, "run_as", body.get("run_as")),
        remote_indices=tuple(
            _parse_remote_indices(name, entry)
            for entry in _list(name, "remote indices", body.get("remote_indices"))
        ),
        remote_cluster=tuple(
            _parse_remote_cluster(name, entry)
            for entry in _list(name, "remote_cluster", body.get("remote_cluster"))
        ),
        metadata=metadata or {},
        description=description,
    )


def parse_index_entry(
    role: str,
    entry: Any,
    *,
    privileges: Sequence[str] | None = None,
    allowed: Collection[str] = _ENTRY_FIELDS,
) -> IndexPrivileges:
    """Answer one entry of ``indices``; with ``privileges`` given it may not say any itself."""
    entry = _entry_object(role, "indices", entry)
    known = [field for field in allowed if privileges is None or field != "privileges"]
    for member in entry:
        if member not in known:
            raise _entry_failure(role, f"unexpected field [{member}]")
    names = _entry_texts(role, entry, "names")
    if not names:
        raise _entry_failure(role, "[names] cannot be an empty array")
    for pattern in names:
        _check_pattern(role, pattern)
    chosen = _entry_texts(role, entry, "privileges") if privileges is None else tuple(privileges)
    restricted = entry.get("allow_restricted_indices", False)
    if not isinstance(restricted, bool):
        raise _entry_failure(
            role,
            "expected field [allow_restricted_indices] value to be a boolean, but found "
            f"[{token_name(restricted)}] instead",
        )
    return IndexPrivileges(
        names=names,
        privileges=chosen,
        field_security=_parse_field_security(role, entry.get("field_security")),
        query=_parse_query(role, entry.get("query")),
        allow_restricted_indices=restricted,
    )


def render_role(role: RoleDescriptor) -> JsonObject:
    """Answer the role as the role API shows it."""
    rendered: JsonObject = {
        "cluster": list(role.cluster),
        "indices": [render_index_entry(entry) for entry in role.indices],
        "applications": [
            {
                "application": entry.application,
                "privileges": list(entry.privileges),
                "resources": list(entry.resources),
            }
            for entry in role.applications
        ],
        "run_as": list(role.run_as),
        "metadata": role.metadata,
        "transient_metadata": {"enabled": True},
    }
    if role.remote_indices:
        rendered["remote_indices"] = [
            render_index_entry(entry) | {"clusters": list(entry.clusters)} for entry in role.remote_indices
        ]
    if role.remote_cluster:
        rendered["remote_cluster"] = [
            {"privileges": list(entry.privileges), "clusters": list(entry.clusters)}
            for entry in role.remote_cluster
        ]
    if role.description is not None:
        rendered["description"] = role.description
    return rendered


def audited_role(role: RoleDescriptor) -> JsonObject:
    """Answer a role as the audit log tells of it: what it allows, without its free-form metadata."""
    free_form = ("metadata", "transient_metadata")
    return {member: value for member, value in render_role(role).items() if member not in free_form}


def render_index_entry(entry: IndexPrivileges | RemoteIndexPrivileges) -> JsonObject:
    """Answer one entry of ``indices``; a query is shown as text, as Elasticsearch does."""
    rendered: JsonObject = {"names": list(entry.names), "privileges": list(entry.privileges)}
    if entry.field_security is not None:
        rendered["field_security"] = entry.field_security
    if entry.query is not None:
        rendered["query"] = render_query(entry.query)
    rendered["allow_restricted_indices"] = entry.allow_restricted_indices
    return rendered


def render_query(query: Json) -> str:
    """Answer a document-level query as the text that the API shows."""
    return msgspec.json.encode(query).decode()


def _parse_remote_indices(role: str, entry: Any) -> RemoteIndexPrivileges:
    entry = _entry_object(role, "remote indices", entry)
    plain = parse_index_entry(role, {name: value for name, value in entry.items() if name != "clusters"})
    clusters = _texts(role, "clusters", entry.get("clusters"))
    if "clusters" not in entry:
        raise parse_exception(
            f"failed to parse remote indices privileges for role [{role}]. missing required [clusters] field"
        )
    if not clusters:
        raise parse_exception(
            f"the [remote_indices] sub-field [clusters] of role [{role}] must refer to at least one cluster "
            "alias"
        )
    for pattern in clusters:
        _check_pattern(role, pattern)
    return RemoteIndexPrivileges(
        clusters=clusters,
        names=plain.names,
        privileges=plain.privileges,
        field_security=plain.field_security,
        query=plain.query,
        allow_restricted_indices=plain.allow_restricted_indices,
    )


def _parse_remote_cluster(role: str, entry: Any) -> RemoteClusterPrivileges:
    entry = _entry_object(role, "remote_cluster", entry)
    for member in entry:
        if member not in ("privileges", "clusters"):
            raise parse_exception(
                f"failed to parse remote_cluster for role [{role}]. unexpected field [{member}]"
            )
    parts = {member: _texts(role, member, entry.get(member)) for member in ("privileges", "clusters")}
    for member, values in parts.items():
        if not values:
            other = "clusters" if member == "privileges" else "privileges"
            raise parse_exception(
                f"failed to parse remote_cluster for role [{role}]. [{member}] must be defined when "
                f"[{other}] are defined"
            )
    for pattern in parts["clusters"]:
        _check_pattern(role, pattern)
    return RemoteClusterPrivileges(clusters=parts["clusters"], privileges=parts["privileges"])


def _parse_application(role: str, entry: Any) -> ApplicationPrivileges:
    entry = _entry_object(role, "application", entry)
    for member in entry:
        if member not in ("application", "privileges", "resources"):
            raise parse_exception(
                f"failed to parse application privileges for role [{role}]. unexpected field [{member}]"
            )
    application = entry.get("application")
    if not isinstance(application, str) or not application:
        raise parse_exception("Application names cannot be blank")
    for member in ("resources", "privileges"):
        if not entry.get(member):
            raise parse_exception(
                f"failed to parse application privileges for role [{role}]. missing required [{member}] field"
            )
    return ApplicationPrivileges(
        application=application,
        privileges=_texts(role, "privileges", entry["privileges"]),
        resources=_texts(role, "resources", entry["resources"]),
    )


def _parse_field_security(role: str, value: Any) -> JsonObject | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _entry_failure(role, f'expected START_OBJECT but got {token_name(value)} in "field_security".')
    if not value:
        raise _entry_failure(role, '"field_security" must not be empty.')
    parts: JsonObject = {}
    for member, patterns in value.items():
        if member not in ("grant", "except"):
            raise _entry_failure(
                role, f'"field_security" only accepts options grant and except, but got: {member}'
            )
        if patterns is None:
            raise _entry_failure(role, f"{member} must not be null.")
        parts[member] = list(_texts(role, member, patterns))
    if "grant" not in parts:
        raise _entry_failure(role, "field_security requires grant if except is given")
    granted, excepted = parts["grant"], parts.get("except", [])
    if not all(any(covers(pattern, exception) for pattern in granted) for exception in excepted):
        raise parse_exception(
            f"failed to parse indices privileges for role [{role}] - Exceptions for field permissions must "
            f"be a subset of the granted fields but [{','.join(excepted)}] is not a subset of "
            f"[{','.join(granted)}]"
        )
    return parts


def _parse_query(role: str, value: Any) -> Json:
    if value is None or value == "":
        return None
    query = value
    if isinstance(value, str):
        try:
            query = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            raise _entry_failure(role, "field [query] is not a query in JSON") from None
    if not isinstance(query, dict):
        raise _entry_failure(
            role,
            "expected field [query] value to be null, a string, an array, or an object, but found "
            f"[{token_name(query)}] instead",
        )
    require_shallow(query)
    if "template" in query:
        raise _entry_failure(role, "a [template] in field [query] is not supported: write the query itself")
    return query


def _check_pattern(role: str, pattern: str) -> None:
    try:
        matcher(pattern)
    except Failure as failure:
        raise parse_exception(f"failed to parse role [{role}]: {failure.reason}") from None


def _entry_object(role: str, kind: str, entry: Any) -> JsonObject:
    if isinstance(entry, dict):
        return entry
    raise parse_exception(
        f"failed to parse {kind} privileges for role [{role}]. expected field [{kind}] value to be an array "
        f"of objects, but found an array element of type [{token_name(entry)}]"
    )


def _entry_failure(role: str, problem: str) -> Failure:
    return parse_exception(f"failed to parse indices privileges for role [{role}]. {problem}")


def _entry_texts(role: str, entry: JsonObject, member: str) -> tuple[str, ...]:
    value = entry.get(member)
    if value is None:
        raise _entry_failure(role, f"missing required [{member}] field")
    if not isinstance(value, str | list):
        raise _entry_failure(
            role,
            f"expected field [{member}] value to be a string or an array of strings, but found "
            f"[{token_name(value)}] instead",
        )
    return _texts(role, member, value)


def _list(role: str, kind: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise parse_exception(
        f"failed to parse {kind} privileges for role [{role}]. expected field [{kind}] value to be an array, "
        f"but found [{token_name(value)}] instead"
    )


def _texts(role: str, member: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in values):
        raise parse_exception(
            f"failed to parse role [{role}]. field [{member}] must be a string or an array of strings"
        )
    return tuple(values)
