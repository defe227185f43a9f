"""Which versions may be searched from which: Elasticsearch's table for cross-cluster search. Pure.

The rule: the previous minor, the same, and every later minor of the same major; the last minor of a
major may also search every minor of the next one. What it leaves out may work and is not supported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.\d{1,6})?(?:[-+].*)?", re.ASCII)
#: the last minor of each major that has one; 9 is still growing
_LAST_MINOR: Final = {7: 17, 8: 19}
#: the oldest version whose cross-cluster API keys are supported, on both sides
OLDEST_WITH_KEYS: Final = "8.14"


@dataclass(frozen=True, slots=True, order=True)
class Minor:
    """A version as far as compatibility goes: ``9.2.1`` is (9, 2)."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def parse_minor(text: str) -> Minor | None:
    """Answer the version, None for a text that is none."""
    match = _VERSION.fullmatch(text)
    return None if match is None else Minor(int(match[1]), int(match[2]))


def may_search(local: Minor, remote: Minor) -> bool:
    """Tell whether a cluster of version ``local`` supports searching one of version ``remote``."""
    return remote in _EXCEPTIONS.get(local, frozenset()) or _follows_rule(local, remote)


def _follows_rule(local: Minor, remote: Minor) -> bool:
    if local == Minor(7, 17):
        # The one row of the table where the next major is open from its first minor to its last.
        return remote.major == 8 or remote == local  # noqa: PLR2004 - as the comment says
    if local.major == remote.major:
        return remote.minor >= local.minor - 1
    is_last = _LAST_MINOR.get(local.major) == local.minor
    return is_last and remote.major == local.major + 1


#: rows of the table beside the rule: a release that came out together with a minor of the next major, and
#: the first minor of a major with the last that was finished before it
_EXCEPTIONS: Final = {
    Minor(8, 0): frozenset({Minor(7, 17)}),
    Minor(8, 18): frozenset({Minor(9, 0)}),
    Minor(9, 0): frozenset({Minor(8, 18)}),
}
