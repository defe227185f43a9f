"""Date math in index names: ``<logs-{now/d{yyyy.MM.dd|+02:00}}>``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from isthmus.errors import Failure, FailureKind, illegal_argument

_DEFAULT_FORMAT: Final = "yyyy.MM.dd"
_MONTHS_A_YEAR: Final = 12
_OPERATION: Final = re.compile(r"(?P<operator>[-+/])(?P<amount>[0-9]{0,9})(?P<unit>[a-zA-Z]?)")
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?(?P<sign>[-+])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?\Z")
_TOKEN: Final = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([a-zA-Z])\3*)|(?P<literal>[^a-zA-Z'])")
_STEPS: Final = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "H": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def is_date_math(expression: str) -> bool:
    """Say whether the text is a date math expression rather than a name."""
    return expression.startswith("<") and expression.endswith(">") and expression != "<"


def resolve_date_math(expression: str, now_milliseconds: int | None = None) -> str:
    """Answer the name that an expression stands for now (None: by the system's clock).

    A text that is not date math is answered as it is. Raises a 400 failure, worded as
    Elasticsearch does, for an expression that is not well formed.
    """
    if not is_date_math(expression):
        return expression
    if now_milliseconds is None:
        now = datetime.now(UTC)
    else:
        now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_milliseconds)
    name = "".join(
        _place_holder_value(expression, text, now) if is_place_holder else text
        for is_place_holder, text in _pieces(expression)
    )
    if not name:
        raise _malformed(expression, "nothing captured")
    return name


def _pieces(expression: str) -> list[tuple[bool, str]]:
    """Split into literal text (False) and what stands between braces (True)."""
    pieces: list[tuple[bool, str]] = []
    current: list[str] = []
    depth = 0
    escaped = False  # by a backslash before it
    for position, character in enumerate(expression[1:-1], start=1):
        if character == "\\" and not escaped:
            escaped = True
            continue
        if character not in "{}" or escaped:
            current.append(character)
        elif depth == 0 and character == "}":
            raise _malformed(
                expression,
                f"invalid character at position [{position}]. `{{` and `}}` are reserved characters and "
                "should be escaped when used as part of the index name using `\\` (e.g. `\\{text\\}`)",
            )
        elif depth == 2 and character == "{":  # noqa: PLR2004 - a format cannot hold a third brace
            raise _malformed(expression, f"invalid character in placeholder at position [{position}]")
        else:
            before = depth
            depth += 1 if character == "{" else -1
            if before == 0 or depth == 0:
                pieces.append((before == 1, "".join(current)))
                current = []
            else:
                current.append(character)
        escaped = False
    if depth:
        raise _malformed(expression, "date math placeholder is open ended")
    return [*pieces, (False, "".join(current))]


def _place_holder_value(expression: str, place_holder: str, now: datetime) -> str:
    math, brace, rest = place_holder.partition("{")
    pattern, zone = _DEFAULT_FORMAT, ""
    if brace:
        if not rest.endswith("}"):
            raise _malformed(expression, "missing closing `}` for date math format")
        pattern, _, zone = rest[:-1].partition("|")
        if not pattern:
            raise _malformed(expression, "missing date format")
    try:
        moment = _calculate(math, now.astimezone(_time_zone(zone) if zone else UTC))
    except (OverflowError, ValueError):
        raise _parse_failure(f"date math [{math}] leaves the years 1 to 9999") from None
    return _format(moment, pattern)


def _calculate(math: str, now: datetime) -> datetime:
    if not math.startswith("now"):
        raise _parse_failure(f"failed to parse date math [{math}]: only [now] is supported as the anchor")
    moment = now
    position = len("now")
    while position < len(math):
        match = _OPERATION.match(math, position)
        if match is None:
            raise _parse_failure(f"operator not supported for date math [{math[position:]}]")
        if not match["unit"]:
            raise _parse_failure(f"truncated date math [{math}]")
        if match["unit"] not in {"y", "M", *_STEPS}:
            raise _parse_failure(f"unit [{match['unit']}] not supported for date math [{math}]")
        amount = int(match["amount"] or "1")
        if match["operator"] == "/":
            if amount != 1:
                raise _parse_failure(f"rounding `/` can only be used on single unit types [{math}]")
            moment = _rounded_down(moment, match["unit"])
        else:
            moment = _plus(moment, -amount if match["operator"] == "-" else amount, match["unit"])
        position = match.end()
    return moment


def _plus(moment: datetime, amount: int, unit: str) -> datetime:
    if unit not in {"y", "M"}:
        if unit in {"w", "d"}:  # calendar days: the same hour across a change of daylight saving
            return moment + amount * _STEPS[unit]
        return (moment.astimezone(UTC) + amount * _STEPS[unit]).astimezone(moment.tzinfo)
    months = moment.year * _MONTHS_A_YEAR + moment.month - 1 + amount * (_MONTHS_A_YEAR if unit == "y" else 1)
    year, month = divmod(months, _MONTHS_A_YEAR)
    first = moment.replace(year=year, month=month + 1, day=1)
    following = first.replace(year=year + month // 11, month=(month + 1) % _MONTHS_A_YEAR + 1)
    return first.replace(day=min(moment.day, (following - timedelta(days=1)).day))


def _rounded_down(moment: datetime, unit: str) -> datetime:
    if unit == "s":
        return moment.replace(microsecond=0)
    if unit == "m":
        return moment.replace(second=0, microsecond=0)
    if unit in {"h", "H"}:
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        return day - timedelta(days=day.weekday())
    if unit == "M":
        return day.replace(day=1)
    if unit == "y":
        return day.replace(month=1, day=1)
    return day


def _time_zone(text: str) -> tzinfo:
    if text in {"Z", "UTC", "GMT"}:
        return UTC
    offset = _OFFSET.match(text)
    try:
        if offset is None:
            return ZoneInfo(text)
        distance = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"] or "0"))
        return timezone(distance if offset["sign"] == "+" else -distance)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of the time zone database
        raise illegal_argument(f"Unknown time-zone ID: {text}") from None


def _format(moment: datetime, pattern: str) -> str:
    written: list[str] = []
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            raise illegal_argument(
                f"Invalid format: [{pattern}]: Pattern ends with an incomplete string literal"
            )
        position = token.end()
        if token["letters"]:
            written.append(_field(moment, token["letters"], pattern))
        elif token["literal"]:
            written.append(token["literal"])
        else:
            written.append(token["quoted"] or "'")
    return "".join(written)


def _field(moment: datetime, letters: str, pattern: str) -> str:
    """Write one field of a Java date pattern; names of months and days are left out on purpose."""
    letter, width = letters[0], len(letters)
    week = moment.isocalendar()
    numbers = {
        "y": moment.year,
        "u": moment.year,
        "Y": week.year,
        "x": week.year,
        "M": moment.month,
        "d": moment.day,
        "D": moment.timetuple().tm_yday,
        "e": week.weekday,
        "w": week.week,
        "H": moment.hour,
        "h": (moment.hour - 1) % 12 + 1,
        "m": moment.minute,
        "s": moment.second,
    }
    if letter == "S":
        return f"{moment.microsecond:06d}000"[:width]
    if letter not in numbers or (letter in "Me" and width > 2):  # noqa: PLR2004 - longer ones are words
        raise illegal_argument(f"Invalid format: [{pattern}]: unsupported pattern letters [{letters[:20]}]")
    if letter in "yuYx" and width == 2:  # noqa: PLR2004 - Java's two-digit year
        return f"{numbers[letter] % 100:02d}"
    return str(numbers[letter]).zfill(width)


def _malformed(expression: str, problem: str) -> Failure:
    return _parse_failure(f"invalid dynamic name expression [{expression[1:-1]}]. {problem}")


def _parse_failure(reason: str) -> Failure:
    return Failure(FailureKind.INVALID_REQUEST, "parse_exception", reason)
