"""How values of a field are shown as text beside their number, as a cluster says it with its answer.

A part has it under ``shown``: the format of a date field, or ``boolean``. Numbers have nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.date_format import DateFormat

SHOWN: Final = "shown"
BOOLEAN: Final = "boolean"


def first_shown(parts: Sequence[JsonObject]) -> str | None:
    """Answer what the first part says that says anything. Raises TypeError for what is no text."""
    shown = next((part[SHOWN] for part in parts if part.get(SHOWN) is not None), None)
    if shown is not None and not isinstance(shown, str):
        raise TypeError("a format is text")
    return shown


def shower(shown: Json, chosen: DateFormat | None) -> Callable[[float], str] | None:
    """Answer how to write a value; None where it is not written. ``chosen`` is the caller's format."""
    if shown == BOOLEAN:
        return lambda value: "true" if value else "false"
    if shown is None:
        return None
    return (chosen or DateFormat.parse(shown)).render
