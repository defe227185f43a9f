"""What can be done with rule sets: one method a use case. Changes happen one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from isthmus.clock import Clock
from isthmus.control.addresses import Address
from isthmus.control.failures import deployment_not_found, invalid_field
from isthmus.control.identity import new_hex_id
from isthmus.control.records import DeploymentRecords
from isthmus.control.traffic_filter_rules import (
    MAXIMUM_RULE_SETS,
    FilterType,
    PortKind,
    Rule,
    RuleSet,
    TrafficGuard,
    filter_of,
)
from isthmus.control.traffic_filters_book import FilterBook, sets_of_deployments
from isthmus.control.traffic_filters_records import TrafficFilterRecords
from isthmus.errors import Failure, FailureKind


@dataclass(frozen=True, slots=True)
class WantedRuleSet:
    """What a caller says of a rule set: all of it, each time."""

    name: str
    type: FilterType
    region: str
    rules: tuple[Rule, ...]
    include_by_default: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who changes something: their address where one is known, and whether they insist."""

    address: Address | None = None
    force: bool = False


class TrafficFilters:
    """The rule sets of one environment.

    A change after which a deployment that lets the caller's address in now would not do so any
    longer is refused unless the caller insists. Callers without an address (the control socket)
    are not asked: they can undo whatever they did.
    """

    def __init__(
        self, records: TrafficFilterRecords, deployments: DeploymentRecords, book: FilterBook, clock: Clock
    ) -> None:
        self._records = records
        self._deployments = deployments
        self._book = book
        self._clock = clock
        self._changing = asyncio.Lock()

    async def all(self) -> tuple[RuleSet, ...]:
        """Answer all rule sets, the oldest first."""
        return await self._records.all()

    async def get(self, rule_set_id: str) -> RuleSet:
        """Answer one rule set; raises a 404 failure."""
        rule_set = await self._records.find_or_none(rule_set_id)
        if rule_set is None:
            raise rule_set_not_found(rule_set_id)
        return rule_set

    async def deployments_by_rule_set(self) -> dict[str, tuple[str, ...]]:
        """Answer the ids of the deployments that have each rule set, by its id."""
        found: dict[str, list[str]] = {}
        for association in await self._records.associations():
            found.setdefault(association.rule_set_id, []).append(association.deployment_id)
        return {rule_set_id: tuple(ids) for rule_set_id, ids in found.items()}

    async def rule_sets_of(self, deployment_id: str) -> tuple[str, ...]:
        """Answer the ids of the rule sets of a deployment; none for one that does not exist."""
        associations = await self._records.associations()
        return tuple(each.rule_set_id for each in associations if each.deployment_id == deployment_id)

    async def create(self, wanted: WantedRuleSet) -> RuleSet:
        """Make a rule set; no deployment that exists has it yet."""
        async with self._changing:
            if len(await self._records.all()) >= MAXIMUM_RULE_SETS:
                raise Failure(
                    FailureKind.INVALID_REQUEST,
                    "traffic_filter.limit_exceeded",
                    f"there are {MAXIMUM_RULE_SETS} rule sets already, the most that an environment has",
                )
            made = RuleSet(
                id=new_hex_id(),
                created_milliseconds=self._clock.now_milliseconds(),
                **{name: getattr(wanted, name) for name in WantedRuleSet.__slots__},
            )
            await self._records.add(made)
        return made

    async def replace(self, rule_set_id: str, wanted: WantedRuleSet, caller: Caller) -> RuleSet:
        """Put these rules and facts in the place of the old ones; takes effect at once."""
        async with self._changing:
            known = await self.get(rule_set_id)
            changed = msgspec.structs.replace(
                known, **{name: getattr(wanted, name) for name in WantedRuleSet.__slots__}
            )
            for deployment_id, sets in (await self._sets_by_deployment()).items():
                after = [changed if each.id == rule_set_id else each for each in sets]
                _refuse_lockout(deployment_id, sets, after, caller)
            await self._records.replace(changed)
            await self._book.refresh()
        return changed

    async def delete(self, rule_set_id: str, caller: Caller, *, ignore_associations: bool) -> None:
        """Remove a rule set; raises a 400 failure while deployments have it, unless that is ignored."""
        async with self._changing:
            await self.get(rule_set_id)
            concerned = {
                deployment_id: sets
                for deployment_id, sets in (await self._sets_by_deployment()).items()
                if any(each.id == rule_set_id for each in sets)
            }
            if concerned and not ignore_associations:
                raise Failure(
                    FailureKind.INVALID_REQUEST,
                    "traffic_filter.has_associations",
                    f"rule set [{rule_set_id}] is associated with {len(concerned)} deployment(s): "
                    f"{', '.join(concerned)}; remove the associations first, or set ignore_associations",
                )
            for deployment_id, sets in concerned.items():
                _refuse_lockout(deployment_id, sets, _without(sets, rule_set_id), caller)
            await self._records.remove(rule_set_id)
            await self._book.refresh()

    async def associate(self, rule_set_id: str, deployment_id: str, caller: Caller) -> bool:
        """Let the rule set hold for the deployment; answer False where it does already."""
        async with self._changing:
            rule_set = await self.get(rule_set_id)
            await self._require_deployment(deployment_id)
            sets = (await self._sets_by_deployment()).get(deployment_id, ())
            _refuse_lockout(deployment_id, sets, (*_without(sets, rule_set_id), rule_set), caller)
            is_new = await self._records.associate((rule_set_id,), deployment_id)
            await self._book.refresh()
        return is_new

    async def dissociate(self, rule_set_id: str, deployment_id: str, caller: Caller) -> None:
        """Let the rule set no longer hold for the deployment; raises a 404 failure where it did not."""
        async with self._changing:
            await self.get(rule_set_id)
            sets = (await self._sets_by_deployment()).get(deployment_id, ())
            _refuse_lockout(deployment_id, sets, _without(sets, rule_set_id), caller)
            if not await self._records.dissociate(rule_set_id, deployment_id):
                raise Failure(
                    FailureKind.NOT_FOUND,
                    "traffic_filter.association_not_found",
                    f"rule set [{rule_set_id}] is not associated with [{deployment_id[:64]}]",
                )
            await self._book.refresh()

    async def require(self, rule_set_ids: Iterable[str], path: str) -> None:
        """Return if all of them exist; raises a 400 failure that names the member of the body."""
        for number, rule_set_id in enumerate(rule_set_ids):
            if await self._records.find_or_none(rule_set_id) is None:
                raise invalid_field(f"{path}[{number}]", f"no rule set has the id [{rule_set_id[:64]}]")

    async def associate_new(self, deployment_id: str, rule_set_ids: Sequence[str]) -> None:
        """Give a deployment that nobody uses yet these rule sets and those that all new ones get."""
        async with self._changing:
            known = await self._records.all()
            wanted = [each.id for each in known if each.include_by_default or each.id in rule_set_ids]
            if wanted:
                await self._records.associate(wanted, deployment_id)
                await self._book.refresh()

    async def _require_deployment(self, deployment_id: str) -> None:
        if await self._deployments.find_or_none(deployment_id) is None:
            raise deployment_not_found(deployment_id)

    async def _sets_by_deployment(self) -> dict[str, tuple[RuleSet, ...]]:
        rule_sets = {rule_set.id: rule_set for rule_set in await self._records.all()}
        return sets_of_deployments(rule_sets, await self._records.associations())


def rule_set_not_found(rule_set_id: str) -> Failure:
    """Answer the failure for a rule set that does not exist (404)."""
    return Failure(
        FailureKind.NOT_FOUND, "traffic_filter.not_found", f"no rule set has the id [{rule_set_id[:64]}]"
    )


def locks_out(before: Iterable[RuleSet], after: Iterable[RuleSet], address: Address | None) -> bool:
    """Answer whether this address is let in to the data API before a change and not after it. Pure."""
    if address is None:
        return False
    was, will_be = (
        TrafficGuard(filter_of(sets)).verdict(PortKind.DATA, address).is_denied for sets in (before, after)
    )
    return will_be and not was


def _refuse_lockout(
    deployment_id: str, before: Sequence[RuleSet], after: Sequence[RuleSet], caller: Caller
) -> None:
    if not caller.force and locks_out(before, after, caller.address):
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "traffic_filter.locks_out_caller",
            f"after this change your address [{caller.address}] could no longer reach deployment "
            f"[{deployment_id}]; add a rule that allows it, or set force=true",
        )


def _without(sets: Iterable[RuleSet], rule_set_id: str) -> tuple[RuleSet, ...]:
    return tuple(each for each in sets if each.id != rule_set_id)
