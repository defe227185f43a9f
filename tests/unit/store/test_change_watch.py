"""What a node reads again after versions and notifications."""

from __future__ import annotations

import pytest

from isthmus.store.change_watch import OFTEN_SECONDS, SELDOM_SECONDS, ChangeWatch, Topic, payload_of


@pytest.fixture
def watch() -> ChangeWatch:
    """Answer one that has looked once."""
    watch = ChangeWatch("n1")
    assert watch.looked({"security": 3, "settings": 1}) == {Topic.SECURITY, Topic.SETTINGS}
    return watch


@pytest.mark.parametrize(
    ("payload", "changed"),
    [
        (payload_of(Topic.SECURITY, 4), {Topic.SECURITY}),
        (payload_of(Topic.SECURITY, 3), set()),
        (payload_of(Topic.SCRIPTS, 1), {Topic.SCRIPTS}),
        ("security:", set()),
        ("security:x", set()),
        ("later:4", set()),
        ("probe:n2", set()),
        ("", set()),
    ],
)
def test_a_notification_tells_what_is_new(watch: ChangeWatch, payload: str, changed: set[Topic]) -> None:
    """A version seen already, and what is not understood, is nothing to read."""
    assert watch.notified(payload) == changed
    assert watch.notified(payload) == set()


def test_a_look_finds_what_no_notification_told(watch: ChangeWatch) -> None:
    """Also a version that went back: the database was restored."""
    assert watch.looked({"security": 3, "settings": 2}) == {Topic.SETTINGS}
    assert watch.looked({"security": 2, "settings": 2}) == {Topic.SECURITY}


def test_versions_are_looked_at_often_until_notifications_come_through(watch: ChangeWatch) -> None:
    """Its own probe shows that, until the connection is another one."""
    assert watch.look_again_seconds == OFTEN_SECONDS
    watch.notified("probe:n2")
    assert watch.look_again_seconds == OFTEN_SECONDS
    watch.notified(watch.probe)
    assert watch.look_again_seconds == SELDOM_SECONDS
    watch.connected()
    assert watch.look_again_seconds == OFTEN_SECONDS


def test_what_could_not_be_read_is_told_again(watch: ChangeWatch) -> None:
    """A failure to read is no end of it."""
    watch.missed(Topic.SECURITY)
    assert watch.looked({"security": 3, "settings": 1}) == {Topic.SECURITY}
