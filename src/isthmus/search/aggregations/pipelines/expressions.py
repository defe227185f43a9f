"""The little language of ``bucket_script`` and ``bucket_selector``: sums, products, comparisons.

A strict parser and nothing else: there are no calls, no assignments, no names but those of the
parameters. They are ``params.x`` and ``params['x']`` in Elasticsearch's ``painless`` and plain ``x``
in its ``expression``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from isthmus.errors import Failure, FailureKind

Value = float | bool
_Evaluate = Callable[[Mapping[str, Value]], Value]

_MAXIMUM_LENGTH: Final = 16_384
_MAXIMUM_DEPTH: Final = 30
_WHOLE: Final = 2**63
_MOST_DIGITS: Final = 100
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[LlfFdD]?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\s*(?:'[^'\\]*'|\"[^\"\\]*\")\s*\])?)"
    r"|(?P<operator>&&|\|\||[<>=!]=|[-+*/%()<>!?:;]))"
)
#: Binary operators, those that bind least first.
_LEVELS: Final = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
#: How many of those choose and do not calculate.
_CHOOSING: Final = 2


def script_failure(kind: str, source: str, problem: str) -> Failure:
    """Answer the failure of a script (400); ``kind`` is ``compile`` or ``runtime``."""
    shown = source if len(source) <= 200 else source[:200] + "..."  # noqa: PLR2004 - enough to know it by
    return Failure(
        FailureKind.INVALID_REQUEST,
        "script_exception",
        f"{kind} error",
        metadata={"script": shown},
        caused_by=Failure(FailureKind.INVALID_REQUEST, "illegal_argument_exception", problem),
    )


@dataclass(frozen=True, slots=True)
class Expression:
    """A script that was understood."""

    source: str
    names: frozenset[str]
    _evaluate: _Evaluate

    @classmethod
    def parse(cls, source: str, *, plain_names: bool) -> Expression:
        """Read a script. ``plain_names``: its language is ``expression``, in which every number is a double.

        Raises a ``script_exception`` failure that says what is not understood.
        """
        parser = _Parser(source, plain_names=plain_names)
        return cls(source, frozenset(parser.names), parser.whole())

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        """Answer what the script answers. Raises a ``script_exception`` failure where it cannot."""
        try:
            return self._evaluate(values)
        except (KeyError, TypeError, ArithmeticError) as problem:
            raise script_failure("runtime", self.source, str(problem.args[0])) from problem


class _Parser:
    """One source text, read from left to right."""

    def __init__(self, source: str, *, plain_names: bool) -> None:
        self._source = source
        self._plain = plain_names
        self._depth = 0
        self._place = 0
        self.names: set[str] = set()
        self._tokens = list(self._split())

    def whole(self) -> _Evaluate:
        if self._token() == "return" and not self._plain:
            self._place += 1
        evaluate = self._ternary()
        if self._token() == ";":
            self._place += 1
        if self._token():
            raise self._unexpected()
        return evaluate

    def _split(self) -> list[str]:
        if len(self._source) > _MAXIMUM_LENGTH:
            raise script_failure("compile", self._source, "the script is too long")
        tokens, position, text = [], 0, self._source.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise script_failure(
                    "compile", self._source, f"[{text[position:].strip()[:1]}] is not supported in a script"
                )
            tokens.append(match[match.lastgroup or 0])
            position = match.end()
        return tokens

    def _token(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self, expected: str) -> None:
        if self._token() != expected:
            raise self._unexpected()
        self._place += 1

    def _unexpected(self) -> Failure:
        found = self._token()
        problem = f"unexpected token [{found}]" if found else "unexpected end of script"
        return script_failure("compile", self._source, problem)

    def _ternary(self) -> _Evaluate:
        self._depth += 1
        if self._depth > _MAXIMUM_DEPTH:
            raise script_failure("compile", self._source, "the script is nested too deep")
        condition = self._binary(0)
        if self._token() == "?":
            self._place += 1
            met = self._ternary()
            self._take(":")
            other = self._ternary()
            evaluated = condition
            condition = lambda values: met(values) if _truth(evaluated(values)) else other(values)  # noqa: E731
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> _Evaluate:
        if level == len(_LEVELS):
            return self._unary()
        first = self._binary(level + 1)
        rest: list[tuple[str, _Evaluate]] = []
        while (operator := self._token()) in _LEVELS[level]:
            self._place += 1
            rest.append((operator, self._binary(level + 1)))
        if not rest:
            return first
        return _chosen(first, rest) if level < _CHOOSING else _calculated(first, rest)

    def _unary(self) -> _Evaluate:
        operator = self._token()
        if operator not in ("-", "+", "!"):
            return self._primary()
        self._place += 1
        self._depth += 1
        if self._depth > _MAXIMUM_DEPTH:
            raise script_failure("compile", self._source, "the script is nested too deep")
        operand = self._unary()
        self._depth -= 1
        if operator == "!":
            return lambda values: not _truth(operand(values))
        sign = -1 if operator == "-" else 1
        return lambda values: sign * _numeric(operand(values))

    def _primary(self) -> _Evaluate:
        token = self._token()
        if token == "(":  # noqa: S105 - a bracket
            self._place += 1
            inner = self._ternary()
            self._take(")")
            return inner
        if token in ("true", "false"):
            self._place += 1
            truth = token.startswith("t")
            return lambda _values: truth
        if token[:1].isdigit() or (token[:1] == "." and len(token) > 1):
            self._place += 1
            number = self._number(token)
            return lambda _values: number
        if token[:1].isalpha() or token[:1] == "_":
            name = self._parameter(token)
            self._place += 1
            self.names.add(name)
            return lambda values: values[name]
        raise self._unexpected()

    def _number(self, token: str) -> Value:
        digits = token.rstrip("LlfFdD")
        if digits.isdigit() and not self._plain and token[-1:] not in "fFdD":
            # Python itself refuses to read thousands of digits.
            number = int(digits) if len(digits) <= _MOST_DIGITS else _WHOLE
            if number >= _WHOLE:
                raise script_failure("compile", self._source, f"invalid number [{token[:100]}]")
            return number
        return float(digits)

    def _parameter(self, token: str) -> str:
        if self._plain and token.isidentifier():
            return token
        match = re.fullmatch(r"params(?:\.(\w+)|\[\s*['\"]([^'\"]*)['\"]\s*\])", token)
        if match is None:
            raise script_failure("compile", self._source, f"cannot resolve symbol [{token}]")
        return match[1] if match[2] is None else match[2]


def _chosen(first: _Evaluate, rest: Sequence[tuple[str, _Evaluate]]) -> _Evaluate:
    """Join conditions by one operator: what follows is only looked at where it may matter."""
    operands = [first, *(operand for _, operand in rest)]
    choose = any if rest[0][0] == "||" else all
    return lambda values: choose(_truth(operand(values)) for operand in operands)


def _calculated(first: _Evaluate, rest: Sequence[tuple[str, _Evaluate]]) -> _Evaluate:
    """Join operands from left to right, in a loop: a script may have thousands of them."""

    def evaluate(values: Mapping[str, Value]) -> Value:
        result = first(values)
        for operator, operand in rest:
            other = operand(values)
            if operator in ("==", "!="):
                result = (result == other) is (operator == "==")
            else:
                result = _OPERATIONS[operator](_numeric(result), _numeric(other))
        return result

    return evaluate


def _truth(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError("a condition must be a boolean and not a number")


def _numeric(value: Value) -> float:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    return value


def _quotient(one: float, other: float) -> float:
    if isinstance(one, int) and isinstance(other, int):
        if not other:
            raise ZeroDivisionError("/ by zero")
        quotient = abs(one) // abs(other)
        return quotient if (one < 0) is (other < 0) else -quotient
    if other:
        return one / other
    if one == 0 or math.isnan(one) or math.isnan(other):
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1.0, other)


def _rest(one: float, other: float) -> float:
    if isinstance(one, int) and isinstance(other, int):
        return one - other * int(_quotient(one, other))
    return math.fmod(one, other) if other and math.isfinite(one) and not math.isnan(other) else math.nan


def _bounded(number: float) -> float:
    if isinstance(number, int) and abs(number) >= _WHOLE:
        raise OverflowError("whole numbers end at 64 bits")
    return number


_OPERATIONS: Final[Mapping[str, Callable[[float, float], Value]]] = MappingProxyType(
    {
        "+": lambda one, other: _bounded(one + other),
        "-": lambda one, other: _bounded(one - other),
        "*": lambda one, other: _bounded(one * other),
        "/": _quotient,
        "%": _rest,
        "<": lambda one, other: one < other,
        "<=": lambda one, other: one <= other,
        ">": lambda one, other: one > other,
        ">=": lambda one, other: one >= other,
    }
)
