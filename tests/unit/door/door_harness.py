"""The deployments that a tested door knows."""

from __future__ import annotations

from isthmus.door.routing import NodeAddress

DOMAIN = "hosted.localhost"


class KnownNodes:
    """The door's view of deployments, set by the test."""

    def __init__(self) -> None:
        self.running: dict[str, NodeAddress] = {}
        self.stopped: set[str] = set()

    def exists(self, cluster_id: str) -> bool:
        return cluster_id in self.running or cluster_id in self.stopped

    def running_or_none(self, cluster_id: str) -> NodeAddress | None:
        return self.running.get(cluster_id)
