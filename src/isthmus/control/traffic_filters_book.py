"""Where rule sets take effect: the door asks this book, nodes read what it writes for them.

A record that has changed is followed by :meth:`FilterBook.refresh`. It writes the file
``traffic-filter.json`` of each deployment concerned, which the node watches to cut open connections; then
the door decides by the new filters. In this order a node never refuses whom the door lets in since.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from isthmus.control.layout import EnvironmentLayout
from isthmus.control.records import Deployment, DeploymentRecords
from isthmus.control.traffic_filter_rules import OPEN, RuleSet, TrafficFilter, TrafficGuard, filter_of
from isthmus.control.traffic_filters_records import Association, TrafficFilterRecords
from isthmus.errors import Failure, FailureKind
from isthmus.security.private_files import write_private

logger = logging.getLogger(__name__)

_NO_FILTER: Final = TrafficGuard()


class FilterBook:
    """The filters of all deployments as they hold now. Satisfies :class:`isthmus.door.routing.Filters`."""

    def __init__(
        self, layout: EnvironmentLayout, records: TrafficFilterRecords, deployments: DeploymentRecords
    ) -> None:
        self._layout = layout
        self._records = records
        self._deployments = deployments
        self._refreshing = asyncio.Lock()
        self._guards: dict[str, TrafficGuard] = {}
        self._watchers: list[Callable[[], None]] = []

    def guard_of(self, cluster_id: str) -> TrafficGuard:
        """Answer what decides about connections to this cluster."""
        return self._guards.get(cluster_id, _NO_FILTER)

    def watch(self, on_change: Callable[[], None]) -> None:
        """Have the function called after every refresh; it must not raise."""
        self._watchers.append(on_change)

    async def refresh(self) -> None:
        """Take over what the records say now.

        Raises a failure where a node's file cannot be written: the door decides by the new filters all
        the same, and open connections follow at the next refresh that succeeds.
        """
        async with self._refreshing:
            rule_sets = {rule_set.id: rule_set for rule_set in await self._records.all()}
            sets_of = sets_of_deployments(rule_sets, await self._records.associations())
            deployments = await self._deployments.all()
            guards = await asyncio.to_thread(self._make_guards, deployments, sets_of)
            files = {
                self._layout.deployment(each.id).traffic_filter: guards[each.cluster_id].filter
                for each in deployments
            }
            failed = await asyncio.to_thread(_write_files, files)
            self._guards = guards
            for on_change in self._watchers:
                on_change()
        if failed is not None:
            raise Failure(
                FailureKind.INTERNAL,
                "traffic_filter.not_applied",
                f"the change is kept, but open connections do not follow it: {failed.strerror}; repeat it",
            )

    def _make_guards(
        self, deployments: Iterable[Deployment], sets_of: Mapping[str, tuple[RuleSet, ...]]
    ) -> dict[str, TrafficGuard]:
        """Answer the guard of each cluster: the one that is there already where nothing has changed."""
        guards: dict[str, TrafficGuard] = {}
        for deployment in deployments:
            traffic_filter = filter_of(sets_of.get(deployment.id, ()))
            known = self._guards.get(deployment.cluster_id)
            is_same = known is not None and known.filter == traffic_filter
            guards[deployment.cluster_id] = known if known and is_same else TrafficGuard(traffic_filter)
        return guards


def sets_of_deployments(
    rule_sets: Mapping[str, RuleSet], associations: Iterable[Association]
) -> dict[str, tuple[RuleSet, ...]]:
    """Answer the rule sets of each deployment that has any, by its id."""
    found: dict[str, list[RuleSet]] = {}
    for association in associations:
        rule_set = rule_sets.get(association.rule_set_id)
        if rule_set is not None:
            found.setdefault(association.deployment_id, []).append(rule_set)
    return {deployment_id: tuple(sets) for deployment_id, sets in found.items()}


def decode_traffic_filter(content: bytes) -> TrafficFilter:
    """Answer what a node's file says; raises :class:`ValueError` where it is not valid.

    Only an empty object lets everybody in: a member that is unknown or absent must not.
    """
    members = msgspec.json.decode(content, type=dict[str, Any])
    closes = members.get("is_open") is False and members.keys() <= {"is_open", "sources", "callers"}
    if members and not closes:
        raise ValueError("the file does not say whom alone it lets in")
    traffic_filter = msgspec.json.decode(content, type=TrafficFilter)
    TrafficGuard(traffic_filter)  # a source that is no address raises here
    return traffic_filter


def _write_files(files: Mapping[Path, TrafficFilter]) -> OSError | None:
    """Write those that differ; answer the last failure, which keeps none of the others from being written."""
    failed: OSError | None = None
    for path, traffic_filter in files.items():
        try:
            _write_file(path, traffic_filter)
        except OSError as error:
            logger.error("traffic filter not written", extra={"path": str(path), "error": error.strerror})  # noqa: TRY400 - the text says it
            failed = error
    return failed


def _write_file(path: Path, traffic_filter: TrafficFilter) -> None:
    content = msgspec.json.encode(traffic_filter)
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        if traffic_filter == OPEN or not path.parent.is_dir():
            return  # nothing to say; or the deployment is being deleted
        before = b""
    if content != before:
        write_private(path, content)
