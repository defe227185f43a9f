"""The text of a mustache template to the blocks that it is made of. Pure.

What Elasticsearch's templates know: variables, sections, inverted sections, comments, other delimiters,
and the functions ``toJson``, ``join`` and ``url``. Partials (templates in templates) are refused there too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from isthmus.errors import Failure, FailureKind

#: a template nested deeper is a mistake, and must not make us recurse without end
_DEEPEST: Final = 100
#: names are put together and looked up as often as sections repeat
_LONGEST_NAME: Final = 1_000
_JOIN: Final = re.compile(r"join(?:\s+delimiter='([^']*)')?\Z")
_DEFAULT_DELIMITER: Final = ","
_DELIMITERS: Final = re.compile(r"(\S+)\s+(\S+)\Z")


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is written as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A value, escaped for JSON text unless ``raw``. ``path`` is its name split at the dots; () is ``.``."""

    path: tuple[str, ...]
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks that are written for a value: once, for each element, or only without it."""

    path: tuple[str, ...]
    blocks: tuple[Block, ...]
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Json:
    """A value written as JSON."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """The elements of a list with a delimiter in between."""

    path: tuple[str, ...]
    delimiter: str


@dataclass(frozen=True, slots=True)
class Url:
    """Blocks whose text is encoded for a URL."""

    blocks: tuple[Block, ...]


Block: TypeAlias = Text | Variable | Section | Json | Join | Url


def parse_template(source: str) -> tuple[Block, ...]:
    """Answer the blocks of a template; raises a 400 ``script_exception`` for one that is malformed."""
    return _Parser(source).parse()


def compile_failure(reason: str) -> Failure:
    """Answer the failure of a template that cannot be used (400)."""
    return Failure(FailureKind.INVALID_REQUEST, "script_exception", reason, metadata={"lang": "mustache"})


@dataclass(slots=True)
class _Open:
    """A section that is not closed yet. ``name`` is what closes it."""

    name: str
    kind: str
    blocks: list[Block]


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._position = 0
        self._opening, self._closing = "{{", "}}"
        self._stack = [_Open("", "", [])]

    def parse(self) -> tuple[Block, ...]:
        while self._position < len(self._source):
            start = self._source.find(self._opening, self._position)
            if start < 0:
                self._add(Text(self._source[self._position :]))
                break
            if start > self._position:
                self._add(Text(self._source[self._position : start]))
            self._tag(start)
        if len(self._stack) > 1:
            raise compile_failure(f"Failed to close '{self._stack[-1].name[:100]}' tag")
        return tuple(self._stack[0].blocks)

    def _tag(self, start: int) -> None:
        begin = start + len(self._opening)
        if self._opening == "{{" and self._source.startswith("{", begin):
            self._add(Variable(_path(self._until(begin + 1, "}}}")), raw=True))
            return
        sign = self._source[begin : begin + 1]
        if sign == "=":
            self._change_delimiters(self._until(begin + 1, f"={self._closing}"))
            return
        content = self._until(begin, self._closing).strip()
        name = content[1:].strip()
        if sign == "!":
            return
        if sign in {"#", "^"}:
            self._begin(sign, name)
        elif sign == "/":
            self._end(name)
        elif sign == "&":
            self._add(Variable(_path(name), raw=True))
        elif sign in {">", "<", "$"}:
            raise compile_failure(f"Cannot expand '{name[:100]}' because partial templates are not supported")
        else:
            self._add(Variable(_path(content)))

    def _until(self, begin: int, end: str) -> str:
        """Answer the text up to the end of a tag, and go on after it."""
        found = self._source.find(end, begin)
        if found < 0:
            raise compile_failure(
                f"Improperly closed variable: missing '{end}' after [{self._source[begin : begin + 50]}]"
            )
        self._position = found + len(end)
        return self._source[begin:found]

    def _change_delimiters(self, text: str) -> None:
        matched = _DELIMITERS.match(text.strip())
        if matched is None or "=" in matched[0]:
            raise compile_failure(f"Invalid delimiter string: {text[:50]}")
        self._opening, self._closing = matched[1], matched[2]

    def _begin(self, sign: str, name: str) -> None:
        if len(self._stack) > _DEEPEST:
            raise compile_failure(f"sections are nested deeper than [{_DEEPEST}] levels")
        if not name:
            raise compile_failure("a section needs a name")
        self._stack.append(_Open(name, sign, []))

    def _end(self, name: str) -> None:
        opened = self._stack[-1]
        if len(self._stack) == 1 or opened.name != name:
            raise compile_failure(f"Mismatched start/end tags: {opened.name[:100]} != {name[:100]}")
        self._stack.pop()
        self._add(_closed(opened))

    def _add(self, block: Block) -> None:
        self._stack[-1].blocks.append(block)


def _closed(opened: _Open) -> Block:
    blocks = tuple(opened.blocks)
    if opened.kind == "#":
        if opened.name == "toJson":
            return Json(_only_name("toJson", blocks))
        if opened.name == "url":
            return Url(blocks)
        join = _JOIN.match(opened.name)
        if join is not None:
            delimiter = _DEFAULT_DELIMITER if join[1] is None else join[1]
            return Join(_only_name("join", blocks), delimiter)
    return Section(_path(opened.name), blocks, inverted=opened.kind == "^")


def _only_name(function: str, blocks: tuple[Block, ...]) -> tuple[str, ...]:
    """Answer the name of the parameter between the tags of a function."""
    if len(blocks) != 1 or not isinstance(blocks[0], Text):
        raise compile_failure(f"Mustache function [{function}] must contain one and only one identifier")
    return _path(blocks[0].text)


def _path(name: str) -> tuple[str, ...]:
    name = name.strip()
    if len(name) > _LONGEST_NAME:
        raise compile_failure(f"a name is longer than [{_LONGEST_NAME}] characters")
    return () if name in {".", "this"} else tuple(name.split("."))
