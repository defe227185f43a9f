"""The values of fields as they are shown with a hit: ``fields``, ``docvalue_fields``, ``stored_fields``.

All of them are read from the source, by the very functions that indexing reads with, so that they
are what the columns hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from isthmus.engines.embedded.field_types_dates import format_date
from isthmus.engines.embedded.field_types_values import ColumnValue, ip_from_sortable, parse_value
from isthmus.engines.embedded.mapping import FieldMapping, Mapping
from isthmus.engines.embedded.sorting_numbers import shortest_half, shortest_single
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import FieldRequest, Json, JsonObject
from isthmus.search.aggregations.date_format import DateFormat
from isthmus.search.aggregations.number_format import NumberFormat

#: what every document has beside its fields; not among what ``fields`` can show here
_INTERNAL: Final = frozenset(
    {"_doc_count", "_id", "_index", "_primary_term", "_routing", "_seq_no", "_source", "_tier", "_version"}
)


def leaves_of(document: JsonObject, whole: Collection[str] = ()) -> dict[str, list[Json]]:
    """Answer the values of every leaf of a document by full path, in the order in which they stand.

    Lists are taken apart, objects too but at the paths of ``whole``; nulls are kept.
    """
    found: dict[str, list[Json]] = {}
    waiting: list[tuple[str, Json]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and path not in whole:
            prefix = f"{path}." if path else ""
            waiting.extend([(f"{prefix}{name}", each) for name, each in reversed(value.items())])
        elif isinstance(value, list):
            waiting.extend([(path, each) for each in reversed(value)])
        else:
            found.setdefault(path, []).append(value)
    return found


@lru_cache(maxsize=1_024)
def pattern_test(pattern: str) -> Callable[[str], bool]:
    """Answer the test whether a path matches a pattern in which ``*`` stands for anything."""
    if "*" not in pattern:
        return pattern.__eq__
    first, *middle, last = pattern.split("*")

    def matches(path: str) -> bool:
        at, end = len(first), len(path) - len(last)
        if at > end or not path.startswith(first) or not path.endswith(last):
            return False
        # the first place of each part leaves the most room for those that follow
        for part in middle:
            found = path.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return matches


def mapped_fields(pattern: str, mapping: Mapping, visible: Callable[[str], bool]) -> list[FieldMapping]:
    """Answer the visible leaf fields (multi-fields too) that a path or a pattern names."""
    if "*" not in pattern:
        field = mapping.field(pattern)
        return [field] if field is not None and visible(pattern) else []
    matches = pattern_test(pattern)
    return [field for path, field in mapping.fields.items() if matches(path) and visible(path)]


@dataclass(frozen=True, slots=True)
class Shown:
    """One field to show, and how each of its column values is written."""

    field: FieldMapping
    write: Callable[[ColumnValue], Json]

    def values(self, leaves: dict[str, list[Json]]) -> list[ColumnValue]:
        """Answer what the field holds of a document, in the order given; what it ignores is left out."""
        return list(field_values(self.field, leaves))


def field_values(field: FieldMapping, leaves: dict[str, list[Json]]) -> Iterator[ColumnValue]:
    """Yield the values that a field takes from a document's leaves, as its column holds them."""
    given_values = leaves.get(field.parent or field.path, ())
    if field.type == "completion":
        yield from (value for value in given_values if value is not None)  # objects too, as in the source
        return
    for given in _texts_of_completions(given_values):
        value = field.null_value if given is None else given
        if value is None:
            continue
        try:
            read = parse_value(field, value)
        except Failure:
            continue  # a malformed value that the mapping lets pass
        if read is None:
            continue
        if field.ignore_above is not None and len(str(read)) > field.ignore_above:
            continue
        yield read


def _texts_of_completions(values: Sequence[Json]) -> Iterator[Json]:
    """Yield values, and of the objects of a completion field what its multi-fields are fed with."""
    for value in values:
        if isinstance(value, dict):
            given = value.get("input")
            yield from given if isinstance(given, list) else [given]
        else:
            yield value


def fields_to_show(
    requests: Sequence[FieldRequest], mapping: Mapping, visible: Callable[[str], bool]
) -> list[Shown]:
    """Answer what ``fields`` asks for of one index; the last request for a field counts.

    Raises a 400 failure for a format that a field does not have and for internal fields.
    """
    shown: dict[str, Shown] = {}
    for request in requests:
        if request.pattern in _INTERNAL:
            raise illegal_argument(f"Cannot fetch values for internal field [{request.pattern}].")
        for field in mapped_fields(request.pattern, mapping, visible):
            if request.format is not None and field.type != "date":
                if "*" in request.pattern:
                    continue
                raise illegal_argument(
                    f"Field [{field.path}] of type [{field.type}] doesn't support formats."
                )
            shown[field.path] = Shown(field, _writer(field, request.format))
    return list(shown.values())


def unmapped_values(
    requests: Sequence[FieldRequest],
    mapping: Mapping,
    visible: Callable[[str], bool],
    leaves: dict[str, list[Json]],
) -> dict[str, list[Json]]:
    """Answer the leaves that no field of the mapping holds, for the requests that want them too."""
    tests = [pattern_test(request.pattern) for request in requests if request.include_unmapped]
    return {
        path: present
        for path, values in leaves.items()
        if mapping.field(path) is None
        and visible(path)
        and any(matches(path) for matches in tests)
        and (present := [value for value in values if value is not None])
    }


def doc_values_to_show(
    requests: Sequence[FieldRequest], mapping: Mapping, visible: Callable[[str], bool], most: int
) -> list[Shown]:
    """Answer what ``docvalue_fields`` asks for of one index.

    Raises a 400 failure for a field without such values, a format it does not have, and too many fields.
    """
    shown: dict[str, Shown] = {}
    named: set[str] = set()
    for request in requests:
        by_pattern = "*" in request.pattern
        if not by_pattern:
            named.add(request.pattern)
        for field in mapped_fields(request.pattern, mapping, visible):
            if by_pattern and not field.doc_values:
                continue
            _require_doc_values(field)
            form = None if request.format == "use_field_mapping" else request.format
            shown[field.path] = Shown(field, _doc_value_writer(field, form))
    number = len(named | shown.keys())
    if number > most:
        raise illegal_argument(
            f"Trying to retrieve too many docvalue_fields. Must be less than or equal to: [{most}] but was "
            f"[{number}]. This limit can be set by changing the [index.max_docvalue_fields_search] index "
            "level setting."
        )
    return list(shown.values())


def in_column_order(field: FieldMapping, values: Sequence[ColumnValue]) -> list[ColumnValue]:
    """Answer values as a column gives them: ascending, and those that are text only once."""
    is_text = field.type in ("keyword", "ip")
    return sorted(set(values) if is_text else values)


def stored_to_show(patterns: Sequence[str], mapping: Mapping, visible: Callable[[str], bool]) -> list[Shown]:
    """Answer the fields of ``stored_fields`` that the mapping stores beside the source."""
    return [
        Shown(field, _writer(field, None))
        for pattern in patterns
        for field in mapped_fields(pattern, mapping, visible)
        if field.explicit.get("store")
    ]


def _require_doc_values(field: FieldMapping) -> None:
    if field.type == "text":
        raise illegal_argument(
            f"Fielddata is disabled on [{field.path}]. Text fields are not optimised for operations that "
            "require per-document field data like aggregations and sorting, so these operations are disabled "
            "by default. Please use a keyword field instead."
        )
    if not field.doc_values:
        raise illegal_argument(
            f"Can't load fielddata on [{field.path}] because fielddata is unsupported on fields of type "
            f"[{field.type}]. Use doc values instead."
        )


def _as_it_is(value: ColumnValue) -> Json:
    return value


def _boolean(value: ColumnValue) -> Json:
    return value == 1


def _address(value: ColumnValue) -> Json:
    return ip_from_sortable(str(value))


def _single(value: ColumnValue) -> Json:
    return shortest_single(float(value))


def _half(value: ColumnValue) -> Json:
    return shortest_half(float(value))


def _writer(field: FieldMapping, form: str | None) -> Callable[[ColumnValue], Json]:
    """Answer how ``fields`` shows a value: as it would be written in a source."""
    if field.type == "float":
        return _single
    if field.type == "half_float":
        return _half
    return _doc_value_writer(field, form)


def _doc_value_writer(field: FieldMapping, form: str | None) -> Callable[[ColumnValue], Json]:
    """Answer how a value of a column is shown; raises a 400 failure for a format that is none of its."""
    if field.type == "date":
        return _date_writer(field, form)
    if form is not None:
        if field.type in ("keyword", "ip", "boolean"):
            raise illegal_argument(
                f"Field [{field.path}] of type [{field.type}] does not support custom formats"
            )
        pattern = NumberFormat.parse(form)
        return lambda value: pattern.render(float(value))
    return {"boolean": _boolean, "ip": _address}.get(field.type, _as_it_is)


def _date_writer(field: FieldMapping, form: str | None) -> Callable[[ColumnValue], Json]:
    if form is None:
        return lambda value: format_date(int(value), field.date_format)
    wanted = DateFormat.parse(form)
    return lambda value: wanted.render(int(value))
