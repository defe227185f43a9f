"""Points on the Earth, read from every form that Elasticsearch takes for a ``geo_point``."""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Json

_GEOHASH_DIGITS: Final = "0123456789bcdefghjkmnpqrstuvwxyz"
_GEOHASH_BITS: Final = 5
_LONGEST_GEOHASH: Final = 12
_WKT_POINT: Final = re.compile(r"\s*point\s*z?\s*\(([^()]*)\)\s*", re.IGNORECASE)
_FLAT: Final = 2
_WITH_HEIGHT: Final = 3


class GeoPoint(NamedTuple):
    """A place, in degrees. Both are finite; they may lie outside of a single turn of the Earth."""

    latitude: float
    longitude: float


def read_points(value: Json, *, ignore_z_value: bool = True) -> tuple[GeoPoint, ...]:
    """Answer the points of a JSON value; none for null.

    A list that starts with a number is one point, longitude first. Raises a 400
    ``parse_exception`` for what is not a point, and for a height that is not to be ignored.
    """
    if value is None:
        return ()
    if isinstance(value, list) and not (value and _is_number(value[0])):
        return tuple(point for each in value for point in read_points(each, ignore_z_value=ignore_z_value))
    return (_read_point(value, ignore_z_value=ignore_z_value),)


def geohash_point(geohash: str) -> GeoPoint:
    """Answer the south-western corner of a geohash's cell; raises a 400 for what is not a geohash."""
    if not geohash:
        raise _refused("empty geohash")
    lows, sizes = [-180.0, -90.0], [360.0, 180.0]
    axis = 0
    for digit in geohash[:_LONGEST_GEOHASH].lower():
        number = _GEOHASH_DIGITS.find(digit)
        if number < 0:
            raise _refused(f"unsupported symbol [{digit}] in geohash [{geohash}]")
        for bit in reversed(range(_GEOHASH_BITS)):
            sizes[axis] /= 2
            lows[axis] += sizes[axis] * (number >> bit & 1)
            axis = 1 - axis
    return GeoPoint(lows[1], lows[0])


def _read_point(value: Json, *, ignore_z_value: bool) -> GeoPoint:
    if isinstance(value, str):
        return _read_text(value, ignore_z_value=ignore_z_value)
    if isinstance(value, list):
        return _read_coordinates(value, ignore_z_value=ignore_z_value)
    if isinstance(value, dict):
        return _read_object(value, ignore_z_value=ignore_z_value)
    raise _refused("geo_point expected")


def _read_text(text: str, *, ignore_z_value: bool) -> GeoPoint:
    if text.lstrip()[:5].lower() == "point":
        matched = _WKT_POINT.fullmatch(text)
        if matched is None:
            raise _refused(f"Invalid WKT format, [{text}]")
        return _read_coordinates(list(matched[1].split()), ignore_z_value=ignore_z_value)
    if "," not in text:
        return geohash_point(text)
    numbers = [each.strip() for each in text.split(",")]
    if len(numbers) not in (_FLAT, _WITH_HEIGHT):
        raise _refused(f"failed to parse [{text}], expected 2 or 3 coordinates but found: [{len(numbers)}]")
    return _read_coordinates([numbers[1], numbers[0], *numbers[2:]], ignore_z_value=ignore_z_value)


def _read_coordinates(coordinates: list[Json], *, ignore_z_value: bool) -> GeoPoint:
    if len(coordinates) not in (_FLAT, _WITH_HEIGHT):
        raise _refused(f"[geo_point] field type takes 2 or 3 values but found [{len(coordinates)}]")
    if len(coordinates) == _WITH_HEIGHT:
        height = _number("z", coordinates[2])
        if not ignore_z_value:
            raise _refused(
                f"Exception parsing coordinates: found Z value [{height}] but [ignore_z_value] "
                "parameter is [false]"
            )
    return GeoPoint(_number("latitude", coordinates[1]), _number("longitude", coordinates[0]))


def _read_object(value: dict[str, Json], *, ignore_z_value: bool) -> GeoPoint:
    names = set(value)
    if names == {"geohash"}:
        geohash = value["geohash"]
        if not isinstance(geohash, str):
            raise _refused("[geohash] must be a string")
        return geohash_point(geohash)
    if names == {"type", "coordinates"}:
        kind, coordinates = value["type"], value["coordinates"]
        if not isinstance(kind, str) or kind.lower() != "point":
            raise _refused("[type] for geo_point can only be 'Point'")
        if not isinstance(coordinates, list):
            raise _refused("GeoJSON 'coordinates' must be an array")
        return _read_coordinates(coordinates, ignore_z_value=ignore_z_value)
    if not names <= {"lat", "lon", "z"}:
        raise _refused("field must be either lat/lon, geohash string or type/coordinates")
    for name in ("lat", "lon"):
        if name not in value:
            raise _refused(f"field [{name}] missing")
    height = [value["z"]] if "z" in value else []
    return _read_coordinates([value["lon"], value["lat"], *height], ignore_z_value=ignore_z_value)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(name: str, value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _refused(f"{name} must be a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _refused(f"{name} must be a number") from None
    if not math.isfinite(number):
        raise _refused(f"{name} must be a number")
    return number


def _refused(reason: str) -> Failure:
    return Failure(FailureKind.INVALID_REQUEST, "parse_exception", reason)
