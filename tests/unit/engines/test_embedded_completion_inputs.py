"""The inputs of ``completion`` fields: what is taken, what is refused, and what a mapping may say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from isthmus.engines.embedded.completion_terms import Completion, completion_of, term_of
from isthmus.engines.embedded.document import DocumentParser
from isthmus.engines.embedded.mapping_merge import merge_mappings
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.errors import Failure
from isthmus.search.field_capabilities import capabilities_of

MAPPING = parse_mapping({"properties": {"c": {"type": "completion", "max_input_length": 6}}})


def taken(value: Any) -> list[tuple[str, str, int]]:
    """Answer form, text and weight of each input of a value."""
    values = DocumentParser(MAPPING).parse("1", orjson.dumps({"c": value})).values.get("c", [])
    return sorted((each.form, each.text, each.weight) for each in map(completion_of, map(str, values)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bar", [("bar", "Bar", 1)]),
        (None, []),
        ([], []),
        ("  ", []),
        ("42", []),  # no word for the analyzer
        (4.5, []),
        (["b", None, ["c"]], [("b", "b", 1), ("c", "c", 1)]),
        ({"input": "b"}, [("b", "b", 1)]),
        ({"input": ["b", "c d"], "weight": 7}, [("b", "b", 7), ("c\x1fd", "c d", 7)]),
        ({"input": "b", "weight": "12"}, [("b", "b", 12)]),
        ({"input": "b", "weight": 0}, [("b", "b", 0)]),
        ({"weight": 3}, []),
        ([{"input": "b", "weight": 2}, {"input": "b", "weight": 5}, "b"], [("b", "b", 5)]),
        ("abcdefgh", [("abcdef", "abcdef", 1)]),
        ("abcde\U00010400x", [("abcde\U00010428", "abcde\U00010400", 1)]),  # no pair is cut in two
    ],
    ids=str,
)
def test_inputs_are_texts_with_weights(value: Any, expected: list[tuple[str, str, int]]) -> None:
    """Long ones are cut, empty ones are left out, and of equal ones the heaviest counts."""
    assert taken(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "expected text or object, but got VALUE_BOOLEAN"),
        ({"input": 5}, "input must be a string or array, but was [VALUE_NUMBER]"),
        ({"input": None}, "input must be a string or array, but was [VALUE_NULL]"),
        ({"input": ["a", {}]}, "input array must have string values, but was [START_OBJECT]"),
        ({"input": "a", "weight": 1.5}, "weight must be an integer, but was [1.5]"),
        ({"input": "a", "weight": "much"}, "weight must be an integer, but was [much]"),
        ({"input": "a", "weight": []}, "weight must be a number or string, but was [START_ARRAY]"),
        ({"input": "a", "weight": True}, "weight must be a number or string, but was [VALUE_BOOLEAN]"),
        ({"input": "a", "weight": -1}, "weight must be in the interval [0..2147483647], but was [-1]"),
        ({"input": "a", "weight": 2**31}, "weight must be in the interval [0..2147483647]"),
        ({"input": "a", "weight": "9" * 5000}, "weight must be in the interval [0..2147483647]"),
        ({"input": "a", "contexts": {}}, "contexts field is not supported for field: [c]"),
        ({"text": "a"}, "unknown field name [text], must be one of [contexts, input, weight]"),
        ("a\x1fb", "UTF-16 codepoint [0x1f] at position 1 is a reserved character"),
        ("a\x00b", "UTF-16 codepoint [0x0] at position 1 is a reserved character"),
    ],
    ids=str,
)
def test_what_is_no_input_fails_the_document(value: Any, reason: str) -> None:
    """A 400 of this document whose cause says why."""
    with pytest.raises(Failure) as caught:
        taken(value)
    assert caught.value.error_type == "document_parsing_exception"
    assert caught.value.caused_by is not None
    assert reason in caught.value.caused_by.reason


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"contexts": []}, "parameter [contexts] on field [c] of type [completion] is not supported"),
        ({"max_input_length": 0}, "[max_input_length] must be > 0 but was [0]"),
        ({"max_input_length": 4_001}, "[max_input_length] of [4001] is not supported"),
        ({"preserve_separators": 5}, "Could not convert [c.preserve_separators] to boolean"),
        ({"doc_values": True}, "unknown parameter [doc_values] on mapper [c] of type [completion]"),
        ({"analyzer": "none"}, "analyzer [none] has not been configured in mappings"),
    ],
)
def test_what_a_completion_field_cannot_be_is_refused(parameters: dict[str, Any], reason: str) -> None:
    """By name."""
    with pytest.raises(Failure) as caught:
        parse_mapping({"properties": {"c": {"type": "completion", **parameters}}}, ["simple"])
    assert reason in caught.value.reason


def test_a_mapping_shows_what_is_usual_too() -> None:
    """As Elasticsearch does; saying it again changes nothing, saying otherwise is a conflict."""
    plain = parse_mapping({"properties": {"c": {"type": "completion"}}})
    shown = {
        "type": "completion",
        "analyzer": "simple",
        "preserve_separators": True,
        "preserve_position_increments": True,
        "max_input_length": 50,
    }
    assert plain.to_json() == {"properties": {"c": shown}}
    capability = capabilities_of(plain.to_json())["c"]
    assert (capability.searchable, capability.aggregatable) == (True, False)
    assert merge_mappings(plain, parse_mapping(plain.to_json())) == plain
    with pytest.raises(Failure, match=r"Cannot update parameter \[max_input_length\] from \[50\] to \[6\]"):
        merge_mappings(plain, MAPPING)


def test_a_term_holds_all_of_an_input() -> None:
    """And begins as the form does."""
    for completion in (Completion("a\x1fb", 0, "A B"), Completion("é", 2**31 - 1, "É")):
        assert completion_of(term_of(completion)) == completion
        assert term_of(completion).startswith(completion.form)
