"""What the rule sets need of whoever keeps them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from isthmus.control.traffic_filter_rules import RuleSet
from isthmus.exchange import Record


class Association(Record, frozen=True, kw_only=True):
    """A rule set that a deployment has."""

    rule_set_id: str
    deployment_id: str


class TrafficFilterRecords(Protocol):
    """Keeps rule sets and associations. Every write is durable once it returns.

    The associations of a rule set or deployment that is removed go with it.
    """

    async def all(self) -> tuple[RuleSet, ...]:
        """Answer all rule sets, the oldest first."""
        ...

    async def find_or_none(self, rule_set_id: str) -> RuleSet | None:
        """Answer the rule set of that id."""
        ...

    async def add(self, rule_set: RuleSet) -> None:
        """Keep a new rule set."""
        ...

    async def replace(self, rule_set: RuleSet) -> None:
        """Keep another version of a rule set that is there."""
        ...

    async def remove(self, rule_set_id: str) -> None:
        """Forget the rule set; one that is not there is no error."""
        ...

    async def associations(self) -> tuple[Association, ...]:
        """Answer all associations, the oldest first."""
        ...

    async def associate(self, rule_set_ids: Collection[str], deployment_id: str) -> bool:
        """Keep associations; answer False, and change nothing, where all of them are kept already."""
        ...

    async def dissociate(self, rule_set_id: str, deployment_id: str) -> bool:
        """Forget an association; answer whether there was one."""
        ...
