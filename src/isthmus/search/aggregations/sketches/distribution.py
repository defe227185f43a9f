"""How values are distributed, also where they are in several places: percentiles and ranks.

Up to a number of different values these are kept as they are with their counts, and every answer
is exact. Beyond, a t-digest is (Apache DataSketches): centroids that are small near the ends. A rank r
that it answers is off by at most ``rank_error(r)``, over any number of clusters: a tenth of it near the
ends of what it is in the middle.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.sketches.packing import (
    bytes_of,
    packed_real,
    packed_whole,
    real_of,
    text_of,
    whole_of,
)

if TYPE_CHECKING:
    from datasketches import tdigest_double

Points: TypeAlias = list[tuple[float, int]]
"""Values in ascending order, each with how often it is there."""

_VALUES: Final = "values"
_COUNTS: Final = "counts"
_DIGEST: Final = "digest"
#: Documents that can be counted: more is no answer of a cluster.
_MOST_COUNTED: Final = 1 << 53
_WIDTH: Final = 8

#: Elasticsearch keeps 20 centroids for each unit of compression.
_CENTROIDS_OF_A_UNIT: Final = 20
_LEAST_CENTROIDS: Final = 100
_MOST_CENTROIDS: Final = 20_000
#: What was measured is 35 at worst (see the tests): a rank r is off by this, times r(1 - r), a centroid.
_ERROR_FACTOR: Final = 50

#: The library's serialised form: two words, version 1, family 20, its size, flags, two unused bytes, the
#: number of centroids and of values that are not in one yet, least and greatest value; then centroids.
_HEADER: Final = struct.Struct("<BBBHBxxIIdd")
_WORDS, _VERSION, _FAMILY = 2, 1, 20
_CENTROID_BYTES: Final = 16


def centroids(compression: float) -> int:
    """Answer for a compression how many different values are kept, and centroids beyond."""
    wanted = min(compression, _MOST_CENTROIDS) * _CENTROIDS_OF_A_UNIT
    return min(max(round(wanted), _LEAST_CENTROIDS), _MOST_CENTROIDS)


def rank_error(rank: float, compression: float) -> float:
    """Answer by how much a rank from 0 to 1 may be off where not all values are kept."""
    return _ERROR_FACTOR * rank * (1 - rank) / centroids(compression)


class Distribution:
    """Values with their counts; ``limit`` is how many different ones are kept as they are, None is all.

    ``read`` and ``write`` have the form that travels; of bytes that are not understood ``read`` raises
    ValueError, TypeError or KeyError, and never takes more memory than ``limit`` calls for.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._counts: dict[float, int] = {}
        self._digest: tdigest_double | None = None

    def add(self, values: Iterable[tuple[float, int]]) -> None:
        """Add values; each may be given several times."""
        counts = self._counts
        for value, count in values:
            counts[value] = counts.get(value, 0) + count
        if self._limit is None or (self._digest is None and len(counts) <= self._limit):
            return
        if counts:
            self._counts = {}
            self._absorb(_digest_of(sorted(counts.items()), self._limit))

    def read(self, written: JsonObject) -> None:
        """Add the values of a written form."""
        limit = self._limit
        if _DIGEST not in written:
            most = (1 << 40) if limit is None else limit * _WIDTH
            values, counts = (
                real_of(bytes_of(written[_VALUES], most)),
                whole_of(bytes_of(written[_COUNTS], most)),
            )
            if not all(map(math.isfinite, values)) or sum(counts) > _MOST_COUNTED:
                raise ValueError("not values and counts")
            self.add(zip(values, counts, strict=True))
            return
        if limit is None:
            raise ValueError("a digest where all values were asked for")
        serialised = bytes_of(written[_DIGEST], _HEADER.size + 3 * limit * _CENTROID_BYTES)
        _centroids_of(serialised, limit)
        from datasketches import tdigest_double

        self._absorb(tdigest_double.deserialize(serialised))
        self.add(())

    def write(self) -> JsonObject:
        """Answer the form that travels."""
        if self._digest is not None:
            return {_DIGEST: text_of(self._digest.serialize())}
        points = sorted(self._counts.items())
        return {
            _VALUES: text_of(packed_real([value for value, _ in points])),
            _COUNTS: text_of(packed_whole([count for _, count in points])),
        }

    def _absorb(self, other: tdigest_double) -> None:
        from datasketches import tdigest_double

        if self._digest is None:
            self._digest = tdigest_double(self._limit or _LEAST_CENTROIDS)
        self._digest.merge(other)

    def points(self) -> Points:
        """Answer the values, or the centroids in place of them."""
        if self._digest is None:
            return sorted(self._counts.items())
        return _centroids_of(self._digest.serialize(), self._limit or _LEAST_CENTROIDS)

    def quantiles(self, ranks: Sequence[float]) -> list[float]:
        """Answer the value at each rank from 0 to 1; NaN where there is none.

        As Elasticsearch: between the two values around, in a straight line.
        """
        digest = self._digest
        if digest is not None:
            return [float(digest.get_quantile(rank)) for rank in ranks]
        return quantiles_of(self.points(), ranks)

    def ranks(self, values: Sequence[float]) -> list[float]:
        """Answer the part of all values, from 0 to 1, that is below each of these; NaN of nothing."""
        digest = self._digest
        if digest is not None:
            return [float(digest.get_rank(value)) for value in values]
        return _ranks_of(self.points(), values)

    def extent(self) -> tuple[float, float] | None:
        """Answer the least and the greatest value, which are exact; None where there is none."""
        if self._digest is not None:
            return float(self._digest.get_min_value()), float(self._digest.get_max_value())
        return (min(self._counts), max(self._counts)) if self._counts else None


def quantiles_of(points: Points, ranks: Sequence[float]) -> list[float]:
    """Answer the value at each rank from 0 to 1 of points in ascending order."""
    if not points:
        return [math.nan] * len(ranks)
    ends = list(accumulate(count for _, count in points))
    answers = []
    for rank in ranks:
        place = min(max(rank * (ends[-1] - 1), 0.0), ends[-1] - 1.0)
        low = math.floor(place)
        least = points[bisect_right(ends, low)][0]
        most = points[bisect_right(ends, min(low + 1, ends[-1] - 1))][0]
        answers.append(least + (place - low) * (most - least))
    return answers


def _ranks_of(points: Points, values: Sequence[float]) -> list[float]:
    if not points:
        return [math.nan] * len(values)
    keys = [value for value, _ in points]
    ends = [0, *accumulate(count for _, count in points)]
    return [_rank_of(keys, ends, value) for value in values]


def _rank_of(keys: Sequence[float], ends: Sequence[int], value: float) -> float:
    """Answer a rank as Elasticsearch does: half of what is equal is below, and between two a part of one."""
    total = ends[-1]
    if value < keys[0]:
        return 0.0
    if value > keys[-1]:
        return 1.0
    place = bisect_left(keys, value)
    if keys[place] == value:
        # of the first and of the last value the half that is beyond them is nobody's
        below, equal = ends[place], ends[place + 1] - ends[place]
        if place == len(keys) - 1:
            return (total - 0.5 * (equal - (place == 0))) / total
        if place == 0:
            return 0.5 * equal / total
        return (below - 0.5 + 0.5 * equal) / total
    part = (value - keys[place - 1]) / (keys[place] - keys[place - 1])
    return (ends[place] - 0.5 + part) / total


def _digest_of(points: Points, limit: int) -> tdigest_double:
    """Answer a digest whose centroids are these points."""
    from datasketches import tdigest_double

    header = _HEADER.pack(_WORDS, _VERSION, _FAMILY, limit, 0, len(points), 0, points[0][0], points[-1][0])
    body = b"".join(struct.pack("<dQ", value, count) for value, count in points)
    return tdigest_double.deserialize(header + body)


def _centroids_of(serialised: bytes, limit: int) -> Points:
    """Answer the centroids of a serialised digest.

    Raises ValueError for bytes that are not those of a digest of this size: what the library is
    given has been looked through before.
    """
    if len(serialised) < _HEADER.size:
        raise ValueError("no digest")
    words, version, family, size, _, number, waiting, least, most = _HEADER.unpack_from(serialised)
    if (words, version, family, size, waiting) != (_WORDS, _VERSION, _FAMILY, limit, 0):
        raise ValueError("not a digest as it was asked for")
    body = serialised[_HEADER.size :]
    if number < 2 or len(body) != number * _CENTROID_BYTES:  # noqa: PLR2004 - one has another form
        raise ValueError("another number of centroids than announced")
    points = [(value, weight) for value, weight in struct.iter_unpack("<dQ", body)]
    means = [least, *(value for value, _ in points), most]
    if not all(map(math.isfinite, means)) or any(a > b for a, b in pairwise(means)):
        raise ValueError("centroids that are not in order")
    if not all(weight for _, weight in points) or sum(weight for _, weight in points) > _MOST_COUNTED:
        raise ValueError("centroids of nothing, or of more than there can be")
    return points
