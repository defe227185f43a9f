"""How values of a field are shown as text beside their number.

A format of a request is one of dates or one of numbers. Without one a cluster says it with its answer,
under ``shown``: the format of a date field, or ``boolean``. Numbers have nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.date_format import DateFormat
from isthmus.search.aggregations.number_format import NumberFormat

ValueFormat: TypeAlias = DateFormat | NumberFormat

SHOWN: Final = "shown"
BOOLEAN: Final = "boolean"


#: What patterns of numbers have and patterns of dates have not.
_DIGITS: Final = frozenset("#0")


def parse_format(text: str) -> ValueFormat:
    """Read a request's ``format``. Raises an ``illegal_argument_exception`` failure for what is none."""
    return DateFormat.parse(text) if _DIGITS.isdisjoint(text) else NumberFormat.parse(text)


def first_shown(parts: Sequence[JsonObject]) -> str | None:
    """Answer what the first part says that says anything. Raises TypeError for what is no text."""
    shown = next((part[SHOWN] for part in parts if part.get(SHOWN) is not None), None)
    if shown is not None and not isinstance(shown, str):
        raise TypeError("a format is text")
    return shown


def shower(shown: Json, chosen: ValueFormat | None) -> Callable[[float], str] | None:
    """Answer how to write a value; None where it is not written. ``chosen`` is the caller's format."""
    if isinstance(chosen, NumberFormat):
        return chosen.render
    if shown == BOOLEAN:
        return lambda value: "true" if value else "false"
    if shown is None:
        return None
    return (chosen or DateFormat.parse(shown)).render
