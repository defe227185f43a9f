"""Terms in the library's terms.

The library cuts its list well for one key of order over texts and whole numbers. Everything else
(orders by sub-aggregations, several keys, fractions) is cut here, from all the values there are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from isthmus.engines.embedded.aggregations.fields import AggregatedField
from isthmus.engines.embedded.aggregations.plans import NATIVE, Plan, Request, request_name
from isthmus.engines.embedded.aggregations.scope import (
    MOST_BUCKETS,
    AmbiguousCutError,
    BucketLimitError,
)
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.order import COUNT, KEY, path_step
from isthmus.search.aggregations.selection import Partition, Selection
from isthmus.search.aggregations.terms import ADDRESS_KEYS, KEY_TYPE, Terms, comparable_keys

#: More than any segment has: every segment hands over all of its values, so that counts are exact.
_WHOLE_SEGMENT: Final = 2**31 - 1
#: How many values are fetched for each that is shown, and how many at least.
_GUESS_FACTOR: Final = 4
_LEAST_GUESS: Final = 1_000
#: Marks a list that was guessed.
GUESSED: Final = "\0guessed"
#: Operators of Lucene's regular expressions that the library's have not.
_LUCENE_ONLY: Final = re.compile(r'(?<!\\)(?:\\\\)*([~&<>@#"])|(\(\?)')
#: Metrics of which a path names one number.
_SEVERAL_NUMBERS: Final = frozenset({"stats", "extended_stats"})
_LITERAL_HERE: Final = re.compile(r"(\\.)|([\^$])", re.DOTALL)


class TermsMode(Enum):
    """How much of a list that the library cannot sort as wished is fetched, to be sorted here.

    GUESS: some more than is shown, in the library's order; ties may show that this was too little.
    ALL: every value, up to the library's limit. FRUGAL: what is shown, where all were too many.
    """

    GUESS = "guess"
    ALL = "all"
    FRUGAL = "frugal"


@dataclass(frozen=True, slots=True)
class TermsReading:
    """How a list of terms is made. ``keep_all``: nothing is cut, because what orders it comes later."""

    keep_all: bool = False
    mode: TermsMode = TermsMode.GUESS


def plan_terms(
    aggregation: Terms, field: AggregatedField, children: Sequence[Node], reading: TermsReading
) -> Plan:
    """Plan a list of terms. ``children`` are the sub-aggregations that the library computes too.

    Where :func:`is_cut_by_library` does not hold the list is whole and in no order: see :func:`cut_terms`.
    """
    cut_here = not is_cut_by_library(aggregation, field, reading)
    guessing = cut_here and _may_guess(aggregation, field, reading)
    whole = cut_here and not guessing
    wanted = max(_GUESS_FACTOR * aggregation.size, _LEAST_GUESS) if guessing else aggregation.size
    members: JsonObject = {
        "field": field.column,
        "size": MOST_BUCKETS if whole else min(wanted, MOST_BUCKETS),
        "segment_size": _WHOLE_SEGMENT,
        "min_doc_count": max(1, aggregation.min_doc_count),
        "order": {COUNT: "desc"} if whole else _order(aggregation, children),
    }
    if aggregation.missing is not None:
        members["missing"] = field.column_value(aggregation.missing)
    selected_here = field.kind is not ColumnKind.KEYWORD
    partition = aggregation.include if isinstance(aggregation.include, Partition) else None
    for member, selection in (("include", aggregation.include), ("exclude", aggregation.exclude)):
        if selection is None or isinstance(selection, Partition):
            continue
        if selected_here or field.type == "ip":
            refuse_expressions(aggregation.kind, selection)
        if not selected_here:
            members[member] = _selection(selection, field)
    kept = _KeptValues(aggregation, field) if selected_here or partition is not None else None

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        answer = answers[0]
        other = int(answer.get("sum_other_doc_count", 0))
        if whole and other:
            # not all values are here, so that no order of them can be right
            raise BucketLimitError
        buckets = [
            {
                **field.key_members(native["key"]),
                "doc_count": native["doc_count"],
                "doc_count_error_upper_bound": 0,
                NATIVE: native,
            }
            for native in answer.get("buckets", ())
            if native["doc_count"] and (kept is None or kept.keeps(native["key"]))
        ]
        marked = {GUESSED: True} if guessing and other else {}
        typed = {KEY_TYPE: ADDRESS_KEYS} if field.type == "ip" else {}
        return {
            **marked,
            **typed,
            "doc_count_error_upper_bound": 0,
            "sum_other_doc_count": other,
            "buckets": buckets,
        }

    return Plan((Request({"terms": members}, takes_children=True),), read)


def refuse_expressions(name: str, *selections: Selection) -> None:
    """Raise a failure for a regular expression over values that are no texts."""
    if any(isinstance(selection, str) for selection in selections):
        raise illegal_argument(
            f"Aggregation [{name}] cannot support regular expression style include/exclude settings as they "
            "can only be applied to string fields. Use an array of values for include/exclude clauses"
        )


def is_cut_by_library(aggregation: Terms, field: AggregatedField, reading: TermsReading) -> bool:
    """Tell whether the library sorts and cuts the list just as Elasticsearch does."""
    numbers = field.kind is not ColumnKind.KEYWORD
    selects_numbers = numbers and (aggregation.include is not None or aggregation.exclude is not None)
    if reading.keep_all or selects_numbers or isinstance(aggregation.include, Partition):
        return False
    if reading.mode is TermsMode.FRUGAL:
        return True
    if field.kind is ColumnKind.FLOAT or len(aggregation.order.keys) > 1:
        return False
    return aggregation.order.keys[0].path in (COUNT, KEY)


def _may_guess(aggregation: Terms, field: AggregatedField, reading: TermsReading) -> bool:
    """Tell whether the library's first values are likely to hold all that is shown."""
    key = aggregation.order.keys[0]
    if reading.keep_all or reading.mode is not TermsMode.GUESS or len(aggregation.order.keys) > 1:
        return False
    selects = aggregation.include is not None or aggregation.exclude is not None
    if key.path == KEY or (selects and field.kind is not ColumnKind.KEYWORD):
        return False
    if isinstance(aggregation.include, Partition):
        return False
    # Elasticsearch takes infinity for the least of nothing, and the library puts nothing last
    return not key.descending or key.path == COUNT


def cut_terms(aggregation: Terms, answer: JsonObject, children: Sequence[Node]) -> JsonObject:
    """Sort and cut a list as Elasticsearch does.

    Raises AmbiguousCutError where the list was guessed and what is not on it may belong there.
    """
    buckets = answer["buckets"]
    ordered = aggregation.order.sorted(buckets, children, comparable_keys(answer.get(KEY_TYPE)))
    if GUESSED in answer:
        _check_guess(aggregation, ordered, children)
    other = sum(bucket["doc_count"] for bucket in ordered[aggregation.size :])
    typed = {KEY_TYPE: answer[KEY_TYPE]} if KEY_TYPE in answer else {}
    return {
        **typed,
        "doc_count_error_upper_bound": answer["doc_count_error_upper_bound"],
        "sum_other_doc_count": answer["sum_other_doc_count"] + other,
        "buckets": ordered[: aggregation.size],
    }


def _check_guess(aggregation: Terms, ordered: Sequence[JsonObject], children: Sequence[Node]) -> None:
    numbers = [aggregation.order.leading_number(bucket, children) for bucket in ordered]
    if not all(map(math.isfinite, numbers)) or numbers[aggregation.size - 1] == numbers[-1]:
        raise AmbiguousCutError


class _KeptValues:
    """The values of a list of terms that ``include`` and ``exclude`` let through."""

    def __init__(self, aggregation: Terms, field: AggregatedField) -> None:
        self._partition = aggregation.include if isinstance(aggregation.include, Partition) else None
        self._included = _values(aggregation.include, field)
        self._excluded = _values(aggregation.exclude, field) or frozenset()
        self._are_addresses = field.type == "ip"

    def keeps(self, key: Any) -> bool:
        if self._included is not None and key not in self._included:
            return False
        if key in self._excluded:
            return False
        if self._partition is None:
            return True
        if self._are_addresses:
            return self._partition.holds_bytes(bytes.fromhex(key))
        return self._partition.holds(key)


def _values(selection: Selection, field: AggregatedField) -> frozenset[Any] | None:
    if not isinstance(selection, tuple):
        return None
    return frozenset(field.column_value(each) for each in selection)


def _selection(selection: str | tuple[Json, ...], field: AggregatedField) -> str | list[Any]:
    if isinstance(selection, str):
        found = _LUCENE_ONLY.search(selection)
        if found is not None:
            operator = found.group(1) or found.group(2)
            raise illegal_argument(
                f"the operator [{operator}] of the regular expression [{selection}] is not supported"
            )
        # an expression always stands for the whole value, so that Lucene has no anchors
        return _LITERAL_HERE.sub(lambda match: match[1] or f"\\{match[2]}", selection)
    return [field.column_value(each) for each in selection]


def _order(aggregation: Terms, children: Sequence[Node]) -> JsonObject:
    key = aggregation.order.keys[0]
    path = key.path
    if path not in (COUNT, KEY):
        node, metric, _ = path_step(path, children)
        name = request_name(children.index(node))
        path = f"{name}.{metric}" if metric and node.aggregation.kind in _SEVERAL_NUMBERS else name
    return {path: "desc" if key.descending else "asc"}
