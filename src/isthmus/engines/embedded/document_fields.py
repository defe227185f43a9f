"""The values of one field, from JSON into what its columns hold. Made once a field, used a document."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from isthmus.engines.embedded.field_types_values import ColumnValue, reader_of
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Json

Refuse: TypeAlias = Callable[[FieldMapping, Json, Failure], Exception]
"""Makes the failure of a document out of that of one value."""

#: Lucene's limit for one term, in bytes of UTF-8
_TERM_BYTES_LIMIT: Final = 32_766
#: a keyword of so many characters fits whatever they are: four bytes at most for one
_CERTAINLY_FITS: Final = _TERM_BYTES_LIMIT // 4


class FieldReader:
    """Reads the values of one field and of its multi-fields."""

    __slots__ = ("_null_value", "_path", "_read", "_searchable", "_short", "_string", "_subfields", "field")

    def __init__(self, field: FieldMapping, subfields: tuple[FieldReader, ...] = ()) -> None:
        # what a field's properties say is worked out here: this is the innermost loop of writing
        self.field = field
        self._path = field.path
        self._read = reader_of(field)
        self._searchable = field.is_searchable
        self._string = field.type in {"keyword", "text"}
        self._null_value = field.null_value
        self._short = _certain_length(field)
        self._subfields = subfields

    def read(self, value: Json, values: dict[str, list[ColumnValue]], refuse: Refuse) -> None:
        """Add what a JSON value (a list of them, too) holds to ``values``, by path of each field."""
        if type(value) is not list:
            self._read_one(value, values, refuse)
            for subfield in self._subfields:
                subfield._read_one(value, values, refuse)  # noqa: SLF001 - of the same class
            return
        for each in flat(value):
            self._read_one(each, values, refuse)
            for subfield in self._subfields:
                subfield._read_one(each, values, refuse)  # noqa: SLF001 - of the same class

    def _read_one(self, value: Json, values: dict[str, list[ColumnValue]], refuse: Refuse) -> None:
        read: ColumnValue | None
        if self._string and type(value) is str and len(value) <= self._short:
            read = value
        else:
            read = self._read_carefully(value, refuse)
        if read is None or not self._searchable:
            return
        held = values.get(self._path)
        if held is None:
            values[self._path] = [read]
        else:
            held.append(read)

    def _read_carefully(self, value: Json, refuse: Refuse) -> ColumnValue | None:
        if value is None:
            value = self._null_value
            if value is None:
                return None
        field = self.field
        try:
            read = self._read(field, value)
            if field.type == "keyword" and _is_ignored(field, str(read)):
                return None
        except Failure as cause:
            if field.ignore_malformed and not isinstance(value, dict):
                return None
            raise refuse(field, value, cause) from cause
        return read


def flat(value: Json) -> Iterator[Json]:
    """Yield the values of lists in lists, however deep, without recursion; a lone value as it is."""
    if type(value) is not list:
        yield value
        return
    waiting = [iter(value)]
    while waiting:
        for each in waiting[-1]:
            if type(each) is list:
                waiting.append(iter(each))
                break
            yield each
        else:
            waiting.pop()


def _certain_length(field: FieldMapping) -> int:
    """Answer up to how many characters a text is taken as it is, without another look."""
    if field.type == "text":
        return sys.maxsize
    limit = field.ignore_above
    return _CERTAINLY_FITS if limit is None else min(limit, _CERTAINLY_FITS)


def _is_ignored(field: FieldMapping, text: str) -> bool:
    limit = field.ignore_above
    if limit is not None and len(text) > limit:
        return True
    if field.is_searchable and len(text.encode()) > _TERM_BYTES_LIMIT:
        raise illegal_argument(
            f'Document contains at least one immense term in field="{field.path}" (whose UTF8 encoding '
            f"is longer than the max length {_TERM_BYTES_LIMIT})"
        )
    return False
