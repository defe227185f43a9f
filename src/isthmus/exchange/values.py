"""What every record is made of, and failures as data."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any

JsonObject: TypeAlias = dict[str, Any]

SortValue: TypeAlias = str | int | float | bool | None


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every value here: frozen, compared by value, readable by older peers."""


class FailureReport(Record, frozen=True, kw_only=True):
    """A failure as data: what crosses a border instead of an exception.

    ``kind`` is the name of a :class:`isthmus.errors.FailureKind` member; ``index`` is None
    where a whole cluster failed.
    """

    kind: str
    error_type: str
    reason: str
    fault: str = "here"
    metadata: JsonObject = {}
    caused_by: FailureReport | None = None
    index: str | None = None
