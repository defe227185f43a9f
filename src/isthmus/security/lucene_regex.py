r"""Lucene's regular expressions, as roles use them, matched without backtracking.

Supported: literals, ``.``, ``[…]``, ``(…)``, ``|``, ``?``, ``*``, ``+``, ``{n,m}``, ``"quoted"``, ``@``
(any string), ``#`` (no string), ``\\`` escapes with ``\\d \\s \\w`` and their capitals. Lucene's ``~``
(complement), ``&`` (intersection) and ``<n-m>`` (numeric interval) are refused by name. An expression
always matches the whole name: ``^`` and ``$`` are ordinary characters, as in Lucene.

An expression becomes a non-deterministic automaton that is simulated one set of states at a time
(Thompson 1968), so that no expression can take exponential time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from isthmus.errors import Failure, illegal_argument

Accepts: TypeAlias = Callable[[str], bool]

#: Lucene's own limit is on determinised states (10,000); names are short, so less is plenty.
_MAXIMUM_STATES: Final = 5_000
_MAXIMUM_DEPTH: Final = 100
_UNSUPPORTED: Final = {"~": "complement", "&": "intersection", "<": "numeric interval"}
_CLASSES: Final[dict[str, Accepts]] = {
    "d": lambda letter: "0" <= letter <= "9",
    "s": lambda letter: letter in " \t\n\r\x0b\x0c",
    "w": lambda letter: letter == "_" or (letter.isascii() and letter.isalnum()),
}


def compile_lucene_regex(expression: str) -> Callable[[str], bool]:
    """Answer the test whether a whole name matches.

    Raises an ``illegal_argument_exception`` failure that tells what is wrong with the expression.
    """
    parser = _Parser(expression)
    start, end = parser.parse()
    automaton = parser.automaton

    def matches(name: str) -> bool:
        states = automaton.closure({start})
        for letter in name:
            states = automaton.step(states, letter)
            if not states:
                return False
        return end in states

    return matches


@dataclass(slots=True)
class _Automaton:
    """States are numbers; each has free moves, and at most one move that consumes a letter."""

    free: list[list[int]] = field(default_factory=list)
    consuming: list[tuple[Accepts, int] | None] = field(default_factory=list)

    def new_state(self) -> int:
        self.free.append([])
        self.consuming.append(None)
        return len(self.free) - 1

    def closure(self, states: set[int]) -> set[int]:
        pending = list(states)
        while pending:
            for following in self.free[pending.pop()]:
                if following not in states:
                    states.add(following)
                    pending.append(following)
        return states

    def step(self, states: set[int], letter: str) -> set[int]:
        reached = set()
        for state in states:
            move = self.consuming[state]
            if move is not None and move[0](letter):
                reached.add(move[1])
        return self.closure(reached)


_Fragment: TypeAlias = tuple[int, int]


class _Parser:
    """Recursive descent; builds the automaton as it reads. A repeated piece is read again each time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0
        self.automaton = _Automaton()

    def parse(self) -> _Fragment:
        fragment = self._union()
        if self._position < len(self._text):
            raise self._failure(f"unexpected [{self._text[self._position]}]")
        return fragment

    def _failure(self, problem: str) -> Failure:
        return illegal_argument(
            f"invalid regular expression [/{self._text}/]: {problem} at position [{self._position}]"
        )

    def _peek(self) -> str:
        return self._text[self._position] if self._position < len(self._text) else ""

    def _take(self) -> str:
        letter = self._peek()
        if not letter:
            raise self._failure("unexpected end")
        self._position += 1
        return letter

    def _state(self) -> int:
        if len(self.automaton.free) >= _MAXIMUM_STATES:
            raise self._failure(f"more than [{_MAXIMUM_STATES}] states are needed")
        return self.automaton.new_state()

    def _union(self) -> _Fragment:
        self._depth += 1
        if self._depth > _MAXIMUM_DEPTH:
            raise self._failure(f"nested deeper than [{_MAXIMUM_DEPTH}]")
        start, end = self._state(), self._state()
        while True:
            first, last = self._sequence()
            self.automaton.free[start].append(first)
            self.automaton.free[last].append(end)
            if self._peek() != "|":
                break
            self._take()
        self._depth -= 1
        return start, end

    def _sequence(self) -> _Fragment:
        start = end = self._state()
        while self._peek() and self._peek() not in "|)":
            first, last = self._repeated()
            self.automaton.free[end].append(first)
            end = last
        return start, end

    def _repeated(self) -> _Fragment:
        beginning = self._position
        fragment = self._atom()
        after_atom = self._position
        while self._peek() and self._peek() in "?*+{":
            least, most = self._quantifier()
            after_quantifier = self._position
            copies = most if most is not None else max(least, 1)
            fragments = [fragment]
            for _ in range(copies - 1):
                # An automaton cannot be shared between copies: read the same text once more.
                self._position = beginning
                fragments.append(self._again(after_atom))
            self._position = after_quantifier
            fragment = self._repeat(fragments[:copies], least, unbounded=most is None)
            after_atom = after_quantifier
        return fragment

    def _again(self, until: int) -> _Fragment:
        fragment = self._atom()
        if self._position < until:
            raise self._failure("a counted repetition of a repetition is not supported, use parentheses")
        return fragment

    def _quantifier(self) -> tuple[int, int | None]:
        letter = self._take()
        if letter != "{":
            return {"?": (0, 1), "*": (0, None), "+": (1, None)}[letter]
        closing = self._text.find("}", self._position)
        bounds = self._text[self._position : closing].split(",") if closing >= 0 else []
        well_formed = len(bounds) in (1, 2) and bounds[0].isdecimal() and bounds[0].isascii()
        if not well_formed or not (bounds[-1].isascii() and (bounds[-1] or "0").isdecimal()):
            raise self._failure("expected a repetition such as {2}, {2,} or {2,5}")
        self._position = closing + 1
        # More than this many digits can only be refused: also keeps int() cheap.
        least, most = (int(bound[:6]) if bound else None for bound in (bounds[0], bounds[-1]))
        if max(least or 0, most or 0) > _MAXIMUM_STATES:
            raise self._failure(f"more than [{_MAXIMUM_STATES}] states are needed")
        if most is not None and most < (least or 0):
            raise self._failure("the repetition's maximum is below its minimum")
        return least or 0, most

    def _repeat(self, fragments: list[_Fragment], least: int, *, unbounded: bool) -> _Fragment:
        free = self.automaton.free
        start, end = self._state(), self._state()
        position = start
        for number, (first, last) in enumerate(fragments):
            if number >= least:
                free[position].append(end)
            free[position].append(first)
            position = last
        if unbounded:
            free[position].append(fragments[-1][0])
        free[position].append(end)
        return start, end

    def _single(self, accepts: Accepts) -> _Fragment:
        start, end = self._state(), self._state()
        self.automaton.consuming[start] = (accepts, end)
        return start, end

    def _atom(self) -> _Fragment:
        letter = self._take()
        if letter in _UNSUPPORTED:
            raise self._failure(f"the operator [{letter}] ({_UNSUPPORTED[letter]}) is not supported")
        if letter in "*+?{":
            raise self._failure(f"[{letter}] has nothing to repeat")
        match letter:
            case "(":
                return self._group()
            case "[":
                return self._single(self._character_class())
            case ".":
                return self._single(_any_letter)
            case "@":
                return self._repeat([self._single(_any_letter)], 0, unbounded=True)
            case "#":
                return self._state(), self._state()
            case '"':
                return self._quoted()
            case "\\":
                return self._single(self._escape())
        return self._single(letter.__eq__)

    def _group(self) -> _Fragment:
        if self._peek() == ")":
            self._take()
            state = self._state()
            return state, state
        fragment = self._union()
        if self._take() != ")":
            raise self._failure("expected [)]")
        return fragment

    def _quoted(self) -> _Fragment:
        closing = self._text.find('"', self._position)
        if closing < 0:
            raise self._failure('expected ["]')
        start = end = self._state()
        for letter in self._text[self._position : closing]:
            first, last = self._single(letter.__eq__)
            self.automaton.free[end].append(first)
            end = last
        self._position = closing + 1
        return start, end

    def _escape(self) -> Accepts:
        letter = self._take()
        accepts = _CLASSES.get(letter.lower())
        if accepts is None:
            return letter.__eq__
        if letter.islower():
            return accepts
        return lambda candidate: not accepts(candidate)

    def _character_class(self) -> Accepts:
        negated = self._peek() == "^"
        if negated:
            self._take()
        members: list[Accepts] = []
        while self._peek() != "]":
            low = self._take()
            if low == "\\":
                members.append(self._escape())
            elif self._peek() == "-" and self._text[self._position + 1 : self._position + 2] not in ("]", ""):
                self._take()
                high = self._take()
                if high < low:
                    raise self._failure(f"the range [{low}-{high}] is backwards")
                members.append(_between(low, high))
            else:
                members.append(low.__eq__)
        self._take()
        if not members:
            raise self._failure("a character class is empty")
        return lambda letter: any(member(letter) for member in members) is not negated


def _any_letter(_letter: str) -> bool:
    return True


def _between(low: str, high: str) -> Accepts:
    return lambda letter: low <= letter <= high
