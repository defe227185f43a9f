"""Media types."""

from __future__ import annotations

import pytest

from isthmus.errors import Failure
from isthmus.rest.elasticsearch.media_types import MediaType, parse_content_type, response_content_type


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", MediaType("json")),
        ("Application/JSON; charset=UTF-8", MediaType("json")),
        ("application/x-ndjson", MediaType("x-ndjson")),
        ("application/vnd.elasticsearch+json;compatible-with=9", MediaType("json", 9)),
        ("application/vnd.elasticsearch+json; compatible-with=8", MediaType("json", 8)),
        ("application/vnd.elasticsearch+x-ndjson;compatible-with=9", MediaType("x-ndjson", 9)),
        ("application/vnd.elasticsearch+json", MediaType("json", 9)),
        ("text/plain", None),
        ("application/x-www-form-urlencoded", None),
        ("application/yaml", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_reads_a_content_type(header: str, expected: MediaType | None) -> None:
    """JSON and newline-delimited JSON are understood, plain or versioned."""
    assert parse_content_type(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/html,application/xhtml+xml", "application/json"),
        (
            "application/vnd.elasticsearch+json;compatible-with=8",
            "application/vnd.elasticsearch+json;compatible-with=8",
        ),
        (
            "application/vnd.elasticsearch+json; compatible-with=9",
            "application/vnd.elasticsearch+json;compatible-with=9",
        ),
    ],
)
def test_chooses_the_content_type_of_an_answer(header: str, expected: str) -> None:
    """A versioned type is answered in kind; the rest is JSON."""
    assert response_content_type(header) == expected


@pytest.mark.parametrize("version", ["7", "10", "x", "", "²", "9999999"])
def test_refuses_other_versions(version: str) -> None:
    """Clients of another major version are told which ones are served."""
    header = f"application/vnd.elasticsearch+json;compatible-with={version}"
    for read, name in ((parse_content_type, "Content-Type"), (response_content_type, "Accept")):
        with pytest.raises(Failure) as caught:
            read(header)
        assert caught.value.reason == f"Invalid media-type value on headers [{name}]"
        assert caught.value.caused_by is not None
        assert (
            f"{name} version must be either version 9 or 8, but found {version}."
            in caught.value.caused_by.reason
        )


@pytest.mark.parametrize("header", ["application/yaml", "application/cbor", "application/smile"])
def test_refuses_to_answer_in_other_formats(header: str) -> None:
    """What Elasticsearch could answer in and this cannot is refused by name."""
    with pytest.raises(Failure, match="are not supported"):
        response_content_type(header)
