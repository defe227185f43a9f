"""What ``action.destructive_requires_name`` asks of actions that would take away more than was meant."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.errors import illegal_argument
from isthmus.names import is_wildcard


def require_names(expressions: Sequence[str], *, needed: bool) -> None:
    """Return if only names are given, or ``needed`` is False; raises a 400 failure for a wildcard."""
    if needed and (not expressions or any(each == "_all" or is_wildcard(each) for each in expressions)):
        raise illegal_argument("Wildcard expressions or all indices are not allowed")
