"""Values of a query as the terms of a field: coerced as when documents are indexed."""

from __future__ import annotations

import ipaddress
from decimal import Decimal, InvalidOperation
from typing import Final

from tantivy import FieldType as LibraryType
from tantivy import Query

from isthmus.engines.embedded.field_types_values import parse_value, sortable_ip
from isthmus.engines.embedded.query.compiled import Compiled, constant, nothing
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.date_math import DateReading, resolve_date
from isthmus.engines.embedded.query.reading import as_text
from isthmus.engines.embedded.query.text_ranges import TextRange, text_range
from isthmus.errors import Failure
from isthmus.exchange import Json

_FLOATING: Final = frozenset({"double", "float", "half_float", "scaled_float"})
#: beyond any double
_MAXIMUM_EXPONENT: Final = 400
LOWEST_INTEGER: Final = -(1 << 63)
HIGHEST_INTEGER: Final = (1 << 63) - 1


def exact_value(field: QueryField, value: Json, context: QueryContext) -> str | int | float | None:
    """Answer the term that stands for a value, or None where no document can have it.

    Raises a 400 for a value that the field's type cannot be given. Not for dates.
    """
    if field.type == "boolean":
        return boolean_value(value, context)
    if field.type in _FLOATING:
        return stored_float(field, value, context)
    whole = field.mapped.field_type
    if whole.is_whole_number:
        number = exact_number(value, context)
        if number != number.to_integral_value():
            return None
        integer = int(number)
        in_range = (whole.lowest or 0) <= integer <= (whole.highest or 0)
        return integer if in_range else None
    if field.type == "ip":
        return sortable_address(as_text(value), context)
    return as_text(value)


def exact_range(field: QueryField, value: Json, context: QueryContext) -> Compiled | None:
    """Answer the clause for a value that stands for a range (a day, a network), else None."""
    if field.type == "date":
        lowest = date_value(value, DateReading(field.mapped.date_format), context)
        highest = date_value(value, DateReading(field.mapped.date_format, round_up=True), context)
        return integer_range(field, lowest, highest, context)
    if field.type == "ip" and isinstance(value, str) and "/" in value:
        first, last = network_bounds(value, context)
        return text_range(context, field.column, TextRange(first, last), is_raw=True)
    return None


def integer_range(field: QueryField, lowest: int, highest: int, context: QueryContext) -> Compiled:
    """Answer the documents with a whole number (or a date) between two, both included."""
    if lowest > highest or lowest > HIGHEST_INTEGER or highest < LOWEST_INTEGER:
        return nothing()
    query = Query.range_query(
        context.schema,
        field.column,
        LibraryType.Integer,
        max(lowest, LOWEST_INTEGER),
        min(highest, HIGHEST_INTEGER),
    )
    return constant(query)


def boolean_value(value: Json, context: QueryContext) -> int:
    """Answer 0 or 1."""
    if value is True or value == "true":
        return 1
    if value is False or value in ("false", ""):
        return 0
    raise context.failed_to_create(
        f"Can't parse boolean value [{as_text(value)[:100]}], expected [true] or [false]"
    )


def exact_number(value: Json, context: QueryContext) -> Decimal:
    """Answer a finite number without loss."""
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        raise context.failed_to_create(f'For input string: "{as_text(value)[:100]}"') from None
    if not number.is_finite() or abs(number.adjusted()) > _MAXIMUM_EXPONENT:
        raise context.failed_to_create(f'For input string: "{as_text(value)[:100]}"')
    return number


def stored_float(field: QueryField, value: Json, context: QueryContext) -> float:
    """Answer a number as the field's type keeps it."""
    number = float(exact_number(value, context))
    try:
        stored = parse_value(field.mapped, number)
    except Failure as failure:
        raise context.failed_to_create(failure.reason) from None
    return number if stored is None else float(stored)


def date_value(value: Json, reading: DateReading, context: QueryContext) -> int:
    """Answer a date in epoch milliseconds; date math is understood."""
    try:
        return resolve_date(as_text(value), reading, context.now_milliseconds)
    except Failure as failure:
        raise context.failed_to_create(failure.reason) from None


def sortable_address(text: str, context: QueryContext) -> str:
    """Answer an IP address as its column keeps it."""
    try:
        return sortable_ip(text)
    except Failure as failure:
        raise context.failed_to_create(failure.reason) from None


def network_bounds(text: str, context: QueryContext) -> tuple[str, str]:
    """Answer the first and the last address of a network such as ``10.0.0.0/8``."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise context.failed_to_create(f"'{text[:100]}' is not an IP string literal.") from None
    return sortable_ip(str(network.network_address)), sortable_ip(str(network.broadcast_address))
