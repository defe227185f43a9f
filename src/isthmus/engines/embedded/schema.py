"""The search library's own files: making, opening and checking one index directory.

The library's bindings cannot ask for a keyword without norms or for dates to the millisecond, but
its ``meta.json`` can say so. The file of an index that is still empty is therefore amended before
the index is opened; ``tests/unit/engines/test_embedded_index.py`` proves that it took.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import tantivy

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import (
    DEFAULT_ANALYZER,
    EXISTS_COLUMN,
    ID_COLUMN,
    SEQUENCE_COLUMN,
    MappingColumns,
)
from isthmus.engines.embedded.document import ParsedDocument
from isthmus.engines.embedded.field_types import ColumnKind

#: the tokenizer of columns that hold terms as they are
_RAW: Final = "raw"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: the library keeps nanoseconds in 64 bits: 1677-09-21 … 2262-04-11
_DATE_LIMIT_MILLISECONDS: Final = (1 << 63) // 1_000_000 - 1


def create_search_directory(path: Path, columns: MappingColumns) -> None:
    """Make an empty index directory with these columns; its parent exists, it does not."""
    path.mkdir()
    tantivy.Index(_schema(columns), path=str(path), reuse=False)
    meta_path = path / "meta.json"
    meta = orjson.loads(meta_path.read_bytes())
    kinds = {each.name: each.kind for each in columns.schema}
    for entry in meta["schema"]:
        kind = kinds.get(entry["name"], ColumnKind.KEYWORD)
        if kind is ColumnKind.DATE:
            entry["options"]["precision"] = "milliseconds"
        elif entry["type"] == "text" and kind is ColumnKind.KEYWORD:
            entry["options"]["indexing"]["fieldnorms"] = False
    meta_path.write_bytes(orjson.dumps(meta))


def open_search_directory(path: Path, columns: MappingColumns, analyzers: Analyzers) -> tantivy.Index:
    """Open an index directory and give its text columns their analyzers.

    Raises ValueError or OSError where the directory cannot be used or lacks one of the columns.
    """
    present = {entry["name"] for entry in orjson.loads((path / "meta.json").read_bytes())["schema"]}
    missing = {each.name for each in columns.schema} - present
    if missing:
        raise ValueError(f"columns missing: {sorted(missing)}")
    index = tantivy.Index.open(str(path))
    register_analyzers(index, columns, analyzers)
    return index


def register_analyzers(index: tantivy.Index, columns: MappingColumns, analyzers: Analyzers) -> None:
    """Give every text column its analyzer; one that is not in use yet gets the default."""
    for each in columns.schema:
        if each.kind is ColumnKind.TEXT:
            name = columns.analyzers.get(each.name, DEFAULT_ANALYZER)
            index.register_tokenizer(each.name, analyzers.get(name))


def column_values(
    document_id: str, sequence_number: int, parsed: ParsedDocument, columns: MappingColumns
) -> dict[str, Any]:
    """Answer one document as the library takes it: column name to list of values."""
    values: dict[str, Any] = {SEQUENCE_COLUMN: [sequence_number], ID_COLUMN: [document_id]}
    exists = []
    fields = columns.fields
    for path, held in parsed.values.items():
        where = fields.get(path)
        if where is None:
            continue
        exists.append(path)
        values[where.main] = held
        if where.date is not None:
            dates = [_as_datetime(each) for each in held if abs(int(each)) <= _DATE_LIMIT_MILLISECONDS]
            if dates:
                values[where.date] = dates
        if where.maximum is not None and held[0] != held[-1]:
            values[where.maximum] = [held[-1]]
    if exists:
        values[EXISTS_COLUMN] = exists
    return values


def _schema(columns: MappingColumns) -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(SEQUENCE_COLUMN, indexed=True, fast=True)
    builder.add_text_field(ID_COLUMN, tokenizer_name=_RAW, fast=True, index_option="basic")
    builder.add_text_field(EXISTS_COLUMN, tokenizer_name=_RAW, index_option="basic")
    for each in columns.schema:
        if each.kind is ColumnKind.TEXT:
            builder.add_text_field(each.name, tokenizer_name=each.name, index_option="position")
        elif each.kind is ColumnKind.KEYWORD:
            builder.add_text_field(each.name, tokenizer_name=_RAW, fast=True, index_option="basic")
        elif each.kind is ColumnKind.INTEGER:
            builder.add_integer_field(each.name, indexed=True, fast=True)
        elif each.kind is ColumnKind.FLOAT:
            builder.add_float_field(each.name, indexed=True, fast=True)
        else:
            builder.add_date_field(each.name, fast=True)
    return builder.build()


def _as_datetime(milliseconds: Any) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
