"""The one place that decides whether a request to a remote cluster is sent again. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

from isthmus.remotes.protocol import IDEMPOTENT_ACTIONS, Action

MAXIMUM_ATTEMPTS: Final = 2


class AttemptEnd(Enum):
    """How an attempt ended without an answer that can be used."""

    #: a connection that had idled turned out to be closed: no byte of an answer came
    IDLE_CONNECTION_WAS_CLOSED = "idle connection was closed"
    #: a connection opened for this very request was closed, or an answer broke off
    CONNECTION_LOST = "connection lost"
    #: the key was not accepted, and another is configured by now
    KEY_WAS_REPLACED = "key was replaced"
    #: the far side answered: that is its answer, whatever it says
    ANSWERED = "answered"


_WORTH_REPEATING: Final = frozenset({AttemptEnd.IDLE_CONNECTION_WAS_CLOSED, AttemptEnd.KEY_WAS_REPLACED})


def may_repeat(action: Action, attempts_made: int, end: AttemptEnd) -> bool:
    """Tell whether to send the request once more, on a fresh connection.

    A peer may close an idle connection in the very moment in which we use it, and a key may be replaced
    while a request that carries the old one is on its way: neither says anything about the request.
    Every other failure is the caller's to know: repeating it would double the load on a remote in trouble.
    """
    return attempts_made < MAXIMUM_ATTEMPTS and action in IDEMPOTENT_ACTIONS and end in _WORTH_REPEATING
