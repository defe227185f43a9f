"""Which columns of the inverted index hold which field.

Column names are ids (``c0``, ``c1`` …) and not paths: a user's field name may hold anything.
Fields take columns out of a pool that was made with the index, because the library's
schema is fixed once documents are in: a new field costs nothing until the pool is empty, and
then the index is built anew from the store with a pool twice as large.
"""

from __future__ import annotations

from collections.abc import Mapping as ReadOnlyMapping
from dataclasses import dataclass, field, replace
from typing import Final

from isthmus.engines.embedded.field_types import FIELD_TYPES, ColumnKind
from isthmus.engines.embedded.mapping import FieldMapping, Mapping
from isthmus.exchange import JsonObject

SEQUENCE_COLUMN: Final = "_seq"
"""i64, indexed and fast: the sequence number of the operation that wrote the document."""

ID_COLUMN: Final = "_id"
"""Text, raw, indexed and fast: the document's id."""

EXISTS_COLUMN: Final = "_exists"
"""Text, raw, many values: the path of every leaf field (multi-fields too) that has a value here."""

DEFAULT_ANALYZER: Final = "default"
"""The analyzer of text fields that name none, and of text columns that no field has taken yet."""

#: columns made ready for fields that are not mapped yet, by kind: generous, since an unused one
#: costs about 50 bytes a segment (a text column also one byte a document, for its norms)
_SPARE: Final = {
    ColumnKind.TEXT: 8,
    ColumnKind.KEYWORD: 16,
    ColumnKind.INTEGER: 16,
    ColumnKind.FLOAT: 8,
    ColumnKind.DATE: 6,
}


@dataclass(frozen=True, slots=True)
class FieldColumns:
    """The columns of one field. Values of one document are stored in ascending order.

    ``main``: what terms, ranges, ascending sorts and aggregations use.
      text: analysed, with positions and norms, not fast. keyword: raw, fast. Whole numbers: i64.
      Other numbers: f64. boolean: i64 0 or 1. date: i64 epoch milliseconds. ip: raw fast text in
      the sortable form of :func:`isthmus.engines.embedded.field_types_values.sortable_ip`.
    ``date``: for dates, the same values as a date column (fast only, milliseconds) for date_histogram.
      Values outside 1677-09-21 … 2262-04-11 are not in it.
    ``maximum``: None until a document with several different values is seen. Holds, fast and
      indexed, the largest value of the documents that have several; a document with one value has
      none here. A descending sort takes documents with a value here by it, the others by ``main``.
    """

    main: str
    date: str | None = None
    maximum: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the schema."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class MappingColumns:
    """The allocation: path to columns, and what is still free. Immutable; ids are never reused."""

    fields: ReadOnlyMapping[str, FieldColumns] = field(default_factory=dict)
    schema: tuple[Column, ...] = ()
    free: ReadOnlyMapping[ColumnKind, tuple[str, ...]] = field(default_factory=dict)
    #: analyzer of each text column that is in use
    analyzers: ReadOnlyMapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> FieldColumns | None:
        """Answer the columns of a field, or None where it has none (not mapped, or not searchable)."""
        return self.fields.get(path)

    def lacks_maximum(self, path: str) -> bool:
        """Tell whether a field would take a column for the largest of several values."""
        columns = self.fields.get(path)
        return columns is not None and columns.maximum is None

    def to_json(self) -> JsonObject:
        """Answer the form in which an allocation is kept."""
        return {
            "fields": {path: [each.main, each.date, each.maximum] for path, each in self.fields.items()},
            "schema": [[each.name, each.kind.value] for each in self.schema],
            "free": {kind.value: list(names) for kind, names in self.free.items()},
            "analyzers": dict(self.analyzers),
        }


def columns_from_json(json: JsonObject) -> MappingColumns:
    """Read what :meth:`MappingColumns.to_json` wrote."""
    return MappingColumns(
        {path: FieldColumns(*names) for path, names in json["fields"].items()},
        tuple(Column(name, ColumnKind(kind)) for name, kind in json["schema"]),
        {ColumnKind(kind): tuple(names) for kind, names in json["free"].items()},
        dict(json["analyzers"]),
    )


def allocate(
    columns: MappingColumns, mapping: Mapping, many_valued: frozenset[str] = frozenset()
) -> MappingColumns:
    """Answer an allocation in which every searchable field of the mapping has its columns.

    ``many_valued``: paths of fields for which a document with several values was seen. The answer
    is the same object when nothing was missing; its ``schema`` is longer when the pool ran dry.
    """
    allocation = _Allocation(columns)
    for path, each in mapping.fields.items():
        if each.is_searchable:
            allocation.give(path, each, many_valued=path in many_valued)
    return allocation.result()


class _Allocation:
    """One run of :func:`allocate`."""

    def __init__(self, columns: MappingColumns) -> None:
        self._before = columns
        self._fields = dict(columns.fields)
        self._analyzers = dict(columns.analyzers)
        self._free = {kind: list(columns.free.get(kind, ())) for kind in ColumnKind}
        self._schema = list(columns.schema)
        self._minted: set[ColumnKind] = set()
        self._changed = not columns.schema

    def give(self, path: str, mapped: FieldMapping, *, many_valued: bool) -> None:
        kind = FIELD_TYPES[mapped.type].kind
        current = self._fields.get(path)
        if current is None:
            date = self._take(ColumnKind.DATE) if mapped.type == "date" else None
            current = FieldColumns(self._take(kind), date)
            self._fields[path] = current
            if kind is ColumnKind.TEXT:
                self._analyzers[current.main] = mapped.analyzer
        if many_valued and current.maximum is None and kind is not ColumnKind.TEXT:
            self._fields[path] = replace(current, maximum=self._take(kind))

    def _take(self, kind: ColumnKind) -> str:
        self._changed = True
        if self._free[kind]:
            return self._free[kind].pop(0)
        self._minted.add(kind)
        return self._mint(kind)

    def _mint(self, kind: ColumnKind) -> str:
        name = f"c{len(self._schema)}"
        self._schema.append(Column(name, kind))
        return name

    def result(self) -> MappingColumns:
        if not self._changed:
            return self._before
        kinds = self._minted if self._before.schema else set(ColumnKind)
        for kind in ColumnKind:
            if kind in kinds:
                in_use = sum(each.kind is kind for each in self._schema) - len(self._free[kind])
                for _ in range(max(_SPARE[kind], in_use)):
                    self._free[kind].append(self._mint(kind))
        return MappingColumns(
            self._fields,
            tuple(self._schema),
            {kind: tuple(names) for kind, names in self._free.items()},
            self._analyzers,
        )
