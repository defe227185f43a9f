"""Which engines can be attached, and what each can do."""

from __future__ import annotations

import pytest

from isthmus.engines.attached.dialect import PointInTimeSyntax, Vendor, dialect_of, read_dialect, read_version

COMMIT = "2e4741fb45d1b150aaeeadf66d41445b23ff5982"


@pytest.mark.parametrize(
    ("vendor", "number", "points", "types", "fields"),
    [
        (Vendor.ELASTICSEARCH, "7.10.2", PointInTimeSyntax.ELASTICSEARCH, True, True),
        (Vendor.ELASTICSEARCH, "8.19.3", PointInTimeSyntax.ELASTICSEARCH, False, True),
        (Vendor.ELASTICSEARCH, "9.2.0-SNAPSHOT", PointInTimeSyntax.ELASTICSEARCH, False, True),
        (Vendor.OPENSEARCH, "1.3.20", None, False, False),
        (Vendor.OPENSEARCH, "2.3.0", None, False, False),
        (Vendor.OPENSEARCH, "2.4.0", PointInTimeSyntax.OPENSEARCH, False, True),
        (Vendor.OPENSEARCH, "3.3.1", PointInTimeSyntax.OPENSEARCH, False, True),
        (Vendor.COMPATIBLE, "8.15.3", None, False, True),
    ],
)
def test_versions_have_their_features(
    vendor: Vendor, number: str, points: PointInTimeSyntax | None, types: bool, fields: bool
) -> None:
    """The table of features says for each line of versions how it is spoken to."""
    dialect = dialect_of(vendor, number)
    assert (dialect.point_in_time, dialect.types, dialect.fields) == (points, types, fields)


@pytest.mark.parametrize(
    ("vendor", "number"),
    [
        (Vendor.ELASTICSEARCH, "7.9.3"),
        (Vendor.ELASTICSEARCH, "10.0.0"),
        (Vendor.OPENSEARCH, "4.0.0"),
        (Vendor.OPENSEARCH, "newest"),
    ],
)
def test_other_versions_cannot_be_attached(vendor: Vendor, number: str) -> None:
    """What nobody has tried is refused."""
    with pytest.raises(ValueError, match=r"cannot be attached|not a version"):
        dialect_of(vendor, number)


@pytest.mark.parametrize(
    ("vendor", "number", "small"),
    [
        (Vendor.OPENSEARCH, "2.6.0", set()),
        (Vendor.OPENSEARCH, "2.19.1", {"integer", "short", "byte", "boolean"}),
        (Vendor.ELASTICSEARCH, "8.18.0", set()),
        (Vendor.ELASTICSEARCH, "8.19.0", {"integer", "short", "byte"}),
        (Vendor.ELASTICSEARCH, "9.0.4", set()),
        (Vendor.ELASTICSEARCH, "9.1.0", {"integer", "short", "byte"}),
    ],
)
def test_what_is_sorted_in_32_bits_depends_on_the_version(
    vendor: Vendor, number: str, small: set[str]
) -> None:
    """A document without a value has another extreme there."""
    assert dialect_of(vendor, number).sorted_small == small


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ({"distribution": "opensearch", "number": "2.19.1", "build_hash": COMMIT}, "OpenSearch 2.19.1"),
        ({"number": "8.19.0", "build_hash": COMMIT}, "Elasticsearch 8.19.0"),
        ({"number": "8.15.3", "build_hash": "noida"}, "Elasticsearch-compatible 8.15.3"),
        (
            {"distribution": "opensearch", "number": "3.8.0", "build_hash": "osmem"},
            "Elasticsearch-compatible 3.8.0",
        ),
    ],
)
def test_an_engine_is_known_by_its_first_answer(version: dict[str, str], name: str) -> None:
    """What was not built from a commit of theirs imitates them."""
    assert read_dialect({"version": version}).name == name


@pytest.mark.parametrize("answer", [{}, {"version": "2.0"}, {"version": {"number": 7}}])
def test_anything_else_is_no_engine(answer: dict[str, object]) -> None:
    """An answer without a version is refused."""
    with pytest.raises(ValueError, match="no engine"):
        read_dialect(answer)


def test_versions_are_numbers() -> None:
    """Of three parts, of which the last may be left out."""
    assert read_version("2.19.1") == (2, 19, 1)
    assert read_version("8.0-rc1") == (8, 0, 0)
