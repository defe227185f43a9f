"""The audit log of a node, opened: where its lines go and what each of them says of the place."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from isthmus.app.audit_log import AuditLog
from isthmus.clock import Clock
from isthmus.exchange import JsonObject
from isthmus.remotes.records import NodeIdentity
from isthmus.security.audit import Audit


class NoAuditLog:
    """Where a node without a file writes: nowhere."""

    def write(self, line: JsonObject) -> None:
        """Take a line."""


def open_audit(path: Path | None, identity: NodeIdentity, clock: Clock, stack: AsyncExitStack) -> Audit:
    """Answer the audit of this node; what was taken is written when the stack unwinds.

    Enter it before whatever has requests: those that end last are still to be written.
    """
    place = {
        "cluster.name": identity.cluster_name,
        "cluster.uuid": identity.cluster_id,
        "node.name": identity.node_name,
        "node.id": identity.node_id,
    }
    if path is None:
        return Audit(NoAuditLog(), place, clock)
    log = AuditLog(path)
    stack.push_async_callback(asyncio.to_thread, log.close)
    return Audit(log, place, clock)
