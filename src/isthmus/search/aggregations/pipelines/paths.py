"""Where a pipeline finds its numbers: ``a>b.value``, ``a['key']>b``, ``a>p[99.9]``, ``_count``."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.errors import Failure, FailureKind

COUNT = "_count"
KEY = "_key"
BUCKET_COUNT = "_bucket_count"


@dataclass(frozen=True, slots=True)
class PathElement:
    """One step: the name of an aggregation, and the key of a bucket or the name of one of its numbers."""

    name: str
    key: str | None = None


def parse_path(path: str) -> tuple[PathElement, ...]:
    """Take a path apart. Raises an ``aggregation_execution_exception`` failure for what is none."""
    words = [word for word in path.split(">") if word]
    if not words:
        raise invalid_path(f"Invalid path element [{path}] in path [{path}]")
    last = len(words) - 1
    return tuple(_element(path, word, is_last=place == last) for place, word in enumerate(words))


def words_of(elements: tuple[PathElement, ...]) -> list[str]:
    """Answer names and keys one after another."""
    words = []
    for element in elements:
        words.append(element.name)
        if element.key is not None:
            words.append(element.key)
    return words


def is_quoted(word: str) -> bool:
    """Tell whether a word is the key of a bucket."""
    return len(word) > 1 and word.startswith("'") and word.endswith("'")


def invalid_path(reason: str) -> Failure:
    """Answer the failure for a path that leads to no number (400)."""
    return Failure(FailureKind.INVALID_REQUEST, "aggregation_execution_exception", reason)


def _element(path: str, word: str, *, is_last: bool) -> PathElement:
    bracket = word.rfind("[")
    if bracket >= 0:
        if bracket == 0 or bracket > len(word) - 3 or not word.endswith("]"):
            raise invalid_path(f"Invalid path element [{word}] in path [{path}]")
        return PathElement(word[:bracket], word[bracket + 1 : -1])
    dot = word.rfind(".") if is_last else -1
    if dot < 0:
        return PathElement(word)
    if dot == 0 or dot > len(word) - 2:
        raise invalid_path(f"Invalid path element [{word}] in path [{path}]")
    return PathElement(word[:dot], word[dot + 1 :])
