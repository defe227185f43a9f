"""A node: everything that serves one deployment, built here and nowhere else.

The process is told by ``node.json`` (:class:`isthmus.settings.NodeSettings`). It prints one line of JSON
on standard output when it is ready, logs to standard error, and stops in order on SIGTERM, SIGINT
or the end of standard input (its supervisor is gone).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import uvloop

from isthmus.app import node_memory
from isthmus.app.node_audit import open_audit
from isthmus.app.node_logging import log_as_json
from isthmus.app.node_records import RecordsError, open_records
from isthmus.app.node_remotes import (
    StaticSettingsError,
    gateway_nodes,
    read_static_settings,
    settings_rules,
)
from isthmus.app.node_routes import NodeParts, build_data_api
from isthmus.app.node_searches import open_searches
from isthmus.app.node_shared_files import SharedFiles, shared_files
from isthmus.app.node_sharing import OneNodeOnlyError, OtherNodes, SharingParts, sharing, take_part
from isthmus.app.node_signing import build_signing
from isthmus.app.node_traffic_filter import FilteredPorts, NodeTrafficFilter, asking_context
from isthmus.app.node_transport import TransportPort
from isthmus.app.server_context import following_server_context
from isthmus.clock import SystemClock
from isthmus.control.addresses import Address
from isthmus.control.layout import DeploymentLayout
from isthmus.control.nodes import decode_node_settings
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.doctor.doctor import Doctor
from isthmus.door.handover import HandoverListener
from isthmus.door.routing import DoorPort
from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.remotes.transport_security import TransportFiles, TransportSecurity
from isthmus.remotes.trust import OwnCertificate, TrustedAuthorities
from isthmus.rest.audited import AuditedApplication
from isthmus.rest.http import HttpApplication
from isthmus.rest.remote.answers import Answers
from isthmus.rest.remote.gates import CertificateGate, KeyGate
from isthmus.rest.remote.interface import RemoteInterface
from isthmus.rest.serving import HttpServer
from isthmus.security.audit import REST, TRANSPORT
from isthmus.security.audit_connections import ConnectionAudit
from isthmus.security.keystore import Keystore
from isthmus.security.platform_caller import PlatformCaller
from isthmus.security.secret import Secret
from isthmus.security.service import bootstrap_elastic, build_security
from isthmus.security.signing import SignatureVerifier
from isthmus.settings import NodeSettings
from isthmus.store.cluster_settings import SqlClusterSettingsRecords
from isthmus.store.node_records import SharingNode, SqlNodeRecords
from isthmus.store.security_records import SqlSecurityRecords

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_SECONDS: Final = 5.0
_CONNECTIONS_WAITING: Final = 512


@dataclass(frozen=True, slots=True)
class Node:
    """The running parts that sockets are given to. ``data`` and ``remote`` answer different ports."""

    server: HttpServer
    transport: TransportPort
    data: HttpApplication
    #: the data API for the platform, which is its own credential
    platform: HttpApplication
    remote: HttpApplication
    tls_context: ssl.SSLContext
    filtered: FilteredPorts

    def take_over(self, port: DoorPort, connection: socket.socket, client: Address | None) -> None:
        """Serve a connection that the door handed over. Traffic filters are not for the certificate model."""
        if port is DoorPort.TRANSPORT:
            serving = asyncio.get_running_loop().create_task(self.transport.serve(connection, client))
            serving.add_done_callback(_log_unexpected)
            return
        application = self.data if port is DoorPort.DATA else self.remote
        task = asyncio.get_running_loop().create_task(
            self.filtered.serve(PortKind(port.value), connection, client, application)
        )
        task.add_done_callback(_log_unexpected)


def run_node(directory: Path) -> int:
    """Run the node of a deployment's folder until it is told to stop; answer the exit status."""
    log_as_json()
    settings = read_node_settings(directory)
    node_memory.tune_allocator()
    try:
        uvloop.run(_run(settings))
    except (StaticSettingsError, RecordsError, OneNodeOnlyError) as error:
        logger.error("node cannot start", extra={"reason": str(error)})  # noqa: TRY400 - the reason says it all
        return 1
    return 0


def read_node_settings(directory: Path) -> NodeSettings:
    """Read ``node.json``; raises ``msgspec.ValidationError`` for a file that is not one."""
    return decode_node_settings(DeploymentLayout(directory).node_settings.read_bytes())


async def _run(settings: NodeSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _stop_at_end_of_input(stop)
    async with contextlib.AsyncExitStack() as stack:
        node = await _build(settings, stack)
        handover = HandoverListener(settings.handover_socket_path, node.take_over)
        handover.start()
        stack.callback(handover.close)
        node.server.listen(_listen_on_unix_socket(settings.local_socket_path), None, node.data)
        node.server.listen(_listen_on_unix_socket(settings.control_socket_path), None, node.platform)
        loopback_port = None
        if settings.loopback_port is not None:
            listener = _listen_on_loopback(settings.loopback_port)
            loopback_port = listener.getsockname()[1]
            context = node.tls_context if settings.loopback_encrypted else None
            node.server.listen(listener, context, node.data)
        sys.stdout.write(json.dumps({"ready": True, "loopback_port": loopback_port}) + "\n")
        sys.stdout.flush()
        logger.info("node ready", extra={"deployment": settings.deployment_id})
        await stop.wait()
        logger.info("node stopping", extra={"deployment": settings.deployment_id})


async def _build(settings: NodeSettings, stack: contextlib.AsyncExitStack) -> Node:
    """Build every part, and have each closed in the opposite order when the stack unwinds."""
    clock = SystemClock()
    static = read_static_settings(settings)
    data = DeploymentLayout(settings.directory).data
    database = await open_records(settings.directory, settings.cluster_id)
    stack.callback(database.close)
    security = build_security(
        SqlSecurityRecords(database),
        clock,
        file_users_folder=DeploymentLayout(settings.directory).configuration,
    )
    await _take_over_first_password(settings, SqlSecurityRecords(database))
    engine = EmbeddedEngine(data / "indices", clock)
    stack.push_async_callback(engine.close)
    identity = NodeIdentity(
        node_id=settings.node_id,
        node_name=f"instance-{settings.node_id[:10]}",
        cluster_id=settings.cluster_id,
        cluster_name=settings.cluster_id,
        software_version=version("isthmus"),
        publish_address=f"{settings.cluster_id}.{settings.domain}:{settings.data_port}",
        attributes=static.attributes,
    )
    audit = open_audit(settings.audit_log_path, identity, clock, stack)
    keystore = Keystore(settings.keystore_path, settings.keystore_key_path)
    own = OwnCertificate(settings.transport_certificate_path, settings.transport_key_path, settings.domain)
    trust = TrustedAuthorities(settings.trusted_authorities_path, own=own)
    transport_security = TransportSecurity(
        TransportFiles(
            certificate=settings.transport_certificate_path,
            key=settings.transport_key_path,
            trust=DeploymentLayout(settings.directory).transport_trust,
        )
    )
    signatures = SignatureVerifier(clock)
    signing = build_signing(settings, signatures, clock)
    links = LinkContext(identity, trust, clock, transport=transport_security, signing=signing)
    remotes = Remotes(keystore, links)
    cluster_settings = ClusterSettingsService(
        SqlClusterSettingsRecords(database),
        remotes.apply,
        observers=(*settings_rules(settings), signing, audit),
        static=static,
    )
    await cluster_settings.load()
    await stack.enter_async_context(_in_background(remotes.run(), "remotes"))
    searches = await open_searches(
        engine, remotes, cluster_settings, database, stack, node_id=identity.node_id
    )
    others = OtherNodes(identity.node_id)
    if database.is_shared:
        sharing_parts = SharingParts(
            database=database,
            node=SharingNode(node_id=identity.node_id, name=identity.node_name),
            others=others,
            changes=security.changes,
            settings=cluster_settings,
            scripts=searches.scripts,
            files=SharedFiles(
                SqlNodeRecords(database),
                shared_files(DeploymentLayout(settings.directory), is_joined=False),
            ),
            clock=clock,
        )
        await take_part(sharing_parts)
        await stack.enter_async_context(sharing(sharing_parts))
    server = HttpServer()
    stack.push_async_callback(server.stop, _STOP_TIMEOUT_SECONDS)
    refusals = ConnectionAudit(audit, clock)
    traffic_filter = NodeTrafficFilter(DeploymentLayout(settings.directory).traffic_filter, refusals)
    watching = traffic_filter.run(server.recheck_connections)
    await stack.enter_async_context(_in_background(watching, "traffic filter"))
    answers = Answers(engine, searches.views, searches.running)
    transport_gate = CertificateGate(transport_security, SqlSecurityRecords(database))
    transport_interface = AuditedApplication(
        RemoteInterface(
            transport_gate,
            engine,
            identity,
            nodes=gateway_nodes(settings, identity, settings.transport_port),
            running=searches.running,
            answers=answers,
        ),
        audit,
        TRANSPORT,
        clock,
    )
    transport = TransportPort(transport_security, server, transport_interface, remotes, refusals)
    await stack.enter_async_context(_in_background(transport.run(), "transport trust"))
    data_api = build_data_api(
        NodeParts(
            security=security,
            engine=engine,
            remotes=remotes,
            cluster_settings=cluster_settings,
            identity=identity,
            clock=clock,
            doctor=Doctor(cluster_settings, keystore, links),
            searches=searches,
        )
    )
    tls_context = following_server_context(settings.proxy_certificate_path, settings.proxy_key_path)
    return Node(
        server=server,
        transport=transport,
        data=AuditedApplication(data_api, audit, REST, clock),
        platform=AuditedApplication(data_api.for_callers_of(PlatformCaller()), audit, REST, clock),
        remote=AuditedApplication(
            RemoteInterface(
                KeyGate(security.authenticator, signatures),
                engine,
                identity,
                nodes=others.gateways(gateway_nodes(settings, identity, settings.remote_cluster_port)),
                running=searches.running,
                answers=answers,
            ),
            audit,
            TRANSPORT,
            clock,
        ),
        tls_context=tls_context,
        filtered=FilteredPorts(
            server,
            traffic_filter,
            tls_context,
            lambda: asking_context(
                _server_context(settings.proxy_certificate_path, settings.proxy_key_path),
                settings.transport_authority_path,
            ),
        ),
    )


async def _take_over_first_password(settings: NodeSettings, records: SqlSecurityRecords) -> None:
    """Give ``elastic`` the password that the environment left, and remove the file that holds it."""
    path = DeploymentLayout(settings.directory).first_password
    if not path.exists():
        return
    await bootstrap_elastic(records, Secret(path.read_text().strip()))
    path.unlink()


@contextlib.asynccontextmanager
async def _in_background(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def _listen_on_unix_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_CONNECTIONS_WAITING)
    return listener


def _listen_on_loopback(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(_CONNECTIONS_WAITING)
    return listener


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """Watch standard input: the supervisor holds its other end, so its end is the supervisor's."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        try:
            data = os.read(descriptor, 4096)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(descriptor)
            stop.set()

    with contextlib.suppress(OSError):  # a regular file cannot be watched: then only signals stop us
        loop.add_reader(descriptor, readable)


def _log_unexpected(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("connection failed unexpectedly", exc_info=task.exception())
