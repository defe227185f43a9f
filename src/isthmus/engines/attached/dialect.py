"""What differs between the engines that can be attached, as data: vendor and version -> features.

Everything else here speaks to all of them in the same words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from isthmus.exchange import JsonObject

Version: TypeAlias = tuple[int, int, int]


class Vendor(Enum):
    """Whose engine it is. COMPATIBLE says that it is Elasticsearch and does not say so in full."""

    ELASTICSEARCH = "elasticsearch"
    OPENSEARCH = "opensearch"
    COMPATIBLE = "compatible"


class PointInTimeSyntax(Enum):
    """How a point in time is opened and closed."""

    #: ``POST /{index}/_pit``, ``DELETE /_pit {"id"}``
    ELASTICSEARCH = "elasticsearch"
    #: ``POST /{index}/_search/point_in_time``, ``DELETE /_search/point_in_time {"pit_id": []}``
    OPENSEARCH = "opensearch"


@dataclass(frozen=True, slots=True)
class Dialect:
    """An engine and what it can do.

    ``types``: answers name a mapping type. ``fields``: a search takes ``fields``. ``composite``: values can
    be gone through in pages.
    """

    vendor: Vendor
    version: Version
    number: str
    point_in_time: PointInTimeSyntax | None
    types: bool
    fields: bool
    composite: bool = True
    #: the version of the cluster's state changes with it, so that it tells whether anything did
    state_version: bool = True
    #: types of fields that are sorted in 32 bits, which shows in the values of documents without one
    sorted_small: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Answer what messages call the engine."""
        shown = {Vendor.ELASTICSEARCH: "Elasticsearch", Vendor.OPENSEARCH: "OpenSearch"}
        return f"{shown.get(self.vendor, 'Elasticsearch-compatible')} {self.number}"


#: (vendor, from this version on, before that one) -> how points in time are written
_POINTS_IN_TIME: Final[tuple[tuple[Vendor, Version, Version, PointInTimeSyntax], ...]] = (
    (Vendor.ELASTICSEARCH, (7, 10, 0), (10, 0, 0), PointInTimeSyntax.ELASTICSEARCH),
    (Vendor.OPENSEARCH, (2, 4, 0), (4, 0, 0), PointInTimeSyntax.OPENSEARCH),
)
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}|unknown", re.IGNORECASE)
#: (vendor, first, before) of the engines that are attached
SUPPORTED: Final[tuple[tuple[Vendor, Version, Version], ...]] = (
    (Vendor.ELASTICSEARCH, (7, 10, 0), (10, 0, 0)),
    (Vendor.OPENSEARCH, (1, 0, 0), (4, 0, 0)),
    (Vendor.COMPATIBLE, (0, 0, 0), (1 << 31, 0, 0)),
)


def dialect_of(vendor: Vendor, number: str) -> Dialect:
    """Answer what an engine of this version can do. Raises ValueError for one that is not supported."""
    version = read_version(number)
    if not any(vendor is each and first <= version < before for each, first, before in SUPPORTED):
        raise ValueError(f"{vendor.value} {number} cannot be attached")
    return Dialect(
        vendor=vendor,
        version=version,
        number=number,
        point_in_time=next(
            (
                syntax
                for each, first, before, syntax in _POINTS_IN_TIME
                if vendor is each and first <= version < before
            ),
            None,
        ),
        types=vendor is not Vendor.OPENSEARCH and version < (8, 0, 0),
        fields=vendor is not Vendor.OPENSEARCH or version >= (2, 4, 0),
        composite=vendor is not Vendor.COMPATIBLE,
        state_version=vendor is not Vendor.COMPATIBLE,
        sorted_small=_sorted_small(vendor, version),
    )


def read_dialect(answer: JsonObject) -> Dialect:
    """Read what an engine answers to ``GET /``. Raises ValueError for one that cannot be attached.

    What only imitates one of the engines was not built from a commit of theirs, and is taken at less of its
    word.
    """
    version = answer.get("version")
    number = version.get("number") if isinstance(version, dict) else None
    if not isinstance(version, dict) or not isinstance(number, str):
        raise ValueError("no engine: GET / does not say its version")  # noqa: TRY004 - of an answer, not of a call
    if _COMMIT.fullmatch(str(version.get("build_hash"))) is None:
        return dialect_of(Vendor.COMPATIBLE, number)
    is_opensearch = version.get("distribution") == Vendor.OPENSEARCH.value
    return dialect_of(Vendor.OPENSEARCH if is_opensearch else Vendor.ELASTICSEARCH, number)


def _sorted_small(vendor: Vendor, version: Version) -> frozenset[str]:
    whole = frozenset({"integer", "short", "byte"})
    if vendor is Vendor.OPENSEARCH:
        return whole | {"boolean"} if version >= (2, 7, 0) else frozenset()
    is_new = version >= (9, 1, 0) or (8, 19, 0) <= version < (9, 0, 0)
    return whole if vendor is Vendor.ELASTICSEARCH and is_new else frozenset()


def read_version(number: str) -> Version:
    """Read ``2.19.1`` or ``8.0.0-SNAPSHOT``. Raises ValueError for what is none."""
    matched = re.match(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", number)
    if matched is None:
        raise ValueError(f"not a version: {number[:50]!r}")
    major, minor, patch = matched.groups()
    return int(major), int(minor), int(patch or 0)
