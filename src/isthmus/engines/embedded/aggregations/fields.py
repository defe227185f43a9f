"""A field as aggregations see it: where its values are, and how they are read and shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import tantivy
from tantivy import FieldType, Query

from isthmus.engines.embedded.columns import ID_COLUMN, SEQUENCE_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.field_types_values import ip_from_sortable, sortable_ip
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.shown import ValueFormat
from isthmus.search.aggregations.time_zone import UTC, TimeZone

#: Which kinds of columns an aggregation can read; all others read every field that is not text.
_NUMBERS_ONLY: Final = frozenset(
    {
        "auto_date_histogram",
        "boxplot",
        "date_histogram",
        "date_range",
        "extended_stats",
        "histogram",
        "max",
        "median_absolute_deviation",
        "min",
        "percentile_ranks",
        "percentiles",
        "range",
        "stats",
        "sum",
        "weighted_avg",
    }
)
_TEXTS_ONLY: Final = frozenset({"string_stats"})
#: Fields of the document itself that can be counted: every document has exactly one value.
_METADATA_COLUMNS: Final = {"_id": ID_COLUMN, "_index": SEQUENCE_COLUMN, "_seq_no": SEQUENCE_COLUMN}

#: Every field of Elasticsearch that is about a document and not in it.
_METADATA_FIELDS: Final = frozenset(
    {
        "_doc_count",
        "_field_names",
        "_id",
        "_ignored",
        "_index",
        "_nested_path",
        "_primary_term",
        "_routing",
        "_seq_no",
        "_source",
        "_tier",
        "_version",
    }
)
INDEX_FIELD: Final = "_index"

_LEAST_LONG: Final = -(1 << 63)
_MOST_LONG: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class AggregatedField:
    """A field whose values can be aggregated."""

    mapped: FieldMapping
    column: str

    @property
    def path(self) -> str:
        """Answer the full path."""
        return self.mapped.path

    @property
    def type(self) -> str:
        """Answer the name of the type."""
        return self.mapped.type

    @property
    def kind(self) -> ColumnKind:
        """Answer how the values are held."""
        return self.mapped.field_type.kind

    @property
    def is_date(self) -> bool:
        """Tell whether values are epoch milliseconds."""
        return self.type == "date"

    @property
    def format(self) -> DateFormat:
        """Answer how dates of this field are shown."""
        try:
            return DateFormat.parse(self.mapped.date_format)
        except Failure:
            # a format that can be read and not written: what Elasticsearch calls a date without one
            return DEFAULT_DATE_FORMAT

    def date_format(self, chosen: ValueFormat | None) -> DateFormat:
        """Answer how dates are shown; raises ``illegal_argument_exception`` for a pattern of numbers."""
        if isinstance(chosen, NumberFormat):
            raise illegal_argument(f"Invalid format: [{chosen.text}] of the date field [{self.path}]")
        return chosen or self.format

    def key_members(self, key: Any) -> JsonObject:
        """Answer the members of a bucket that show a value of the column."""
        if self.type == "ip":
            return {"key": ip_from_sortable(key)}
        if self.type == "boolean":
            return {"key": int(key), "key_as_string": "true" if key else "false"}
        if self.is_date:
            return {"key": int(key), "key_as_string": self.format.render(int(key))}
        return {"key": float(key) if self.kind is ColumnKind.FLOAT else key}

    def strings(self, values: JsonObject, chosen: ValueFormat | None) -> JsonObject:
        """Answer ``…_as_string`` for each value that Elasticsearch shows as text too.

        Numbers are written where all clusters' are put together.
        """
        if self.is_date:
            shown = self.date_format(chosen)
            return {f"{name}_as_string": shown.render(each) for name, each in values.items()}
        if self.type == "boolean":
            return {f"{name}_as_string": "true" if each else "false" for name, each in values.items()}
        return {}

    def column_value(self, value: Json, zone: TimeZone = UTC) -> Any:
        """Read a value that a request gives (a key, or what stands for a missing one) as the column holds it.

        Raises an ``illegal_argument_exception`` failure for what this field cannot hold.
        """
        if self.type == "ip":
            return sortable_ip(str(value))
        if self.kind is ColumnKind.KEYWORD:
            return value if isinstance(value, str) else _text(value)
        if self.is_date and isinstance(value, str):
            return self.format.read(value, zone)
        if self.type == "boolean" and value in ("true", "false", ""):
            return int(value == "true")
        number = _finite(value)
        if self.kind is ColumnKind.FLOAT:
            return number
        return min(max(_whole(value, number), _LEAST_LONG), _MOST_LONG)

    def term_query(self, schema: tantivy.Schema, value: Any) -> Query:
        """Answer the query for documents with this value of the column."""
        if self.kind is ColumnKind.FLOAT:
            return Query.range_query(schema, self.column, FieldType.Float, value, value)
        return Query.term_query(schema, self.column, value, index_option="basic")

    def range_query(self, schema: tantivy.Schema, least: float | None, most: float | None) -> Query:
        """Answer the query for documents with a value from ``least`` up to but without ``most``."""
        low, high, kind = least, most, FieldType.Float
        if self.kind is not ColumnKind.FLOAT:
            low, high = whole_limits(least, most)
            kind = FieldType.Integer
        if low is None and high is None:
            return Query.exists_query(self.column)
        if low is not None and high is not None and low >= high:
            return Query.empty_query()
        return Query.range_query(schema, self.column, kind, low, high, include_upper=high is None)


def whole_limits(least: float | None, most: float | None) -> tuple[int | None, int | None]:
    """Answer the limits between whole numbers that hold the same ones; a limit beyond all is open."""
    low = None if least is None or least <= _LEAST_LONG else math.ceil(least)
    high = None if most is None or most > _MOST_LONG else math.ceil(most)
    if low is not None and low > _MOST_LONG:
        return 0, 0
    if high is not None and high <= _LEAST_LONG:
        return 0, 0
    return low, high


def find_field(context: QueryContext, path: str, aggregation: str) -> AggregatedField | None:
    """Answer the field, or None where it is not mapped or not visible.

    Raises an ``illegal_argument_exception`` failure for a field that this aggregation cannot read.
    """
    mapped = context.mapping.field(path)
    if mapped is None and path in _METADATA_FIELDS:
        raise _unreadable_metadata(path, aggregation)
    if mapped is None or not context.is_visible(path):
        return None
    if mapped.type == "text":
        raise illegal_argument(
            f"Fielddata is disabled on [{path}] in [{context.index_name}]. Text fields are not optimised for "
            "operations that require per-document field data like aggregations and sorting, so these "
            "operations are disabled by default. Please use a keyword field instead. Alternatively, set "
            f"fielddata=true on [{path}] in order to load field data by uninverting the inverted index. Note "
            "that this can use significant memory."
        )
    columns = context.columns.get(path)
    if columns is None or not mapped.doc_values:
        raise illegal_argument(
            f"Can't load fielddata on [{path}] because fielddata is unsupported on fields of type "
            f"[{mapped.type}]. Use doc values instead."
        )
    field = AggregatedField(mapped, columns.main)
    is_text = field.kind is ColumnKind.KEYWORD
    if aggregation in (_NUMBERS_ONLY if is_text else _TEXTS_ONLY):
        raise illegal_argument(
            f"Field [{path}] of type [{mapped.type}] is not supported for aggregation [{aggregation}]"
        )
    return field


def _unreadable_metadata(path: str, aggregation: str) -> Failure:
    if path == "_id":
        return illegal_argument(
            "Fielddata access on the _id field is disallowed, you can re-enable it by updating the dynamic "
            "cluster setting: indices.id_field_data.enabled"
        )
    return illegal_argument(f"Field [{path}] is not supported for aggregation [{aggregation}]")


def metadata_column(path: str) -> str | None:
    """Answer the column of a field of the document itself (``_id`` and the like), or None."""
    return _METADATA_COLUMNS.get(path)


def _whole(value: Json, number: float) -> int:
    try:
        # a long may have more digits than a double holds
        return int(value)
    except ValueError:
        return int(number)


def _finite(value: Json) -> float:
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise illegal_argument(f'For input string: "{value}"')
    return number


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
