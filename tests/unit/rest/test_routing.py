"""Paths to handlers."""

from __future__ import annotations

import pytest

from isthmus.errors import Failure
from isthmus.rest.routing import Match, Router


async def _one() -> str:
    return "one"


async def _other() -> str:
    return "other"


def _router() -> Router[object]:  # type: ignore[type-var]
    router: Router[object] = Router()  # type: ignore[type-var]
    router.add("GET", "/", _one)
    router.add("GET POST", "/_search", _one, ("q",))
    router.add("GET", "/{index}", _other)
    router.add("PUT", "/{index}/_doc/{id}", _other, ())
    router.add("GET", "/{index}/_source/{id}", _one)
    return router


@pytest.mark.parametrize(
    ("method", "path", "handler", "values"),
    [
        ("GET", "/", _one, {}),
        ("GET", "//", _one, {}),
        ("GET", "/_search", _one, {}),
        ("POST", "/_search/", _one, {}),
        ("GET", "/logs", _other, {"index": "logs"}),
        ("HEAD", "/logs", _other, {"index": "logs"}),
        ("PUT", "/a%2Fb/_doc/%C3%A4", _other, {"index": "a/b", "id": "ä"}),
        ("PUT", "/a+b/_doc/1%2B1", _other, {"index": "a+b", "id": "1+1"}),
    ],
)
def test_finds_the_most_literal_route(
    method: str, path: str, handler: object, values: dict[str, str]
) -> None:
    """A literal wins over a parameter; values are percent-decoded one by one."""
    found = _router().find(method, path)
    assert isinstance(found, Match)
    assert (found.handler, dict(found.path_parameters)) == (handler, values)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/_search", {"GET", "POST"}),
        ("GET", "/a/_doc/1", {"PUT"}),
        ("GET", "/a/b/c/d", set()),
        ("GET", "/" + "a/" * 5000, set()),
    ],
)
def test_tells_other_methods_from_no_such_path(method: str, path: str, allowed: set[str]) -> None:
    """The methods of a path are known where it has any."""
    assert _router().find(method, path) == allowed


def test_knows_which_parameters_a_route_takes() -> None:
    """None means that the handler checks them itself."""
    router = _router()
    declared, undeclared = router.find("GET", "/_search"), router.find("GET", "/a")
    assert isinstance(declared, Match)
    assert isinstance(undeclared, Match)
    assert (declared.parameters, undeclared.parameters) == (frozenset({"q"}), None)


@pytest.mark.parametrize("path", ["/%ff", "/a/_doc/%c3", "/%zz", "/%4", "/%"])
def test_refuses_a_path_that_is_not_utf_8(path: str) -> None:
    """Nothing is replaced silently."""
    with pytest.raises(Failure, match=r"URL|escape"):
        _router().find("GET", path)


def test_a_route_twice_is_a_bug() -> None:
    """Two handlers for one route are noticed when the program starts."""
    with pytest.raises(ValueError, match="twice"):
        _router().add("GET", "/{other}", _one)
