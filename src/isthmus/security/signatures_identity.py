r"""The pattern of a key's ``certificate_identity``, matched against a certificate's whole subject name.

Patterns are written as in Java, matched by :mod:`isthmus.security.lucene_regex` in time proportional
to pattern times name. Taken: literals, ``.``, ``[…]``, ``(…)``, ``(?:…)``, ``|``, ``? * +`` and ``{n,m}``
(greedy or lazy: for a whole match that is the same), escapes of punctuation, ``\\d \\s \\w`` and their
capitals, ``^`` and ``$`` at the ends of the pattern or of an alternative, ``(?i)`` at the beginning.
Everything else of Java (look-around, back references, possessive quantifiers, ``\\b``, intersections of
classes) is refused by name.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from isthmus.errors import Failure, illegal_argument
from isthmus.security.lucene_regex import compile_lucene_regex

#: ordinary characters in Java that are operators in Lucene
_LUCENE_OPERATORS: Final = frozenset('@#"~&<>')
_LETTER_CLASSES: Final = frozenset("dswDSW")
#: Java's dot takes no end of a line: a name with one in it must not slip past a pattern
_ANY_LETTER: Final = "[^\n\r\x85\u2028\u2029]"
_IGNORE_CASE: Final = "(?i)"
_REPETITIONS: Final = "*+?{"


def check_identity_pattern(pattern: str) -> None:
    """Return if the pattern can be used; raises a 400 failure in Elasticsearch's words otherwise."""
    try:
        _compiled(pattern)
    except Failure as failure:
        detail = failure.reason.rpartition("/]: ")[2]
        raise illegal_argument(
            f"Invalid certificate_identity format: [{pattern}]. Must be a valid regex. ({detail})"
        ) from None


def identity_matches(pattern: str, subject: str) -> bool:
    """Tell whether the pattern matches the whole subject name; case counts unless it begins with ``(?i)``.

    An empty pattern matches nobody, and nor does one that cannot be read.
    """
    if not pattern:
        return False
    try:
        return _compiled(pattern)(subject)
    except Failure:
        return False


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], bool]:
    return compile_lucene_regex(_Translation(pattern).lucene())


class _Translation:
    """Reads a pattern once, from left to right, and writes the same in Lucene's form."""

    def __init__(self, pattern: str) -> None:
        self._ignore_case = pattern.startswith(_IGNORE_CASE)
        self._text = pattern.removeprefix(_IGNORE_CASE)
        self._position = 0
        self._depth = 0
        self._written: list[str] = []

    def lucene(self) -> str:
        """Answer the pattern for Lucene; raises a 400 failure for what is not supported."""
        while self._position < len(self._text):
            letter = self._take()
            if letter == "^":
                self._require_end_of_alternative(self._text[: self._position - 1], "|", letter)
            elif letter == "$":
                self._require_end_of_alternative(self._text[self._position : self._position + 1], "|", letter)
            else:
                self._write(letter)
        return "".join(self._written)

    def _write(self, letter: str) -> None:
        if letter == "(":
            self._open_group()
        elif letter == ")":
            self._depth -= 1
            self._written.append(letter)
        elif letter in _REPETITIONS:
            self._repetition(letter)
        elif letter == "[":
            self._written.append(f"[{self._class_members()}]")
        elif letter == ".":
            self._written.append(_ANY_LETTER)
        elif letter == "\\":
            escaped = self._escape()
            self._written.append(f"\\{escaped}" if escaped in _LETTER_CLASSES else self._literal(escaped))
        elif letter == "|":
            self._written.append(letter)
        else:
            self._written.append(self._literal(letter))

    def _literal(self, letter: str) -> str:
        if self._ignore_case and letter in string.ascii_letters:
            return f"[{letter.lower()}{letter.upper()}]"
        special = letter in _LUCENE_OPERATORS or letter in "\\.[](){}|?*+^$-"
        return f"\\{letter}" if special else letter

    def _open_group(self) -> None:
        if self._text.startswith("?:", self._position):
            self._position += 2
        elif self._text.startswith("?", self._position):
            raise self._refused(f"({self._text[self._position : self._position + 2]}")
        self._depth += 1
        self._written.append("(")

    def _repetition(self, letter: str) -> None:
        if letter == "{":
            closing = self._text.find("}", self._position)
            if closing < 0:
                raise self._failure("expected [}]")
            letter += self._text[self._position : closing + 1]
            self._position = closing + 1
        self._written.append(letter)
        following = self._text[self._position : self._position + 1]
        if following == "?":  # lazy: which of several ways a whole match takes is of no interest
            self._position += 1
            following = self._text[self._position : self._position + 1]
        if following and following in _REPETITIONS:
            raise self._refused(letter + following)

    def _escape(self) -> str:
        letter = self._take()
        if letter.isalnum() and letter not in _LETTER_CLASSES:
            raise self._refused(f"\\{letter}")
        return letter

    def _class_members(self) -> str:
        """Read up to the closing bracket; answer what stands between, for Lucene."""
        written = ""
        if self._text.startswith("^", self._position):
            self._position += 1
            written = "^"
        first = True
        while first or not self._text.startswith("]", self._position):
            first = False
            low = self._class_letter()
            if len(low) == 1 and self._is_range():
                self._position += 1
                high = self._class_letter()
                if len(high) != 1 or high < low:
                    raise self._failure(f"the range [{low}-{high}] is not one")
                written += f"{_class_literal(low)}-{_class_literal(high)}"
                between = [chr(code) for code in range(ord(low), min(ord(high), 0x7F) + 1)]
            else:
                written += _class_literal(low) if len(low) == 1 else low
                between = [low] if len(low) == 1 else []
            if self._ignore_case:
                written += "".join(each.swapcase() for each in between if each in string.ascii_letters)
        self._take()
        return written

    def _class_letter(self) -> str:
        """Answer one member's letter, or the two characters of a letter class."""
        letter = self._take()
        if letter == "\\":
            escaped = self._escape()
            return f"\\{escaped}" if escaped in _LETTER_CLASSES else escaped
        if letter in "[]" or (letter == "&" and self._text.startswith("&", self._position)):
            raise self._refused(letter if letter != "&" else "&&")
        return letter

    def _is_range(self) -> bool:
        following = self._text[self._position : self._position + 2]
        return len(following) > 1 and following[0] == "-" and following[1] != "]"

    def _require_end_of_alternative(self, beside: str, alternative: str, anchor: str) -> None:
        if self._depth or (beside and not beside.endswith(alternative)):
            raise self._failure(
                f"[{anchor}] is supported only at the ends of the pattern or of an alternative"
            )

    def _take(self) -> str:
        if self._position >= len(self._text):
            raise self._failure("unexpected end")
        self._position += 1
        return self._text[self._position - 1]

    def _refused(self, what: str) -> Failure:
        return self._failure(f"[{what}] is not supported here")

    def _failure(self, problem: str) -> Failure:
        return illegal_argument(f"[/{self._text}/]: {problem} at position [{self._position}]")


def _class_literal(letter: str) -> str:
    return f"\\{letter}" if letter in "\\[]^-" else letter
