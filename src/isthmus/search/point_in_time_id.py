"""What the id of a point in time holds: the views that clusters have of it. Pure.

This node keeps nothing of a point in time that is only about other clusters. Ids are no secret and prove
nothing: a view is found by its id together with who asks.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import msgspec

from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import SortValue
from isthmus.names import group_by_cluster, parse_cluster_alias

FORM: Final = 1
#: far beyond the id of any point in time that there can be
_LONGEST_ID: Final = 1_000_000


class HeldPart(msgspec.Struct, frozen=True, array_like=True):
    """One cluster's part: its alias ("" for this one), its view, how many indices, and what was asked for."""

    alias: str
    view: str
    indices: int
    expressions: tuple[str, ...]


class PointInTime(msgspec.Struct, frozen=True, array_like=True):
    """What an id stands for. The parts are in the order in which equal hits are answered."""

    form: int
    parts: tuple[HeldPart, ...]

    @property
    def expressions(self) -> tuple[str, ...]:
        """What was asked for, as one list of expressions again."""
        return tuple(
            f"{part.alias}:{expression}" if part.alias else expression
            for part in self.parts
            for expression in part.expressions or ("*",)
        )


_DECODER: Final = msgspec.msgpack.Decoder(PointInTime)


def encoded(point: PointInTime) -> str:
    """Answer the id."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(point)).decode().rstrip("=")


def decoded(text: str) -> PointInTime:
    """Read an id; raises a 400 failure for a text that is none."""
    try:
        if len(text) > _LONGEST_ID:
            raise ValueError("too long")  # noqa: TRY301 - one answer for all that is wrong
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        point = _DECODER.decode(packed)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise illegal_argument(f"invalid id: [{text[:200]}]") from None
    if point.form != FORM or not _is_consistent(point):
        raise illegal_argument(f"invalid id: [{text[:200]}]")
    return point


def _is_consistent(point: PointInTime) -> bool:
    """Tell whether the expressions name just the clusters of the parts: anybody can write an id."""
    parts = {part.alias or None: part.expressions or ("*",) for part in point.parts}
    if not parts or len(parts) < len(point.parts):
        return False
    try:
        groups = group_by_cluster(point.expressions, [parse_cluster_alias(alias) for alias in parts if alias])
    except Failure:
        return False
    return groups == parts


@dataclass(frozen=True, slots=True)
class HeldSearch:
    """That a search is of a point in time, and for how much longer that is to be kept (None: no longer).

    ``seen`` collects the sort values of all hits as they were before dates were formatted, by
    ``_shard_doc``; None collects nothing. ``in_batches``: as the pages of a scroll, which have messages of
    their own.
    """

    point: PointInTime
    keep_alive_milliseconds: int | None = None
    seen: dict[SortValue, tuple[SortValue, ...]] | None = None
    in_batches: bool = False
