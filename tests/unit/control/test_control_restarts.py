"""When a node is started again: the table of the policy."""

from __future__ import annotations

import pytest

from isthmus.control.restarts import RestartPolicy

POLICY = RestartPolicy()


@pytest.mark.parametrize(
    ("failures", "delay_seconds"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (8, 30.0), (100_000, 30.0)],
)
def test_delays_double_up_to_the_longest(failures: int, delay_seconds: float) -> None:
    """And never overflow."""
    assert POLICY.delay_seconds(failures) == delay_seconds


@pytest.mark.parametrize(
    ("before", "ran_seconds", "after"),
    [(0, 0.1, 1), (0, 3600.0, 1), (4, 0.1, 5), (4, 59.9, 5), (4, 60.0, 1)],
)
def test_a_stable_while_is_forgiven(before: int, ran_seconds: float, after: int) -> None:
    """An end after it counts as the first."""
    assert POLICY.failures_after(before, ran_seconds) == after


def test_a_node_that_fails_at_the_longest_delay_never_counts_as_stable() -> None:
    """So that it is not hammered again and again."""
    assert POLICY.stable_after_seconds > POLICY.longest_delay_seconds
