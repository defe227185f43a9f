"""The language of bucket scripts, and numbers written by patterns."""

from __future__ import annotations

import math

import pytest

from isthmus.errors import Failure
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.pipelines.expressions import Expression

VALUES = {"a": 7.0, "b": 2.0, "zero": 0.0}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("params.a + params.b * 2", 11.0),
        ("(params.a + params.b) * 2", 18.0),
        ("params.a - params.b - 1", 4.0),
        ("params.a / params.b", 3.5),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / 2.0", 3.5),
        ("-7 % 4", -3),
        ("7d / 2", 3.5),
        ("params.a / params.zero", math.inf),
        ("-params.a / params.zero", -math.inf),
        ("--params.a", 7.0),
        ("1e3 + .5", 1000.5),
        ("1 < 2 && 2 < 1 || true", True),
        ("params.a == 7", True),
        ("params.a != 7 ? 1 : 2", 2),
        ("params[\"a\"] > params['b']", True),
        ("!(1 >= 2)", True),
        ("1" + "+ 1" * 4_000, 4_001),
    ],
)
def test_an_expression_is_calculated_as_by_painless(source: str, expected: object) -> None:
    """Whole numbers divide without rest, doubles by zero to infinity."""
    value = Expression.parse(source, plain_names=False).evaluate(VALUES)
    assert value == expected
    assert type(value) is type(expected)


def test_in_the_language_expression_all_numbers_are_doubles() -> None:
    """Names are plain there, and 7 / 2 is 3.5."""
    assert Expression.parse("a * b + 7 / 2", plain_names=True).evaluate(VALUES) == 17.5


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "unexpected end of script"),
        ("1 +", "unexpected end of script"),
        ("(1", "unexpected end of script"),
        ("1 2", "unexpected token [2]"),
        ("params.a = 3", "[=] is not supported"),
        ("Math.max(1)", "cannot resolve symbol [Math.max]"),
        ("doc['f']", "cannot resolve symbol"),
        ("__import__", "cannot resolve symbol"),
        ("params.a.b", "is not supported"),
        ("9223372036854775808", "invalid number"),
        ("9" * 5_000, "invalid number"),
        ("(" * 200 + "1" + ")" * 200, "nested too deep"),
        ("-" * 200 + "1", "nested too deep"),
        ("1 +" * 9_000 + "1", "too long"),
    ],
)
def test_what_is_not_of_the_language_is_refused(source: str, problem: str) -> None:
    """The failure says where it stopped to understand; nothing is ever executed."""
    with pytest.raises(Failure) as refused:
        Expression.parse(source, plain_names=False)
    assert refused.value.caused_by is not None
    assert problem in refused.value.caused_by.reason


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("1 / 0", "/ by zero"),
        ("1 && true", "must be a boolean"),
        ("true + 1", "is not a number"),
        ("9223372036854775807 + 1", "64 bits"),
    ],
)
def test_what_cannot_be_calculated_is_a_failure(source: str, problem: str) -> None:
    """A failure of the script and not of the node."""
    expression = Expression.parse(source, plain_names=False)
    with pytest.raises(Failure) as refused:
        expression.evaluate({})
    assert refused.value.caused_by is not None
    assert problem in refused.value.caused_by.reason


@pytest.mark.parametrize(
    ("pattern", "value", "text"),
    [
        ("0.00", 2.345, "2.34"),
        ("0.00", 2.355, "2.36"),
        ("0.00", -0.001, "-0.00"),
        ("#.##", 0.0, "0"),
        ("#.##", 0.5, ".5"),
        ("#,##0.0#", 1234567.891, "1,234,567.89"),
        ("0", 1e20, "100000000000000000000"),
        ("00.0%", 0.256, "25.6%"),
        ("$#,##0;($#,##0)", -1234.0, "($1,234)"),
        ("Value is ##0.0", 50.0, "Value is 50.0"),
        ("'#'0", 3.0, "#3"),
        ("000", 7.0, "007"),
        ("0.0", math.nan, "NaN"),
        ("0.0", math.inf, "Infinity"),
    ],
)
def test_numbers_are_written_as_java_writes_them(pattern: str, value: float, text: str) -> None:
    """Half rounds to even, a hash leaves zeros out, quotes take signs literally."""
    assert NumberFormat.parse(pattern).render(value) == text


@pytest.mark.parametrize("pattern", ["", "abc", "0.0.0", "0#", "0E0", "'"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    """Nothing is written wrongly."""
    with pytest.raises(Failure):
        NumberFormat.parse(pattern)
