"""``fields``, ``docvalue_fields`` and ``stored_fields`` of a search: which values are shown with each hit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import FetchRequest, FieldRequest
from isthmus.rest.elasticsearch.search_values import boolean, token_of
from isthmus.rest.http import boolean_parameter

NO_STORED_FIELDS: Final = "_none_"
"""The only member of ``stored_fields`` that asks for less than nothing: no id and no source either."""
SOURCE: Final = "_source"

_MOST_FIELDS: Final = 1_000


def fields_of_body(name: str, value: Any) -> tuple[FieldRequest, ...]:
    """Read ``fields``: patterns, or objects of ``field``, ``format`` and ``include_unmapped``."""
    return _requests(name, value, ("field", "format", "include_unmapped"))


def docvalue_fields_of_body(name: str, value: Any) -> tuple[FieldRequest, ...]:
    """Read ``docvalue_fields``: patterns, or objects of ``field`` and ``format``."""
    return _requests(name, value, ("field", "format"))


def docvalue_fields_of_parameter(text: str) -> tuple[FieldRequest, ...]:
    """Read ``docvalue_fields`` of a query string: patterns with commas between them."""
    return tuple(FieldRequest(pattern=each.strip()) for each in text.split(",") if each.strip())


def stored_fields_of_body(name: str, value: Any) -> tuple[str, ...]:
    """Read ``stored_fields``: a name or a list of names.

    Raises a 400 failure for ``_none_`` beside other names.
    """
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise parsing_failure(
            f"Expected [VALUE_STRING] or [START_ARRAY] in [{name}] but found [{token_of(value)}]"
        )
    if NO_STORED_FIELDS in names and len(names) > 1:
        raise illegal_argument(f"cannot combine {NO_STORED_FIELDS} with other fields")
    return tuple(names)


def stored_fields_of_parameter(text: str) -> tuple[str, ...]:
    """Read ``stored_fields`` of a query string: names with commas between them."""
    return stored_fields_of_body("stored_fields", [each for each in text.split(",") if each])


def fetch_of_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Answer what a query string says of what is shown of each hit, by key of a body."""
    fetch: dict[str, Any] = {}
    if "docvalue_fields" in parameters:
        fetch["docvalue_fields"] = docvalue_fields_of_parameter(parameters["docvalue_fields"])
    if "stored_fields" in parameters:
        fetch["stored_fields"] = stored_fields_of_parameter(parameters["stored_fields"])
    if "explain" in parameters:
        fetch["explain"] = boolean_parameter(parameters, "explain", default=False)
    return fetch


def joined(of_body: dict[str, Any], of_parameters: dict[str, Any]) -> dict[str, Any]:
    """Answer the members of a ``SearchRequest`` that body and query string set together.

    The query string wins; its ``docvalue_fields`` are added to the body's. Raises a 400 failure for what
    contradicts itself.
    """
    members = of_body | of_parameters
    if "fetch" not in members:
        return members
    before, after = of_body.get("fetch", {}), of_parameters.get("fetch", {})
    fetch = before | after
    if "docvalue_fields" in before and "docvalue_fields" in after:
        fetch["docvalue_fields"] = before["docvalue_fields"] + after["docvalue_fields"]
    stored = fetch.get("stored_fields")
    if stored is not None:
        _apply_stored_fields(stored, fetch, members)
    request = FetchRequest(**fetch)
    members["fetch"] = None if request == _NOTHING else request
    return members


_NOTHING: Final = FetchRequest()


def _apply_stored_fields(stored: tuple[str, ...], fetch: dict[str, Any], members: dict[str, Any]) -> None:
    """Take the source out of the hits unless it is among what is asked for, and the id with ``_none_``."""
    if stored == (NO_STORED_FIELDS,):
        if members.get("source") not in (None, False):
            raise illegal_argument(f"[stored_fields] cannot be disabled if [{SOURCE}] is requested")
        if fetch.get("fields"):
            raise illegal_argument("[stored_fields] cannot be disabled when using the [fields] option")
        fetch["hide_id"] = True
    if SOURCE not in stored:
        members.setdefault("source", False)
    fetch["stored_fields"] = tuple(name for name in stored if name not in (SOURCE, NO_STORED_FIELDS))


def _requests(name: str, value: Any, known: tuple[str, ...]) -> tuple[FieldRequest, ...]:
    listed = value if isinstance(value, list) else [value]
    if len(listed) > _MOST_FIELDS:
        raise illegal_argument(f"[{name}] may list [{_MOST_FIELDS}] fields at most, found [{len(listed)}]")
    return tuple([_request(name, each, known) for each in listed])


def _request(name: str, value: Any, known: tuple[str, ...]) -> FieldRequest:
    if isinstance(value, str):
        return FieldRequest(pattern=value)
    if not isinstance(value, dict):
        raise parsing_failure(f"[{name}] must be text or an object, found {token_of(value)}")
    for key in value:
        if key not in known:
            raise parsing_failure(f"[{name}] unknown field [{key[:200]}]")
    pattern = value.get("field")
    if not isinstance(pattern, str):
        raise illegal_argument(f"Required [field] in an entry of [{name}]")
    written = value.get("format")
    if written is not None and not isinstance(written, str):
        raise parsing_failure(f"[{name}] [format] must be text, found {token_of(written)}")
    return FieldRequest(
        pattern=pattern,
        format=written,
        include_unmapped=boolean("include_unmapped", value.get("include_unmapped", False)),
    )
