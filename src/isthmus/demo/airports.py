"""The data of the demonstration: the world's airports, from the package ``airportsdata`` (MIT)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

INDEX_NAME: Final = "airports"

MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": "strict",
    "properties": {
        "name": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        "city": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        "country": {"type": "keyword"},
        "iata": {"type": "keyword"},
        "elevation_feet": {"type": "integer"},
        "latitude": {"type": "double"},
        "longitude": {"type": "double"},
        "time_zone": {"type": "keyword"},
    },
}


@dataclass(frozen=True, slots=True)
class Airport:
    """One airport; ``code`` is its ICAO code (or a national one) and unique in the data set."""

    code: str
    iata: str
    name: str
    city: str
    country: str
    elevation_feet: int
    latitude: float
    longitude: float
    time_zone: str

    @property
    def is_american(self) -> bool:
        """Tell whether the airport belongs to the half that the hosted environment holds."""
        return self.time_zone.startswith("America/")

    def document(self) -> dict[str, Any]:
        """Answer the document as it is indexed."""
        return {
            "name": self.name,
            "city": self.city,
            "country": self.country,
            "iata": self.iata,
            "elevation_feet": self.elevation_feet,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "time_zone": self.time_zone,
        }


def load_airports() -> list[Airport]:
    """Answer every airport of the package, about 28,000."""
    import airportsdata  # only the demonstration needs the package

    return [
        Airport(
            code=code,
            iata=record["iata"],
            name=record["name"],
            city=record["city"],
            country=record["country"],
            elevation_feet=round(record["elevation"]),
            latitude=record["lat"],
            longitude=record["lon"],
            time_zone=record["tz"],
        )
        for code, record in airportsdata.load().items()
    ]


def bulk_bodies(airports: Iterable[Airport], documents_a_body: int) -> Iterator[tuple[int, bytes]]:
    """Yield ``_bulk`` bodies with the number of documents in each."""
    lines: list[bytes] = []
    for airport in airports:
        lines.append(orjson.dumps({"index": {"_id": airport.code}}))
        lines.append(orjson.dumps(airport.document()))
        if len(lines) == 2 * documents_a_body:
            yield documents_a_body, b"\n".join(lines) + b"\n"
            lines = []
    if lines:
        yield len(lines) // 2, b"\n".join(lines) + b"\n"
