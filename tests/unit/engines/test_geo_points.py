"""The forms in which a ``geo_point`` may be written."""

from __future__ import annotations

import pytest

from isthmus.engines.embedded.geo_points import GeoPoint, geohash_point, read_points
from isthmus.errors import Failure
from isthmus.exchange import Json

_PLACE = GeoPoint(41.5, -71.25)


@pytest.mark.parametrize(
    "value",
    [
        {"lat": 41.5, "lon": -71.25},
        {"lat": "41.5", "lon": "-71.25", "z": 3},
        "41.5,-71.25",
        " 41.5 , -71.25, 7",
        "POINT (-71.25 41.5)",
        "point(-71.25 41.5 8)",
        [-71.25, 41.5],
        [-71.25, 41.5, 9],
        {"type": "Point", "coordinates": [-71.25, 41.5]},
        [[-71.25, 41.5]],
    ],
)
def test_every_form_is_the_same_point(value: Json) -> None:
    """Objects, texts, lists and GeoJSON all give one place."""
    assert read_points(value) == (_PLACE,)


def test_a_list_holds_several_points() -> None:
    """Forms may be mixed within a list, nulls add nothing."""
    assert read_points(["1,2", None, {"lat": 3, "lon": 4}, [6, 5]]) == (
        GeoPoint(1, 2),
        GeoPoint(3, 4),
        GeoPoint(5, 6),
    )
    assert read_points(None) == ()
    assert read_points([]) == ()


@pytest.mark.parametrize(
    ("geohash", "point"),
    [
        ("s", GeoPoint(0, 0)),
        ("7", GeoPoint(-45, -45)),
        ("0", GeoPoint(-90, -180)),
        ("EZS42", GeoPoint(42.5830078125, -5.625)),
    ],
)
def test_a_geohash_is_the_corner_of_its_cell(geohash: str, point: GeoPoint) -> None:
    """A geohash in either case stands for the south-west of its cell, also within an object."""
    assert geohash_point(geohash) == point
    assert read_points({"geohash": geohash}) == (point,)


@pytest.mark.parametrize(
    "value",
    [
        True, 5, "", "a1", "1,2,3,4", "x,1", "nan,1", "POINT (1)", "POINT (1 2", "LINESTRING (1 2, 3 4)",
        [1], [1, 2, 3, 4], [1, True], [10**400, 1], {}, {"lat": 1}, {"lon": 1}, {"lat": 1, "lon": None},
        {"lat": 1, "lon": 2, "geohash": "s"}, {"geohash": 1}, {"type": "Polygon", "coordinates": [1, 2]},
        {"type": "Point", "coordinates": "1,2"},
    ],
)  # fmt: skip
def test_what_is_not_a_point_is_refused(value: Json) -> None:
    """Anything else is a 400."""
    with pytest.raises(Failure) as refused:
        read_points(value)
    assert refused.value.error_type == "parse_exception"


@pytest.mark.parametrize("value", ["1,2,3", [2, 1, 3], {"lat": 1, "lon": 2, "z": 3}, "POINT (2 1 3)"])
def test_a_height_is_refused_where_it_is_not_ignored(value: Json) -> None:
    """The height is named in the refusal."""
    with pytest.raises(Failure, match=r"found Z value \[3.0\]"):
        read_points(value, ignore_z_value=False)
