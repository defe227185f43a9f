"""``POST /deployments/_search``: queries over deployments as the API tells them. Pure.

The platform's query language is a part of Elasticsearch's. It is evaluated here on the told documents:
a field is a path of members, through lists; ``.keyword`` at its end changes nothing, as every text is
compared whole except by ``match`` and the query strings, which compare words.
"""

from __future__ import annotations

import base64
import binascii
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.control.failures import invalid_field
from isthmus.exchange import JsonObject
from isthmus.rest.cloud.members import checked_members, optional_members

_DEFAULT_SIZE: Final = 10_000
_MAXIMUM_DEPTH: Final = 20
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_WORD: Final = re.compile(r"\w+")
_MISSING_SORTS_LAST: Final = (2, 0, "")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A parsed body. ``sort`` is pairs of field and "descending"."""

    query: Any
    sort: tuple[tuple[str, bool], ...]
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: this page, how many matched, and where the next page begins."""

    page: tuple[JsonObject, ...]
    matched: int
    cursor: str | None


def parse_search(body: Any) -> SearchRequest:
    """Read the body; raises a 400 failure that names what is not understood."""
    members = optional_members(body, "", ("query", "sort", "from", "size", "cursor"))
    start = _count(members.get("from"), "from", 0)
    cursor = members.get("cursor")
    if cursor not in (None, ""):
        start = _cursor_start(cursor)
    sort = members.get("sort") or []
    if not isinstance(sort, list):
        raise invalid_field("sort", "must be a list")
    query = members.get("query")
    if query is not None:
        _matches(query, {}, "query", 0)  # refuses what is not understood, also where there is no deployment
    return SearchRequest(
        query=query,
        sort=tuple(_parse_sort(each, f"sort[{number}]") for number, each in enumerate(sort)),
        start=start,
        size=_count(members.get("size"), "size", _DEFAULT_SIZE),
    )


def search(request: SearchRequest, documents: Sequence[JsonObject]) -> Found:
    """Answer the documents that match, in the order asked for."""
    matching = [
        document
        for document in documents
        if request.query is None or _matches(request.query, document, "query", 0)
    ]
    for field, is_descending in reversed(request.sort):
        matching.sort(
            key=lambda document, field=field: _sort_key(document, field),  # type: ignore[misc]
            reverse=is_descending,
        )
    end = request.start + request.size
    cursor = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(matching) else None
    return Found(tuple(matching[request.start : end]), len(matching), cursor)


def _matches(query: Any, document: Any, path: str, depth: int) -> bool:
    if not isinstance(query, dict):
        raise invalid_field(path, "must be a query")
    if depth > _MAXIMUM_DEPTH:
        raise invalid_field(path, f"queries nest at most {_MAXIMUM_DEPTH} levels")
    # Go clients write every kind of query, most of them as null.
    kinds = [name for name, value in query.items() if value is not None]
    if len(kinds) != 1:
        raise invalid_field(path, "must hold exactly one kind of query")
    (kind,) = kinds
    evaluate = _QUERIES.get(kind)
    if evaluate is None:
        raise invalid_field(f"{path}.{kind[:100]}", "unknown kind of query")
    return bool(evaluate(query[kind], document, f"{path}.{kind}", depth))


def _match_all(_query: Any, _document: Any, _path: str, _depth: int) -> bool:
    return True


def _match_none(_query: Any, _document: Any, _path: str, _depth: int) -> bool:
    return False


def _bool(query: Any, document: Any, path: str, depth: int) -> bool:
    members = checked_members(query, path, ("must", "filter", "should", "must_not", "minimum_should_match"))
    results = {
        name: [
            _matches(each, document, f"{path}.{name}[{number}]", depth + 1)
            for number, each in enumerate(_clauses(members.get(name), f"{path}.{name}"))
        ]
        for name in ("must", "filter", "should", "must_not")
    }
    is_optional = bool(results["must"] or results["filter"]) or not results["should"]
    least = members.get("minimum_should_match")
    least = _count(least, f"{path}.minimum_should_match", 0 if is_optional else 1)
    return (
        all(results["must"])
        and all(results["filter"])
        and not any(results["must_not"])
        and sum(results["should"]) >= least
    )


def _clauses(clauses: Any, path: str) -> list[Any]:
    if clauses is None:
        return []
    if isinstance(clauses, dict):
        return [clauses]
    if not isinstance(clauses, list):
        raise invalid_field(path, "must be a list of queries")
    return clauses


def _nested(query: Any, document: Any, path: str, depth: int) -> bool:
    """Match within one element of a list at a time: a tag's key and value must be of the same tag."""
    members = checked_members(query, path, ("path", "query", "score_mode"))
    place, inner = members.get("path"), members.get("query")
    if not isinstance(place, str):
        raise invalid_field(f"{path}.path", "must be a text")
    names = place.split(".")
    elements = list(_values(document, names)) or [None]
    results = [_matches(inner, _wrapped(element, names), f"{path}.query", depth + 1) for element in elements]
    return any(results) and elements != [None]


def _wrapped(element: Any, names: Sequence[str]) -> Any:
    for name in reversed(names):
        element = {name: element}
    return element


def _term(query: Any, document: Any, path: str, _depth: int) -> bool:
    field, value = _field_and(query, path, "value", ("value", "boost"))
    return any(_text(each) == _text(value) for each in _field(document, field))


def _prefix(query: Any, document: Any, path: str, _depth: int) -> bool:
    field, value = _field_and(query, path, "value", ("value", "boost"))
    return any(_text(each).startswith(_text(value)) for each in _field(document, field))


def _match(query: Any, document: Any, path: str, _depth: int) -> bool:
    field, value = _field_and(query, path, "query", ("query", "operator"))
    (given,) = query.values()
    combine = str(given.get("operator") or "or").lower() if isinstance(given, dict) else "or"
    if combine not in ("or", "and"):
        raise invalid_field(f"{path}.operator", "must be [or] or [and]")
    words = {word for each in _field(document, field) for word in _words(each)}
    wanted = [word in words for word in _words(value)]
    return bool(wanted) and (any(wanted) if combine == "or" else all(wanted))


def _exists(query: Any, document: Any, path: str, _depth: int) -> bool:
    field = checked_members(query, path, ("field",)).get("field")
    if not isinstance(field, str):
        raise invalid_field(f"{path}.field", "must be a text")
    return any(value not in (None, [], {}) for value in _field(document, field))


def _range(query: Any, document: Any, path: str, _depth: int) -> bool:
    if not isinstance(query, dict) or len(query) != 1:
        raise invalid_field(path, "must name exactly one field")
    ((field, limits),) = query.items()
    members = checked_members(limits, f"{path}.{field[:100]}", ("gt", "gte", "lt", "lte", "boost"))
    given = [
        (compare, _comparable(members[name]))
        for name, compare in _COMPARISONS.items()
        if members.get(name) is not None
    ]
    return any(
        all(
            _comparable(value)[0] == limit[0] and compare(_comparable(value), limit)
            for compare, limit in given
        )
        for value in _field(document, field)
    )


def _query_string(query: Any, document: Any, path: str, _depth: int) -> bool:
    """Match words, each of them anywhere in the document or in the default field; no operators."""
    members = checked_members(query, path, ("query", "default_field", "default_operator"))
    text = members.get("query")
    if not isinstance(text, str):
        raise invalid_field(f"{path}.query", "must be a text")
    if re.search(r'[:*?"()\[\]{}~^+|!/\\]', text):
        raise invalid_field(f"{path}.query", "only words are supported; use the other kinds of queries")
    field = members.get("default_field")
    values = _field(document, field) if isinstance(field, str) else _all_values(document)
    words = {word for value in values for word in _words(value)}
    wanted = [word in words for word in _words(text)]
    needs_all = str(members.get("default_operator") or "or").lower() == "and"
    return bool(wanted) and (all(wanted) if needs_all else any(wanted))


_QUERIES: Final = {
    "match_all": _match_all,
    "match_none": _match_none,
    "bool": _bool,
    "nested": _nested,
    "term": _term,
    "prefix": _prefix,
    "match": _match,
    "exists": _exists,
    "range": _range,
    "query_string": _query_string,
    "simple_query_string": _query_string,
}


def _field_and(query: Any, path: str, member: str, known: tuple[str, ...]) -> tuple[str, Any]:
    """Answer field and value of ``{field: value}`` or ``{field: {member: value}}``."""
    if not isinstance(query, dict) or len(query) != 1:
        raise invalid_field(path, "must name exactly one field")
    ((field, given),) = query.items()
    if isinstance(given, dict):
        given = checked_members(given, f"{path}.{field[:100]}", known).get(member)
    if not isinstance(given, str | int | float):
        raise invalid_field(f"{path}.{field[:100]}", f"must have a {member}")
    return field, given


def _field(document: Any, field: str) -> Iterator[Any]:
    return _values(document, field.removesuffix(".keyword").split("."))


def _values(value: Any, names: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _values(each, names)
    elif not names:
        if value is not None:
            yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _values(value[names[0]], names[1:])


def _all_values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _all_values(each)
    else:
        yield value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words(value: Any) -> list[str]:
    return _WORD.findall(_text(value).lower())


def _comparable(value: Any) -> tuple[int, float, str]:
    """Numbers compare with numbers and texts (moments among them) with texts."""
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, _text(value))


def _sort_key(document: JsonObject, field: str) -> tuple[int, float, str]:
    return min((_comparable(value) for value in _field(document, field)), default=_MISSING_SORTS_LAST)


def _parse_sort(sort: Any, path: str) -> tuple[str, bool]:
    if isinstance(sort, str):
        return sort, False
    if isinstance(sort, dict) and len(sort) == 1:
        ((field, given),) = sort.items()
        order = given.get("order", "asc") if isinstance(given, dict) else given
        if order in ("asc", "desc"):
            return field, order == "desc"
    raise invalid_field(path, "must be a field, or a field with the order [asc] or [desc]")


def _count(value: Any, path: str, default: int) -> int:
    if value is None:
        return default
    if type(value) is not int or value < 0:
        raise invalid_field(path, "must be a whole number that is not negative")
    return value


def _cursor_start(cursor: Any) -> int:
    try:
        start = int(base64.urlsafe_b64decode(str(cursor).encode()).decode())
    except (binascii.Error, ValueError):
        start = -1
    if start < 0:
        raise invalid_field("cursor", "is not one that a search answered")
    return start
