"""Queries over API keys: the part of the query language that ``_security/_query/api_key`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import Json
from isthmus.security.patterns import matcher
from isthmus.security.records import StoredApiKey

KeyTest: TypeAlias = Callable[[Mapping[str, Any]], bool]

_FIELDS: Final = (
    "id",
    "type",
    "name",
    "creation",
    "expiration",
    "invalidated",
    "invalidation",
    "username",
    "realm",
    "metadata",
)
_METADATA: Final = "metadata."
_OBJECT_FORMS: Final = {"term": "value", "prefix": "value", "wildcard": "value", "match": "query"}
_BOUNDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def queryable(key: StoredApiKey) -> dict[str, Any]:
    """Answer what of a key can be asked for, by field."""
    fields: dict[str, Any] = {
        "id": key.id,
        "type": key.type.value,
        "name": key.name,
        "creation": key.created_milliseconds,
        "expiration": key.expires_milliseconds,
        "invalidated": key.invalidated_milliseconds is not None,
        "invalidation": key.invalidated_milliseconds,
        "username": key.owner_username,
        "realm": key.owner_realm,
    }
    pending: list[tuple[str, Any]] = [("metadata", key.metadata)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending.extend((f"{path}.{name}", member) for name, member in value.items())
        else:
            fields[path] = value
    return fields


def compile_key_query(query: Json) -> KeyTest:
    """Answer the test that a query stands for; None is every key.

    Raises a 400 failure that names a query or a field that is not taken here.
    """
    if query is None:
        return lambda _fields: True
    kind, body = _only_member(query)
    if kind == "match_all":
        return lambda _fields: True
    if kind == "bool":
        return _compile_bool(body)
    if kind == "ids":
        values = body.get("values") if isinstance(body, dict) else None
        if not isinstance(values, list):
            raise parsing_failure("[ids] requires an array [values]")
        return lambda fields: fields["id"] in values
    if kind == "exists":
        name = _field(body.get("field") if isinstance(body, dict) else None)
        return lambda fields: bool(_values(fields, name))
    if kind in ("term", "terms", "prefix", "wildcard", "match", "range"):
        return _compile_field_query(kind, body)
    raise illegal_argument(f"Query type [{kind}] is not supported for API Key query")


def sort_key(name: str) -> Callable[[StoredApiKey], tuple[bool, Any]]:
    """Answer the order of a field, keys without it last; raises for one that cannot be sorted by."""
    if name not in _FIELDS[:-1]:
        raise illegal_argument(f"Field [{name}] is not allowed for sorting API keys")

    def order(key: StoredApiKey) -> tuple[bool, Any]:
        value = queryable(key)[name]
        return value is None, 0 if value is None else value

    return order


def _compile_bool(body: Any) -> KeyTest:
    if not isinstance(body, dict):
        raise parsing_failure("[bool] query malformed, an object is expected")
    unknown = set(body) - {"must", "filter", "should", "must_not", "minimum_should_match"}
    if unknown:
        raise parsing_failure(f"[bool] query does not support [{min(unknown)}]")
    required = _compile_all(body.get("must")) + _compile_all(body.get("filter"))
    excluded = _compile_all(body.get("must_not"))
    optional = _compile_all(body.get("should"))
    least = body.get("minimum_should_match", 0 if required or not optional else 1)
    if not isinstance(least, int) or isinstance(least, bool):
        raise parsing_failure("[bool] takes only a whole number as [minimum_should_match] here")

    def test(fields: Mapping[str, Any]) -> bool:
        return (
            all(one(fields) for one in required)
            and not any(one(fields) for one in excluded)
            and sum(one(fields) for one in optional) >= least
        )

    return test


def _compile_all(clauses: Any) -> list[KeyTest]:
    if clauses is None:
        return []
    return [compile_key_query(clause) for clause in (clauses if isinstance(clauses, list) else [clauses])]


def _compile_field_query(kind: str, body: Any) -> KeyTest:
    name, wanted = _only_member(body)
    name = _field(name)
    if kind == "range":
        return _compile_range(name, wanted)
    if kind == "terms":
        if not isinstance(wanted, list):
            raise parsing_failure("[terms] query requires an array of terms")
        return lambda fields: any(value in wanted for value in _values(fields, name))
    if isinstance(wanted, dict):
        inner, wanted = _only_member(wanted)
        if inner != _OBJECT_FORMS[kind]:
            raise parsing_failure(f"[{kind}] query does not support [{inner}]")
    if kind in ("term", "match"):
        return lambda fields: wanted in _values(fields, name)
    if not isinstance(wanted, str):
        raise parsing_failure(f"[{kind}] query takes a string")
    if kind == "prefix":
        prefix: str = wanted
        return lambda fields: any(str(value).startswith(prefix) for value in _values(fields, name))
    # A leading slash would make a regular expression of it; `?` is any one sign, so look at that too.
    matches = matcher(f"?{wanted[1:]}" if wanted.startswith("/") else wanted)
    return lambda fields: any(matches(str(value)) for value in _values(fields, name))


def _compile_range(name: str, bounds: Any) -> KeyTest:
    if not isinstance(bounds, dict) or not bounds:
        raise parsing_failure("[range] query malformed, no bounds are given")
    for bound, limit in bounds.items():
        if bound not in _BOUNDS:
            raise parsing_failure(f"[range] query does not support [{bound}]")
        if not isinstance(limit, int | float | str) or isinstance(limit, bool):
            raise parsing_failure(f"[range] query takes a number or a string as [{bound}]")
    comparisons = [(_BOUNDS[bound], limit) for bound, limit in bounds.items()]

    def holds(value: Any) -> bool:
        return all(
            isinstance(value, str) == isinstance(limit, str) and compare(value, limit)
            for compare, limit in comparisons
        )

    return lambda fields: any(holds(value) for value in _values(fields, name))


def _values(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _field(name: Any) -> str:
    if not isinstance(name, str) or not (name in _FIELDS or name.startswith(_METADATA)):
        raise illegal_argument(f"Field [{str(name)[:100]}] is not allowed for querying or aggregation")
    return name


def _only_member(value: Any) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        raise parsing_failure("query malformed, an object with exactly one member is expected")
    ((name, member),) = value.items()
    return name, member
