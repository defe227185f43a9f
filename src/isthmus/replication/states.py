"""What a follower may be doing, and what takes it from one state to another. One table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from isthmus.errors import illegal_argument


class FollowerState(Enum):
    """What a follower is doing."""

    LOCATING = "locating"
    """Asks the leader who it is and how far its history goes back."""
    COPYING = "copying"
    """Takes over the leader's documents, chunk by chunk."""
    FOLLOWING = "following"
    """Takes over operations as they happen."""
    PAUSED = "paused"
    FAILED = "failed"
    """Stopped by a failure that trying again does not mend; paused and resumed by hand."""


class FollowerEvent(Enum):
    """What can happen to a follower."""

    HISTORY_FOUND = "history found"
    COPY_NEEDED = "copy needed"
    CHUNK_COPIED = "chunk copied"
    COPIED = "copied"
    APPLIED = "applied"
    RETRYABLE_FAILURE = "retryable failure"
    FATAL_FAILURE = "fatal failure"
    HISTORY_LOST = "history lost"
    COPY_AGAIN = "copy again"
    """The history is lost, and the cluster's policy is to begin anew."""
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    """The node that follows started."""


class HistoryLossPolicy(Enum):
    """What happens to a follower whose next operations the leader forgot."""

    FAIL = "fail"
    REBOOTSTRAP = "rebootstrap"


_S = FollowerState
_E = FollowerEvent

_RUNNING_ENDS: Final = {_E.PAUSE: _S.PAUSED, _E.FATAL_FAILURE: _S.FAILED, _E.RESTART: _S.LOCATING}

TRANSITIONS: Final[Mapping[FollowerState, Mapping[FollowerEvent, FollowerState]]] = MappingProxyType(
    {
        _S.LOCATING: {
            **_RUNNING_ENDS,
            _E.HISTORY_FOUND: _S.FOLLOWING,
            _E.COPY_NEEDED: _S.COPYING,
            _E.RETRYABLE_FAILURE: _S.LOCATING,
            _E.HISTORY_LOST: _S.FAILED,
            _E.COPY_AGAIN: _S.COPYING,
        },
        _S.COPYING: {
            **_RUNNING_ENDS,
            _E.CHUNK_COPIED: _S.COPYING,
            _E.COPIED: _S.FOLLOWING,
            _E.RETRYABLE_FAILURE: _S.COPYING,
            _E.HISTORY_LOST: _S.FAILED,
            _E.COPY_AGAIN: _S.COPYING,
        },
        _S.FOLLOWING: {
            **_RUNNING_ENDS,
            _E.APPLIED: _S.FOLLOWING,
            _E.RETRYABLE_FAILURE: _S.FOLLOWING,
            _E.HISTORY_LOST: _S.FAILED,
            _E.COPY_AGAIN: _S.COPYING,
        },
        _S.PAUSED: {_E.RESUME: _S.LOCATING, _E.RESTART: _S.PAUSED},
        _S.FAILED: {_E.PAUSE: _S.PAUSED, _E.RESTART: _S.FAILED},
    }
)
"""The state after an event. An event that a state has no entry for cannot happen in it."""


def next_state(state: FollowerState, event: FollowerEvent) -> FollowerState:
    """Answer the state after an event; 400 for an event that the state does not allow."""
    after = TRANSITIONS[state].get(event)
    if after is None:
        raise illegal_argument(f"a follower that is [{state.value}] does not take [{event.value}]")
    return after


def event_of_lost_history(policy: HistoryLossPolicy) -> FollowerEvent:
    """Answer what it means that the leader forgot what the follower needs next."""
    return FollowerEvent.COPY_AGAIN if policy is HistoryLossPolicy.REBOOTSTRAP else FollowerEvent.HISTORY_LOST
