"""The one account of an environment: whether its deployments trust one another from the start."""

from __future__ import annotations

from typing import Any, Final, Protocol

from isthmus.control.failures import invalid_field
from isthmus.exchange import JsonObject

_TRUST: Final = "account.trust"


class PlatformValues(Protocol):
    """Where single values of the platform are kept. Every write is durable once it returns."""

    async def find_or_none(self, name: str) -> JsonObject | None:
        """Answer the value of that name."""
        ...

    async def put(self, name: str, value: JsonObject) -> None:
        """Keep the value in place of any of that name."""
        ...


class Account:
    """The account's settings. What new deployments trust follows them; those there are stay as they are."""

    def __init__(self, account_id: str, values: PlatformValues) -> None:
        self.id = account_id
        self._values = values

    async def trust_all(self) -> bool:
        """Tell whether a new deployment trusts all others of the account."""
        kept = await self._values.find_or_none(_TRUST)
        return True if kept is None else bool(kept["trust_all"])

    async def change(self, *, trust_all: bool | None) -> None:
        """Keep whether new deployments trust all others; None leaves it as it is."""
        if trust_all is not None:
            await self._values.put(_TRUST, {"trust_all": trust_all})


def parse_account(body: Any) -> bool | None:
    """Answer ``trust.trust_all`` of a body, None where it is not there; raises a 400 failure."""
    if not isinstance(body, dict):
        raise invalid_field("(whole)", "must be an object")
    for name in body:
        if name != "trust":
            raise invalid_field(str(name)[:100], "unknown member")
    trust = body.get("trust")
    if trust is None:
        return None
    if not isinstance(trust, dict) or set(trust) != {"trust_all"} or not isinstance(trust["trust_all"], bool):
        raise invalid_field("trust", "must be an object with trust_all, which is true or false")
    return trust["trust_all"]
