"""A value that must not be seen by accident."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Text that no log, error or debugger's listing shows; ask for it with :meth:`reveal`.

    Compared in constant time; neither hashed nor pickled, so that it lands in no cache or dump.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Answer the text itself. Every call of this is a place to review."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(::redacted::)"

    def __str__(self) -> str:
        return "::redacted::"

    def __format__(self, _specification: str) -> str:
        return "::redacted::"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would invite use as a key

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
