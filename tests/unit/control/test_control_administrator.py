"""Who may use the platform API: the password and its sessions."""

from __future__ import annotations

import pytest

from isthmus.control.administrator import SESSION_SECONDS, Administrator, hash_password
from isthmus.errors import Failure, FailureKind

HASH = hash_password("right horse")


class ManualClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> ManualClock:
    """Answer a clock that stands."""
    return ManualClock()


@pytest.fixture
def administrator(clock: ManualClock) -> Administrator:
    """Answer an administrator whose password is known."""
    return Administrator(HASH, clock)


async def test_the_right_password_is_let_in(administrator: Administrator) -> None:
    """Again and again."""
    for _ in range(3):
        await administrator.verify_password("admin", "right horse")


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("admin", "wrong"),
        ("admin", ""),
        ("elastic", "right horse"),
        ("", ""),
        ("admin", "x" * 100_000),
    ],
)
async def test_anything_else_is_not(administrator: Administrator, username: str, password: str) -> None:
    """With one text for all of them."""
    with pytest.raises(Failure) as refused:
        await administrator.verify_password(username, password)
    assert refused.value.kind is FailureKind.UNAUTHENTICATED
    assert refused.value.reason == "the supplied authentication is invalid"


async def test_a_session_ends_after_its_hour(administrator: Administrator, clock: ManualClock) -> None:
    """And not before."""
    token, ends_milliseconds = await administrator.log_in("admin", "right horse")
    assert ends_milliseconds == (1000 + SESSION_SECONDS) * 1000
    clock.seconds += SESSION_SECONDS - 1
    administrator.verify_token(token)
    clock.seconds += 1
    with pytest.raises(Failure, match="expired"):
        administrator.verify_token(token)


async def test_a_refreshed_token_replaces_the_old_one(administrator: Administrator) -> None:
    """The old one is worth nothing from then on; so is one that was logged out."""
    old, _ = await administrator.log_in("admin", "right horse")
    new, _ = administrator.refresh(old)
    administrator.verify_token(new)
    for dead in (old, "", "junk \udcff"):
        with pytest.raises(Failure):
            administrator.refresh(dead)
    administrator.log_out(new)
    administrator.log_out(new)
    with pytest.raises(Failure):
        administrator.verify_token(new)
