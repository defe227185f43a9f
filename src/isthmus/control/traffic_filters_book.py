"""Where rule sets take effect: the door asks this book, nodes read what it writes for them.

A record that has changed is followed by :meth:`FilterBook.refresh`. From its first instant the
door decides by the new filters; then each node concerned finds its own in the file
``traffic-filter.json`` of its folder, which it watches, and cuts open connections by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from isthmus.control.layout import EnvironmentLayout
from isthmus.control.private_files import write_private
from isthmus.control.records import DeploymentRecords
from isthmus.control.traffic_filter_rules import OPEN, RuleSet, TrafficFilter, TrafficGuard, filter_of
from isthmus.control.traffic_filters_records import Association, TrafficFilterRecords
from isthmus.errors import Failure, FailureKind

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

        Raises a failure where a node's file cannot be written: the door decides by the new filters
        already, and open connections follow at the next refresh that succeeds.
        """
        async with self._refreshing:
            rule_sets = {rule_set.id: rule_set for rule_set in await self._records.all()}
            sets_of = sets_of_deployments(rule_sets, await self._records.associations())
            guards: dict[str, TrafficGuard] = {}
            files: dict[Path, TrafficFilter] = {}
            for deployment in await self._deployments.all():
                traffic_filter = filter_of(sets_of.get(deployment.id, ()))
                files[self._layout.deployment(deployment.id).traffic_filter] = traffic_filter
                known = self._guards.get(deployment.cluster_id)
                changed = known is None or known.filter != traffic_filter
                guards[deployment.cluster_id] = TrafficGuard(traffic_filter) if changed else known  # type: ignore[assignment]  # known is there
            self._guards = guards
            for on_change in self._watchers:
                on_change()
            await asyncio.to_thread(_write_files, files)


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
    """Answer what a node's file says; raises :class:`ValueError` where it is not valid."""
    traffic_filter = msgspec.json.decode(content, type=TrafficFilter)
    TrafficGuard(traffic_filter)  # a source that is no address raises here
    return traffic_filter


def _write_files(files: Mapping[Path, TrafficFilter]) -> None:
    """Write those that differ; one that fails does not keep the others from being written."""
    failed: OSError | None = None
    for path, traffic_filter in files.items():
        try:
            _write_file(path, traffic_filter)
        except OSError as error:
            logger.error("traffic filter not written", extra={"path": str(path), "error": error.strerror})  # noqa: TRY400 - told below
            failed = error
    if failed is not None:
        raise Failure(
            FailureKind.INTERNAL,
            "traffic_filter.not_applied",
            f"the change is kept, but open connections do not follow it: {failed.strerror}; repeat it",
        )


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
