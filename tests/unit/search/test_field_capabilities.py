"""What fields can be used for, merged over indices."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure
from isthmus.exchange import FieldAccess
from isthmus.search.field_capabilities import (
    FieldQuestion,
    capabilities_of,
    is_visible,
    matching,
    merged_capabilities,
)

LEFT = {
    "properties": {
        "n": {"type": "long", "meta": {"unit": "ms"}},
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "kept": {"type": "keyword", "doc_values": False},
        "deep": {"properties": {"leaf": {"type": "date"}}},
    }
}
RIGHT = {
    "properties": {
        "n": {"type": "double"},
        "kept": {"type": "keyword"},
        "only": {"type": "ip", "index": False, "doc_values": False},
    }
}


def _fields(*patterns: str, **asked: Any) -> Any:
    by_index = {"left": capabilities_of(LEFT), "right": capabilities_of(RIGHT)}
    found = {index: matching(fields, patterns) for index, fields in by_index.items()}
    return merged_capabilities(found, FieldQuestion(patterns), **asked)


def test_types_that_differ_name_their_indices() -> None:
    """A field of two types has two entries; the metadata of each stands beside it."""
    common = {"metadata_field": False, "searchable": True, "aggregatable": True}
    assert _fields("n") == {
        "n": {
            "double": {"type": "double", **common, "indices": ["right"]},
            "long": {"type": "long", **common, "indices": ["left"], "meta": {"unit": ["ms"]}},
        }
    }


def test_what_only_some_indices_can_do_is_named() -> None:
    """A field that can be aggregated in one index only says in which it cannot."""
    kept = _fields("kept")["kept"]["keyword"]
    assert (kept["searchable"], kept["aggregatable"]) == (True, False)
    assert kept["non_aggregatable_indices"] == ["left"]
    assert "indices" not in kept
    only = _fields("only")["only"]["ip"]
    assert (only["searchable"], only["aggregatable"]) == (False, False)


def test_objects_multi_fields_and_metadata_are_fields_too() -> None:
    """Patterns match full paths."""
    assert list(_fields("deep*")) == ["deep", "deep.leaf"]
    assert _fields("deep")["deep"]["object"]["searchable"] is False
    assert list(_fields("title.*", "nothing")) == ["title.raw"]
    assert _fields("_id")["_id"]["_id"]["metadata_field"] is True


def test_unmapped_indices_are_listed_where_asked_for() -> None:
    """``include_unmapped`` adds a type for the indices that have not the field."""
    only = _fields("only", include_unmapped=True)["only"]
    assert sorted(only) == ["ip", "unmapped"]
    assert only["unmapped"]["indices"] == ["left"]
    assert list(_fields("kept", include_unmapped=True)["kept"]) == ["keyword"]


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ((), True),
        ((FieldAccess(granted=("a.*",)),), True),
        ((FieldAccess(granted=("b",)),), False),
        ((FieldAccess(excepted=("a.*",)),), False),
        ((FieldAccess(granted=("a.b",)), FieldAccess(excepted=("a.b",))), False),
    ],
)
def test_every_entry_must_let_a_field_be_seen(access: tuple[FieldAccess, ...], expected: bool) -> None:
    """What a role hides is not told."""
    assert is_visible("a.b", access) is expected
    assert is_visible("_id", access)


def test_the_objects_around_a_field_come_with_it() -> None:
    """As in Elasticsearch; a field with multi-fields is no object."""
    assert list(matching(capabilities_of(LEFT), ["deep.leaf"])) == ["deep", "deep.leaf"]
    assert list(matching(capabilities_of(LEFT), ["title.raw"])) == ["title.raw"]


def test_an_unknown_filter_is_named() -> None:
    """Before anybody is asked."""
    with pytest.raises(Failure, match=r"Unknown field caps filter \[\*\]"):
        FieldQuestion(("a",), ("*",))
