"""Which of two keys is used, when the next is tried, and when expiry is warned of: without a network."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.remotes.key_expiry import ExpiryWarning, expires_soon
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.rotation import KeyRotation, KeyUses, key_id_of
from isthmus.security.api_key_secrets import encode_credentials
from isthmus.security.secret import Secret

REFUSED = PhaseFailure(Phase.AUTHENTICATE, "unable to authenticate user", refused=True)
BROKEN = PhaseFailure(Phase.CONNECT, "connection refused")


def key(name: str) -> Secret:
    """Make an encoded key of this id."""
    return Secret(encode_credentials(name, Secret("s3cret-of-" + name)))


OLD, NEW, OTHER = key("old"), key("new"), key("other")


def used(rotation: KeyRotation) -> str | None:
    """Answer the id of the key in use."""
    return None if rotation.in_use is None else key_id_of(rotation.in_use)


def test_the_next_key_is_used_once_it_is_accepted() -> None:
    """Until then requests carry the current one; afterwards the current one may be taken out."""
    rotation = KeyRotation(OLD, NEW)
    assert used(rotation) == "old"
    assert rotation.on_trial is NEW
    rotation.accepted(NEW)
    assert used(rotation) == "new"
    assert rotation.trial_due_seconds is None
    rotation.set(key("new"), None, 5.0)
    assert rotation.in_use is NEW
    assert rotation.to_json() == {"in_use": "new", "current": {"id": "new"}}


def test_a_next_key_that_is_refused_harms_nobody() -> None:
    """The current one stays, the reason is told, and the next is tried again after a pause."""
    rotation = KeyRotation(OLD, NEW)
    assert rotation.trial_due_seconds == 0.0
    rotation.trial_failed(NEW, REFUSED, 10.0, 0.0)
    assert used(rotation) == "old"
    assert rotation.trial_due_seconds == 11.0
    assert rotation.to_json()["next"] == {
        "id": "new",
        "state": "refused",
        "reason": "unable to authenticate user",
    }
    rotation.accepted(NEW)
    assert used(rotation) == "new"


def test_a_trial_that_breaks_off_is_no_refusal() -> None:
    """It is made again soon, and says so."""
    rotation = KeyRotation(OLD, NEW)
    rotation.trial_failed(NEW, BROKEN, 10.0, 0.0)
    assert rotation.to_json()["next"] == {"id": "new", "state": "untried", "reason": "connection refused"}
    assert rotation.trial_due_seconds == pytest.approx(10.1)


def test_a_key_in_use_that_is_refused_gives_way_to_the_other() -> None:
    """From the next back to the current; from the current to an untried next; never in circles."""
    rotation = KeyRotation(OLD, NEW)
    rotation.accepted(NEW)
    assert rotation.refused(NEW, REFUSED, 1.0, 0.0)
    assert used(rotation) == "old"
    assert not rotation.refused(OLD, REFUSED, 2.0, 0.0)
    assert used(rotation) == "old"
    untried = KeyRotation(OLD, NEW)
    assert untried.refused(OLD, REFUSED, 1.0, 0.0)
    assert used(untried) == "new"
    assert untried.refused(OLD, REFUSED, 1.0, 0.0)  # a request that was under way with the old one
    assert used(untried) == "new"
    assert untried.refused(NEW, REFUSED, 2.0, 0.0)
    assert not untried.refused(OLD, REFUSED, 3.0, 0.0)
    alone = KeyRotation(OLD, None)
    assert not alone.refused(OLD, REFUSED, 1.0, 0.0)


CHANGES: list[tuple[list[tuple[Any, Any]], str | None, str | None]] = [
    ([(OLD, None)], "old", None),
    ([(None, None)], None, None),
    ([(None, NEW)], "new", None),
    ([(OLD, OLD)], "old", None),
    ([(OLD, NEW), (OLD, None)], "old", None),
    ([(OLD, NEW), (OLD, OTHER)], "old", "other"),
    ([(OLD, NEW), (OTHER, NEW)], "other", "new"),
    ([(OLD, NEW), (NEW, None)], "new", None),
]


@pytest.mark.parametrize(("steps", "in_use", "on_trial"), CHANGES)
def test_the_keystore_decides_which_keys_there_are(
    steps: list[tuple[Any, Any]], in_use: str | None, on_trial: str | None
) -> None:
    """Whatever changes in the keystore, exactly the keys in it are used and tried."""
    rotation = KeyRotation(None, None)
    for current, following in steps:
        rotation.set(current, following, 0.0)
    assert used(rotation) == in_use
    assert (None if rotation.on_trial is None else key_id_of(rotation.on_trial)) == on_trial


def test_what_is_known_of_a_key_stays_when_the_other_changes() -> None:
    """An accepted next key stays in use while the current one is replaced or removed."""
    rotation = KeyRotation(OLD, NEW)
    rotation.accepted(NEW)
    rotation.set(OTHER, key("new"), 0.0)
    assert rotation.in_use is NEW
    rotation.set(None, key("new"), 0.0)
    assert rotation.in_use is NEW
    rotation.set(OTHER, None, 0.0)
    assert used(rotation) == "other"


def test_a_verdict_on_a_key_that_is_gone_changes_nothing() -> None:
    """A trial may end after its key was taken out."""
    rotation = KeyRotation(OLD, NEW)
    rotation.set(OLD, OTHER, 0.0)
    rotation.accepted(NEW)
    rotation.trial_failed(NEW, REFUSED, 0.0, 0.0)
    assert used(rotation) == "old"
    assert rotation.to_json()["next"] == {"id": "other", "state": "untried"}


def test_uses_are_counted_by_the_public_part_of_the_key() -> None:
    """Nothing of the secret is told, and keys that are long gone are forgotten."""
    uses = KeyUses()
    uses.of(OLD).sent += 2
    uses.of(OLD).refused += 1
    assert uses.to_json() == {"old": {"sent": 2, "refused": 1, "under_way": 0}}
    assert "s3cret" not in str(uses.to_json())
    for number in range(20):
        uses.of(key(f"k{number}")).sent += 1
    assert len(uses.to_json()) == 8
    assert key_id_of(Secret("junk")) == ""


DAY = 86_400_000


def test_expiry_is_warned_of_ahead_and_not_too_often() -> None:
    """From a week on once a day, in the last day once an hour, anew for another key or expiration."""
    warning = ExpiryWarning()
    expires = 100 * DAY
    assert not warning.is_due("k", expires, expires - 8 * DAY)
    assert warning.is_due("k", expires, expires - 6 * DAY)
    assert not warning.is_due("k", expires, expires - 5 * DAY - 1)
    assert warning.is_due("k", expires, expires - 5 * DAY)
    assert warning.is_due("k", expires, expires - DAY + 1)
    assert not warning.is_due("k", expires, expires - DAY + 2)
    assert warning.is_due("k", expires, expires - DAY + 3_600_001)
    assert warning.is_due("other", expires, expires - DAY + 3_600_002)
    assert warning.is_due("other", expires + 1, expires - DAY + 3_600_003)
    assert expires_soon(expires, expires + 1)
