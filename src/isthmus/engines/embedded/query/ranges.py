"""The clause ``range``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tantivy import FieldType as LibraryType
from tantivy import Query

from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import Compiled, boosted, constant, nothing
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.date_math import DateReading, read_zone
from isthmus.engines.embedded.query.reading import Parameters, as_text, one_field
from isthmus.engines.embedded.query.sought import SoughtWord
from isthmus.engines.embedded.query.text_ranges import TextRange, text_range
from isthmus.engines.embedded.query.values import (
    HIGHEST_INTEGER,
    LOWEST_INTEGER,
    boolean_value,
    date_value,
    exact_number,
    integer_range,
    sortable_address,
    stored_float,
)
from isthmus.errors import Failure, parsing_failure
from isthmus.exchange import Json

_PARAMETERS: Final = (
    "gt",
    "gte",
    "lt",
    "lte",
    "from",
    "to",
    "include_lower",
    "include_upper",
    "format",
    "time_zone",
    "relation",
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The two ends of a range as they were given; None is open."""

    lower: Json = None
    upper: Json = None
    include_lower: bool = True
    include_upper: bool = True
    date_format: str | None = None
    time_zone: str | None = None


def compile_range(body: Json, context: QueryContext) -> Compiled:
    """Compile ``range``."""
    path, parameters = one_field("range", body, "gte", _PARAMETERS)
    if isinstance(body, dict) and not isinstance(body.get(path), dict):
        raise parsing_failure("[range] query malformed, no start_object after field name")
    relation = parameters.word("relation", "intersects", ("intersects", "contains", "within"))
    if relation == "contains":
        raise parsing_failure("[range] the relation [contains] is not supported")
    bounds = _bounds(parameters)
    field = context.field(path)
    if field is None:
        return nothing()
    if bounds.lower is None and bounds.upper is None:
        return boosted(constant(context.exists(path)), parameters.boost)
    return boosted(range_clause(field, bounds, context), parameters.boost)


def _bounds(parameters: Parameters) -> Bounds:
    lower, include_lower = parameters.get("from"), parameters.flag("include_lower", default=True)
    upper, include_upper = parameters.get("to"), parameters.flag("include_upper", default=True)
    # the last one given wins, as in Elasticsearch
    for name in parameters.names:
        if name in ("gt", "gte"):
            lower, include_lower = parameters.get(name), name == "gte"
        elif name in ("lt", "lte"):
            upper, include_upper = parameters.get(name), name == "lte"
    for bound in (lower, upper):
        if isinstance(bound, (dict, list)):
            raise parsing_failure("[range] query does not support arrays or objects as bounds")
    return Bounds(
        lower, upper, include_lower, include_upper, parameters.text("format"), parameters.text("time_zone")
    )


def range_clause(field: QueryField, bounds: Bounds, context: QueryContext) -> Compiled:
    """Answer the documents with a value within the bounds; a value that cannot be read is a 400."""
    if field.type != "date":
        for name, given in (("formats", bounds.date_format), ("time zones", bounds.time_zone)):
            if given is not None:
                raise context.failed_to_create(
                    f"Field [{field.path}] of type [{field.type}] does not support custom {name}"
                )
    if field.type == "date":
        return _dates(field, bounds, context)
    if field.type == "ip":
        return _texts(field, bounds, context, sortable=True)
    kind = field.mapped.field_type.kind
    if kind in (ColumnKind.TEXT, ColumnKind.KEYWORD):
        return _texts(field, bounds, context, sortable=False)
    if kind is ColumnKind.FLOAT:
        return _floats(field, bounds, context)
    return _integers(field, bounds, context)


def _dates(field: QueryField, bounds: Bounds, context: QueryContext) -> Compiled:
    try:
        zone = read_zone(bounds.time_zone or "UTC")
    except Failure as failure:
        raise context.failed_to_create(failure.reason) from None
    formats = bounds.date_format or field.mapped.date_format
    lowest, highest = LOWEST_INTEGER, HIGHEST_INTEGER
    if bounds.lower is not None:
        # "after the day" means after its end, "from the day on" means from its start
        reading = DateReading(formats, zone, round_up=not bounds.include_lower)
        lowest = date_value(bounds.lower, reading, context) + (0 if bounds.include_lower else 1)
    if bounds.upper is not None:
        reading = DateReading(formats, zone, round_up=bounds.include_upper)
        highest = date_value(bounds.upper, reading, context) - (0 if bounds.include_upper else 1)
    return integer_range(field, lowest, highest, context)


def _integers(field: QueryField, bounds: Bounds, context: QueryContext) -> Compiled:
    lowest, highest = LOWEST_INTEGER, HIGHEST_INTEGER
    if bounds.lower is not None:
        lower = _whole_or_boolean(field, bounds.lower, context)
        lowest = math.ceil(lower) if bounds.include_lower else math.floor(lower) + 1
    if bounds.upper is not None:
        upper = _whole_or_boolean(field, bounds.upper, context)
        highest = math.floor(upper) if bounds.include_upper else math.ceil(upper) - 1
    return integer_range(field, lowest, highest, context)


def _whole_or_boolean(field: QueryField, value: Json, context: QueryContext) -> Decimal:
    if field.type == "boolean":
        return Decimal(boolean_value(value, context))
    number = exact_number(value, context)
    # nothing lies beyond, and a number with a large exponent takes long to round
    return max(min(number, Decimal(HIGHEST_INTEGER + 1)), Decimal(LOWEST_INTEGER - 1))


def _floats(field: QueryField, bounds: Bounds, context: QueryContext) -> Compiled:
    lower = None if bounds.lower is None else stored_float(field, bounds.lower, context)
    upper = None if bounds.upper is None else stored_float(field, bounds.upper, context)
    query = Query.range_query(
        context.schema,
        field.column,
        LibraryType.Float,
        lower,
        upper,
        include_lower=bounds.include_lower or lower is None,
        include_upper=bounds.include_upper or upper is None,
    )
    return constant(query)


def _texts(field: QueryField, bounds: Bounds, context: QueryContext, *, sortable: bool) -> Compiled:
    def read(bound: Json) -> str | None:
        if bound is None:
            return None
        return sortable_address(as_text(bound), context) if sortable else as_text(bound)

    wanted = TextRange(read(bounds.lower), read(bounds.upper), bounds.include_lower, bounds.include_upper)
    if context.sought is not None and not sortable:
        context.seek(field.path, SoughtWord(wanted.holds))
    is_raw = field.mapped.field_type.kind is ColumnKind.KEYWORD
    return text_range(context, field.column, wanted, is_raw=is_raw)
