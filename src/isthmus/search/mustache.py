"""Rendering mustache templates as Elasticsearch's search templates are rendered. Pure.

Written here rather than taken from a library: values have to be escaped for JSON text and not for HTML,
``toJson``, ``join`` and ``url`` are Elasticsearch's own, and a template of a stranger must end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

import orjson

from isthmus.errors import Failure, FailureKind
from isthmus.search.mustache_parse import Block, Join, Json, Section, Text, Url, Variable, parse_template

#: Elasticsearch's ``mustache.max_output_size_bytes``
MOST_BYTES: Final = 1024 * 1024
#: sections over lists within sections over lists can take for ever without writing anything
_MOST_STEPS: Final = 200_000
_MISSING: Final = object()


def render(source: str, parameters: dict[str, Any]) -> str:
    """Answer the template with these parameters put in; one that is missing is empty.

    Raises 400 failures for a template that is malformed and for one that makes too much.
    """
    try:
        return _Rendering().run(parse_template(source), parameters)
    except RecursionError:
        raise _unwritable("the parameters are nested too deeply") from None


class _Rendering:
    """One run, with what it may still use up."""

    def __init__(self) -> None:
        self._steps = 0
        self._size_bytes = 0

    def run(self, blocks: Sequence[Block], parameters: dict[str, Any]) -> str:
        return "".join(self._written(blocks, (parameters,)))

    def _written(self, blocks: Sequence[Block], scopes: tuple[Any, ...]) -> Iterator[str]:
        for block in blocks:
            self._step()
            if isinstance(block, Section):
                yield from self._section(block, scopes)
            else:
                text = self._text(block, scopes)
                self._size_bytes += len(text.encode("utf-8", "surrogatepass"))
                if self._size_bytes > MOST_BYTES:
                    raise _too_much(f"more than [{MOST_BYTES}] bytes")
                yield text

    def _step(self, steps: int = 1) -> None:
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise _too_much(f"more than [{_MOST_STEPS}] steps")

    def _text(self, block: Text | Variable | Json | Join | Url, scopes: tuple[Any, ...]) -> str:
        if isinstance(block, Text):
            return block.text
        if isinstance(block, Url):
            return quote_plus("".join(self._written(block.blocks, scopes)))
        self._step(len(block.path))
        value = _find(block.path, scopes)
        if isinstance(block, Variable):
            text = _shown(value)
            return text if block.raw else _escaped(text)
        if isinstance(block, Json):
            return "" if value in (_MISSING, None) else _json(value)
        if isinstance(value, list):
            self._step(len(value))  # empty texts and no delimiter write nothing
            return block.delimiter.join(map(_shown, value))
        return _shown(value)

    def _section(self, section: Section, scopes: tuple[Any, ...]) -> Iterator[str]:
        self._step(len(section.path))
        value = _find(section.path, scopes)
        if section.inverted:
            if _is_nothing(value):
                yield from self._written(section.blocks, scopes)
            return
        if _is_nothing(value):
            return
        for element in value if isinstance(value, list) else (value,):
            self._step()  # a section may have nothing in it
            yield from self._written(section.blocks, (*scopes, element))


def _find(path: tuple[str, ...], scopes: tuple[Any, ...]) -> Any:
    """Answer the value of a name: the innermost scope that has its first part decides."""
    if not path:
        return scopes[-1]
    for scope in reversed(scopes):
        value = _member(scope, path[0])
        if value is not _MISSING:
            for name in path[1:]:
                value = _member(value, name)
            return value
    # A parameter whose own name has dots.
    return _member(scopes[0], ".".join(path))


def _member(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, _MISSING)
    if isinstance(value, list):
        if name == "size":
            return len(value)
        if name.isascii() and name.isdecimal() and int(name[:9]) < len(value):
            return value[int(name[:9])]
    return _MISSING


def _is_nothing(value: Any) -> bool:
    return value is _MISSING or value is None or value is False or value in ("", [])


def _shown(value: Any) -> str:
    """Write a value as Java does, which is what templates rely on: ``[a, b]`` and ``{a=b}``."""
    if value is _MISSING or value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_shown_inside(each) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_shown_inside(each)}" for name, each in value.items()) + "}"
    return str(value)


def _shown_inside(value: Any) -> str:
    return "null" if value is None else _shown(value)


def _escaped(text: str) -> str:
    """Answer the text as it stands between the quotation marks of JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # deeper than orjson writes
        return json.dumps(value, ensure_ascii=False)


def _too_much(what: str) -> Failure:
    return _unwritable(f"Mustache script result size limit exceeded: {what}", "size_limit_exceeded_exception")


def _unwritable(reason: str, error_type: str = "illegal_argument_exception") -> Failure:
    cause = Failure(FailureKind.INVALID_REQUEST, error_type, reason)
    return Failure(
        FailureKind.INVALID_REQUEST,
        "general_script_exception",
        "Error running TemplateScript",
        caused_by=cause,
    )
