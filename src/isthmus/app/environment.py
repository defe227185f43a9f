"""One environment, served: platform API, door and nodes, started in order and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from isthmus.app.door_audit import DoorAudit
from isthmus.app.environment_lock import locked
from isthmus.app.node_process import NodeProcessOptions
from isthmus.app.platform import PlatformParts, build_platform, open_database
from isthmus.app.platform_audit import open_platform_audit
from isthmus.app.run_folder import RunFolder, door_listeners, listen_on_ports, ports_of
from isthmus.app.server_context import following_server_context
from isthmus.app.supervisor import Supervisor
from isthmus.app.traffic_filters import build_traffic_filtering
from isthmus.clock import SystemClock
from isthmus.control.authorities import PROXY, UI, renew_server_certificates
from isthmus.control.deployment_folders import remove_leftovers
from isthmus.control.identity import region_of
from isthmus.control.layout import EnvironmentLayout
from isthmus.door.forwarding import Forwarder
from isthmus.door.listener import Door
from isthmus.rest.cloud.traffic_filters_egress import EgressPublisher
from isthmus.rest.limits import MEBIBYTE, HttpLimits
from isthmus.rest.serving import HttpServer
from isthmus.settings import EnvironmentSettings, Ports
from isthmus.store.environment_records import SqlDeploymentRecords
from isthmus.store.trust_relationship_records import SqlTrustRelationshipRecords

logger = logging.getLogger(__name__)

#: how the environment starts a node: this program again
NODE_COMMAND: Final = (sys.executable, "-m", "isthmus", "node")
#: a deployment with a hundred trusted authorities of twenty certificates each stays below it
_PLATFORM_LIMITS: Final = HttpLimits(
    max_content_bytes=8 * MEBIBYTE, max_buffered_bytes=64 * MEBIBYTE, max_discarded_bytes=16 * MEBIBYTE
)
_PLATFORM_STOP_SECONDS: Final = 5.0
#: nodes that need longer are told of as starting
_FIRST_ATTEMPTS_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Served:
    """An environment that is up; ``ports`` are those really in use."""

    settings: EnvironmentSettings
    ports: Ports


async def serve_environment(
    settings: EnvironmentSettings,
    *,
    announce: Callable[[Served], None],
    stop: asyncio.Event | None = None,
    options: NodeProcessOptions | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then stop the door, the nodes and the platform, in that order.

    ``announce`` is called once everything is up. Raises
    :class:`isthmus.settings_file.SettingsError` where it cannot start, with nothing left running.
    """
    stop = stop or asyncio.Event()
    layout = EnvironmentLayout(settings.directory)
    # What is entered last is left first: read the stack upwards to see the order of stopping.
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(layout))
        run_folder = RunFolder(layout)
        run_folder.prepare()
        stack.callback(run_folder.clear)
        listeners = listen_on_ports(settings)
        for listener in listeners.values():
            stack.callback(listener.close)
        ports = ports_of(listeners)
        settings = msgspec.structs.replace(settings, ports=ports)  # a 0 has become a number
        for name in renew_server_certificates(settings, datetime.now(UTC)):
            logger.info("certificate issued anew", extra={"server": name})
        remove_leftovers(layout)
        database = open_database(settings)
        stack.callback(database.close)
        records = SqlDeploymentRecords(database)
        clock = SystemClock()
        supervisor = Supervisor(
            settings,
            records,
            run_folder.sockets,
            options or NodeProcessOptions(NODE_COMMAND),
            clock,
            SqlTrustRelationshipRecords(database),
        )
        filtering = build_traffic_filtering(settings, database, records, clock)
        await filtering.book.refresh()
        audit, audit_log = open_platform_audit(settings, clock)
        stack.push_async_callback(asyncio.to_thread, audit_log.close)
        admission = filtering.admission(settings, DoorAudit(audit, clock))
        platform = build_platform(
            PlatformParts(settings, ports, database, records, supervisor, filtering.use_cases, clock, audit)
        )
        server = HttpServer(_PLATFORM_LIMITS)
        stack.push_async_callback(server.stop, _PLATFORM_STOP_SECONDS)
        published = EgressPublisher(platform.api, region_of(settings.kind), settings.egress_addresses)
        server.listen(listeners["platform"], _server_context(layout, UI), published)
        server.listen(run_folder.listen_for_control(), None, platform.trusted_api)
        forwarder = Forwarder(
            domain=settings.domain,
            nodes=supervisor,
            context=_server_context(layout, PROXY),
            admission=admission,
        )
        filtering.book.watch(forwarder.cut_denied)
        door = Door(
            domain=settings.domain,
            listeners=door_listeners(listeners),
            nodes=supervisor,
            end_tls=forwarder.serve,
            admission=admission,
        )
        parts = [await stack.enter_async_context(_running("supervisor", supervisor.run, stop))]
        for name, run in (("plans", platform.plans.run), ("remote clusters", platform.remotes.run)):
            parts.append(await stack.enter_async_context(_running(name, run, stop)))
        stack.push_async_callback(forwarder.close)
        parts.append(await stack.enter_async_context(_running("door", door.run, stop)))
        run_folder.write_ports(ports)
        _stop_at_signals(stop, stack)
        await _until_first_attempts(supervisor, stop)
        if not stop.is_set():
            announce(Served(settings, ports))
        await stop.wait()
        logger.info("environment stops")
    for part in parts:
        if not part.cancelled():
            part.result()  # a part that failed has ended the environment: tell why


def _server_context(layout: EnvironmentLayout, name: str) -> ssl.SSLContext:
    files = layout.server(name)
    return following_server_context(files.certificate, files.key)


@contextlib.asynccontextmanager
async def _running(
    name: str, run: Callable[[], Awaitable[None]], stop: asyncio.Event
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a part beside the block and end it after; a part that ends by itself rings ``stop``."""

    async def run_part() -> None:
        try:
            await run()
        finally:
            stop.set()

    task = asyncio.create_task(run_part(), name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _until_first_attempts(supervisor: Supervisor, stop: asyncio.Event) -> None:
    attempts = asyncio.create_task(supervisor.first_attempts())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(
            {attempts, stopping}, timeout=_FIRST_ATTEMPTS_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in (attempts, stopping):
            task.cancel()
        await asyncio.gather(attempts, stopping, return_exceptions=True)


def _stop_at_signals(stop: asyncio.Event, stack: AsyncExitStack) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
        stack.callback(loop.remove_signal_handler, number)
