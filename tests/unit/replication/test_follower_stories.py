"""The states of a follower, told as stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.errors import Failure
from isthmus.replication.states import (
    TRANSITIONS,
    FollowerEvent,
    FollowerState,
    HistoryLossPolicy,
    event_of_lost_history,
    next_state,
)

STORIES = Path(__file__).parents[2] / "stories" / "replication_states.txt"


def stories() -> dict[str, list[str]]:
    """Read the file: the lines of each story by its title."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in STORIES.read_text().splitlines():
        if line.startswith("story: "):
            title = line.removeprefix("story: ")
            found[title] = []
        elif line.strip() and not line.startswith("#"):
            found[title].append(line)
    return found


def event_named(text: str) -> FollowerEvent:
    """Read an event, or a loss of history under one of the policies."""
    if text.startswith("lost under "):
        return event_of_lost_history(HistoryLossPolicy(text.removeprefix("lost under ")))
    return FollowerEvent(text)


@pytest.mark.parametrize("title", stories())
def test_a_follower_goes_through_its_story(title: str) -> None:
    """Every step leads to the state that the story says, or is refused and changes nothing."""
    beginning, *steps = stories()[title]
    state = FollowerState(beginning.removeprefix("begins "))
    assert steps
    for step in steps:
        event, _, expected = step.partition(" -> ")
        if expected == "refused":
            with pytest.raises(Failure, match="does not take"):
                next_state(state, event_named(event))
        else:
            state = next_state(state, event_named(event))
            assert state is FollowerState(expected), step


def test_every_state_can_be_reached_and_left() -> None:
    """No state is a trap: from each there is a way to following."""
    assert set(TRANSITIONS) == set(FollowerState)
    for start in FollowerState:
        reached = {start}
        while True:
            more = {after for state in reached for after in TRANSITIONS[state].values()} - reached
            if not more:
                break
            reached |= more
        assert FollowerState.FOLLOWING in reached
