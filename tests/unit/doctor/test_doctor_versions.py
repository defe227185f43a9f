"""Which versions may be searched from which."""

from __future__ import annotations

import pytest

from isthmus.doctor.server_names import holds_name
from isthmus.doctor.versions import Minor, may_search, parse_minor

#: local version, the remote versions that it may search, some that it may not
TABLE = [
    ("7.17", ("7.17", "8.0", "8.13", "8.19"), ("7.16", "9.0")),
    ("8.0", ("7.17", "8.0", "8.1", "8.19"), ("7.16", "9.0")),
    ("8.1", ("8.0", "8.1", "8.19"), ("7.17", "9.0")),
    ("8.14", ("8.13", "8.14", "8.19"), ("8.12", "9.0")),
    ("8.18", ("8.17", "8.18", "8.19", "9.0"), ("8.16", "9.1")),
    ("8.19", ("8.18", "8.19", "9.0", "9.1", "9.2"), ("8.17", "10.0")),
    ("9.0", ("8.18", "9.0", "9.1", "9.3"), ("8.19", "8.17")),
    ("9.1", ("9.0", "9.1", "9.2"), ("8.18", "8.19")),
    ("9.2", ("9.1", "9.2", "9.3"), ("9.0", "8.19")),
    ("9.3", ("9.2", "9.3"), ("9.1", "9.0")),
]
PAIRS = [
    *((local, remote, True) for local, supported, _ in TABLE for remote in supported),
    *((local, remote, False) for local, _, unsupported in TABLE for remote in unsupported),
]


def _minor(text: str) -> Minor:
    minor = parse_minor(text)
    assert minor is not None
    return minor


@pytest.mark.parametrize(("local", "remote", "supported"), PAIRS)
def test_the_table_of_versions(local: str, remote: str, supported: bool) -> None:
    """Whether a version may be searched follows Elasticsearch's table."""
    assert may_search(_minor(local), _minor(remote)) is supported


@pytest.mark.parametrize(
    ("text", "minor"),
    [("9.2.0", Minor(9, 2)), ("8.19.0-SNAPSHOT", Minor(8, 19)), ("9.2", Minor(9, 2)), ("", None), ("9", None),
     ("nine", None), ("9.2.x", None), ("99999.1", None)],
)  # fmt: skip
def test_versions_are_read(text: str, minor: Minor | None) -> None:
    """A version is read with and without patch; what is none is none."""
    assert parse_minor(text) == minor


@pytest.mark.parametrize(
    ("names", "expected", "held"),
    [
        (("far.example.org",), "far.example.org", True),
        (("FAR.example.org",), "far.example.org.", True),
        (("*.example.org",), "far.example.org", True),
        (("*.example.org",), "example.org", False),
        (("*.example.org",), "very.far.example.org", False),
        (("*.org",), "example.org", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("*.0.2.1",), "192.0.2.1", False),
        (("::1",), "0:0:0:0:0:0:0:1", True),
        ((), "far.example.org", False),
    ],
)
def test_names_of_a_certificate(names: tuple[str, ...], expected: str, held: bool) -> None:
    """A wildcard stands for one label, and addresses are compared as addresses."""
    assert holds_name(names, expected) is held
