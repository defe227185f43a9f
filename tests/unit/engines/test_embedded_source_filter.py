"""Which parts of a source are shown."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from isthmus.engines.embedded.source_filter import (
    SourceFilter,
    VisibleFields,
    parse_source_filter,
    shown_source,
)
from isthmus.errors import Failure
from isthmus.exchange import FieldAccess

DOCUMENT: dict[str, Any] = {
    "name": "Ada",
    "empty": {},
    "made": {"by": {"name": "x", "year": 1}, "in": "y"},
    "list": [{"a": 1, "b": 2}, {"b": 3}, 4, [{"a": 5}, 6]],
    "dotted.name": 7,
}
EVERYTHING = VisibleFields(())

CASES: list[tuple[Any, Any]] = [
    (["name"], {"name": "Ada"}),
    ("made.by", {"made": {"by": {"name": "x", "year": 1}}}),
    ("made.*.name", {"made": {"by": {"name": "x"}}}),
    ("*.year", {"made": {"by": {"year": 1}}}),
    ("*.name", {"made": {"by": {"name": "x"}}, "dotted.name": 7}),
    ("empty", {"empty": {}}),
    ("list.a", {"list": [{"a": 1}, [{"a": 5}]]}),
    ("list", {"list": DOCUMENT["list"]}),
    ("nothing", {}),
    ({"includes": "made", "excludes": ["*.year"]}, {"made": {"by": {"name": "x"}, "in": "y"}}),
    (
        {"excludes": ["made.by.*", "list", "dotted.*"]},
        {"name": "Ada", "empty": {}, "made": {"by": {}, "in": "y"}},
    ),
    ({"include": ["list"], "exclude": "list.a"}, {"list": [{"b": 2}, {"b": 3}, 4, [{}, 6]]}),
]


@pytest.mark.parametrize(("asked", "expected"), CASES)
def test_a_filter_shows_what_its_patterns_name(asked: Any, expected: Any) -> None:
    """Includes choose, excludes take away, and both see through lists of objects."""
    wanted = parse_source_filter(asked)
    assert wanted is not None
    assert orjson.loads(shown_source(orjson.dumps(DOCUMENT), wanted, EVERYTHING)) == expected


@pytest.mark.parametrize("asked", [True, None, "true", [], {}, ["*"], {"includes": ["*"]}])
def test_asking_for_everything_answers_the_very_same_bytes(asked: Any) -> None:
    """Without anything to leave out the text is not even parsed."""
    source = b'{ "not": "touched" , }'
    wanted = parse_source_filter(asked)
    assert wanted is not None
    assert shown_source(source, wanted, EVERYTHING) is source


@pytest.mark.parametrize("asked", [False, "false"])
def test_no_source_is_no_filter(asked: Any) -> None:
    """False asks for hits without sources."""
    assert parse_source_filter(asked) is None


@pytest.mark.parametrize("asked", [5, [1], {"includes": [2]}, {"only": ["a"]}])
def test_a_malformed_filter_is_refused(asked: Any) -> None:
    """What is neither a boolean, patterns nor an object of them is a 400."""
    with pytest.raises(Failure):
        parse_source_filter(asked)


def test_numbers_too_large_for_64_bits_stay_exact() -> None:
    """Filtering does not change the digits of a number."""
    source = b'{"big":123456789012345678901234567890,"other":1}'
    assert (
        shown_source(source, SourceFilter(("big",)), EVERYTHING) == b'{"big":123456789012345678901234567890}'
    )


ACCESS: list[tuple[tuple[FieldAccess, ...], Any]] = [
    (
        (FieldAccess(granted=("name", "made.by.*")),),
        {"name": "Ada", "made": {"by": {"name": "x", "year": 1}}},
    ),
    ((FieldAccess(granted=("made",)),), {}),
    ((FieldAccess(granted=("list.a",)),), {"list": [{"a": 1}, [{"a": 5}]]}),
    (
        (FieldAccess(granted=("*",), excepted=("made*", "list*", "dotted*", "empty")),),
        {"name": "Ada"},
    ),
    ((FieldAccess(granted=("name", "made.in")), FieldAccess(granted=("made*",))), {"made": {"in": "y"}}),
    ((FieldAccess(granted=()),), {}),
]


@pytest.mark.parametrize(("access", "expected"), ACCESS)
def test_only_visible_fields_are_shown(access: tuple[FieldAccess, ...], expected: Any) -> None:
    """A field is shown when every entry lets it; objects without a visible field go too."""
    shown = shown_source(orjson.dumps(DOCUMENT), SourceFilter(), VisibleFields(access))
    assert orjson.loads(shown) == expected


def test_access_to_everything_hides_nothing() -> None:
    """A grant of ``*`` without exceptions leaves the bytes as they are."""
    visible = VisibleFields((FieldAccess(granted=("*",)), FieldAccess()))
    assert visible.are_all
    assert visible("_id")
    assert not VisibleFields((FieldAccess(granted=("a",)),)).are_all
