"""The tables of ``_cat``: columns, rows, and how they are laid out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.names import wildcard_matches
from isthmus.rest.http import Response, boolean_parameter, json_response

#: accepted without an effect: no table here has a column that ``time`` changes, and one node answers
WITHOUT_EFFECT: Final = ("local", "master_timeout", "time")
#: query parameters of every table
TABLE_PARAMETERS: Final = ("v", "h", "s", "help", "bytes", *WITHOUT_EFFECT)
_PLAIN_TEXT: Final = "text/plain; charset=UTF-8"
_BYTE_UNITS: Final = ("b", "kb", "mb", "gb", "tb", "pb")
_KIBI: Final = 1024


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, the other names it goes by, what it holds, and whether it is shown unasked."""

    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    shown: bool = True
    right: bool = False
    is_size: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, and rows of values by column name; a size is a number of bytes."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...] = ()


def size_text(size_bytes: int) -> str:
    """Answer a size as Elasticsearch writes it: ``208b``, ``1.2kb``, ``5mb``."""
    value = float(size_bytes)
    unit = _BYTE_UNITS[0]
    for larger in _BYTE_UNITS[1:]:
        if value < _KIBI:
            break
        value /= _KIBI
        unit = larger
    cut = int(value * 10) / 10  # as Elasticsearch: cut, not rounded
    return f"{int(cut)}{unit}" if cut == int(cut) else f"{cut}{unit}"


def rendered(table: Table, parameters: Mapping[str, str], accept: str = "") -> Response:
    """Answer the table in the form asked for; raises a 400 failure for what cannot be done."""
    if boolean_parameter(parameters, "help", default=False):
        return Response(body=_help_text(table).encode(), content_type=_PLAIN_TEXT)
    columns = _chosen_columns(table, parameters.get("h"))
    rows = _sorted_rows(table, parameters.get("s"))
    unit = parameters.get("bytes")
    if unit is not None and unit not in _BYTE_UNITS:
        raise illegal_argument(f"unknown unit [{unit[:50]}] in [bytes], known are [{', '.join(_BYTE_UNITS)}]")
    cells = [[_cell(column, row[column.name], unit) for _, column in columns] for row in rows]
    titles = [title for title, _ in columns]
    if _wants_json(parameters, accept):
        return json_response([dict(zip(titles, row, strict=True)) for row in cells])
    lines = [[cell or "" for cell in row] for row in cells]
    if boolean_parameter(parameters, "v", default=False):
        lines.insert(0, titles)
    text = _laid_out(lines, [column.right for _, column in columns])
    return Response(body=text.encode(), content_type=_PLAIN_TEXT)


def _wants_json(parameters: Mapping[str, str], accept: str) -> bool:
    wanted = parameters.get("format")
    if wanted is None:
        essence = accept.split(";", maxsplit=1)[0].strip()
        if essence in {"application/yaml", "application/cbor", "application/smile"}:
            raise _not_offered(essence)
        return essence in {"application/json", "application/vnd.elasticsearch+json"}
    if wanted in {"text", "txt"}:
        return False
    if wanted == "json":
        return True
    raise _not_offered(wanted)


def _not_offered(form: str) -> Failure:
    return Failure(
        FailureKind.NOT_ACCEPTABLE,
        "media_type_header_exception",
        f"answers in format [{form[:100]}] are not supported, only in [text, json]",
    )


def _help_text(table: Table) -> str:
    lines = [[column.name, ",".join(column.aliases) or "-", column.description] for column in table.columns]
    widths = [max(len(line[position]) for line in lines) for position in range(3)]
    return "".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + "\n"
        for line in lines
    )


def _chosen_columns(table: Table, text: str | None) -> list[tuple[str, Column]]:
    """Answer title and column of what is shown; a column asked for by another name is titled so."""
    if not text:
        return [(column.name, column) for column in table.columns if column.shown]
    chosen: list[tuple[str, Column]] = []
    for wanted in text.split(","):
        if "*" in wanted:
            chosen += [(one.name, one) for one in table.columns if wildcard_matches(wanted, one.name)]
        elif wanted:
            chosen.append((wanted, _column(table, wanted, "unknown column [{}], known are [{}]")))
    return chosen


def _column(table: Table, name: str, complaint: str) -> Column:
    for column in table.columns:
        if name == column.name or name in column.aliases:
            return column
    known = ", ".join(column.name for column in table.columns)
    raise illegal_argument(complaint.format(name[:100], known))


def _sorted_rows(table: Table, text: str | None) -> Sequence[Mapping[str, Any]]:
    rows = list(table.rows)
    # The last key first: sorting is stable, so the first key decides.
    for part in reversed((text or "").split(",")):
        if not part:
            continue
        name, _, order = part.partition(":")
        if order not in {"", "asc", "desc"}:
            raise illegal_argument(f"unknown order [{order[:50]}] in [s], known are [asc, desc]")
        column = _column(table, name, "Unable to sort by unknown sort key `{}`, known are [{}]")
        rows.sort(key=lambda row: _sort_key(row[column.name]), reverse=order == "desc")
    return rows


def _sort_key(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return 2, 0.0, str(value)


def _cell(column: Column, value: Any, unit: str | None) -> str | None:
    if value is None:
        return None
    if not column.is_size:
        return str(value)
    if unit is None:
        return size_text(value)
    return str(value // _KIBI ** _BYTE_UNITS.index(unit))


def _laid_out(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    if not lines or not right:
        return ""
    widths = [max(len(line[position]) for line in lines) for position in range(len(right))]
    last = len(right) - 1
    text = []
    for line in lines:
        cells = []
        for position, cell in enumerate(line):
            if right[position]:
                cells.append(cell.rjust(widths[position]))
            else:
                cells.append(cell if position == last else cell.ljust(widths[position]))
        text.append(" ".join(cells) + "\n")
    return "".join(text)
