"""The field types that the embedded engine knows, as one table.

A type says how its values are stored (which kind of column) and which parameters a mapping
may give. What Elasticsearch has and this engine has not is listed too, so that it is refused
by name instead of being called unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class ColumnKind(Enum):
    """How values are held in the inverted index."""

    TEXT = "text"
    KEYWORD = "keyword"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class FieldType:
    """One leaf type. ``kind`` is the kind of its main column."""

    name: str
    kind: ColumnKind
    parameters: frozenset[str]
    lowest: int | None = None
    highest: int | None = None

    @property
    def is_whole_number(self) -> bool:
        """Tell whether values are whole numbers with a range."""
        return self.lowest is not None


_EVERY: Final = frozenset({"type", "fields", "index", "store", "meta", "copy_to"})
_VALUES: Final = _EVERY | {"doc_values", "null_value"}
_NUMBER: Final = _VALUES | {"coerce", "ignore_malformed"}


#: parameters of a completion field that are always shown, and what they are if not given
COMPLETION_DEFAULTS: Final = {
    "analyzer": "simple",
    "preserve_separators": True,
    "preserve_position_increments": True,
    "max_input_length": 50,
}


def _whole(name: str, bits: int) -> FieldType:
    return FieldType(name, ColumnKind.INTEGER, _NUMBER, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


_TYPES: Final = (
    FieldType(
        "text",
        ColumnKind.TEXT,
        _EVERY
        | {"analyzer", "search_analyzer", "norms", "index_options", "fielddata", "eager_global_ordinals"}
        | {"term_vector"},
    ),
    FieldType("keyword", ColumnKind.KEYWORD, _VALUES | {"ignore_above", "norms", "eager_global_ordinals"}),
    _whole("long", 64),
    _whole("integer", 32),
    _whole("short", 16),
    _whole("byte", 8),
    FieldType("double", ColumnKind.FLOAT, _NUMBER),
    FieldType("float", ColumnKind.FLOAT, _NUMBER),
    FieldType("half_float", ColumnKind.FLOAT, _NUMBER),
    FieldType("scaled_float", ColumnKind.FLOAT, _NUMBER | {"scaling_factor"}),
    FieldType("boolean", ColumnKind.INTEGER, _VALUES | {"ignore_malformed"}),
    FieldType("date", ColumnKind.INTEGER, _VALUES | {"format", "locale", "ignore_malformed"}),
    FieldType("ip", ColumnKind.KEYWORD, _VALUES | {"ignore_malformed"}),
    FieldType(
        "completion",
        ColumnKind.KEYWORD,
        frozenset({"type", "fields", "meta", "analyzer", "search_analyzer", *COMPLETION_DEFAULTS}),
    ),
)

FIELD_TYPES: Final = {each.name: each for each in _TYPES}
"""Every leaf type by name."""

#: types of Elasticsearch that this engine refuses by name
UNSUPPORTED_TYPES: Final = frozenset(
    {
        "aggregate_metric_double",
        "alias",
        "annotated_text",
        "binary",
        "constant_keyword",
        "counted_keyword",
        "date_nanos",
        "date_range",
        "dense_vector",
        "double_range",
        "flattened",
        "float_range",
        "geo_point",
        "geo_shape",
        "histogram",
        "integer_range",
        "ip_range",
        "join",
        "long_range",
        "match_only_text",
        "murmur3",
        "nested",
        "passthrough",
        "percolator",
        "point",
        "rank_feature",
        "rank_features",
        "search_as_you_type",
        "semantic_text",
        "shape",
        "sparse_vector",
        "token_count",
        "unsigned_long",
        "version",
        "wildcard",
    }
)
