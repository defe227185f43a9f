"""One node's process: started, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from isthmus.app.rotating_log import RotatingLog
from isthmus.clock import Clock
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import NodeState, NodeStatus, encode_node_settings
from isthmus.control.restarts import RestartPolicy
from isthmus.security.private_files import write_private
from isthmus.settings import NodeSettings

logger = logging.getLogger(__name__)

_READY_TIMEOUT_SECONDS: Final = 60.0
_STOP_TIMEOUT_SECONDS: Final = 10.0
_CHUNK_BYTES: Final = 64 * 1024


class _Ready(msgspec.Struct):
    """The line that a node prints once it serves."""

    ready: bool
    loopback_port: int | None = None


@dataclass(frozen=True, slots=True)
class NodeProcessOptions:
    """How nodes are run: ``command`` is followed by the deployment's directory."""

    command: tuple[str, ...]
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    ready_timeout_seconds: float = _READY_TIMEOUT_SECONDS
    stop_timeout_seconds: float = _STOP_TIMEOUT_SECONDS


class NodeProcess:
    """Keeps one node running until told to stop.

    The node inherits a pipe as its standard input and ends when that closes: so no node outlives
    the environment, however that ended. Its own session keeps a Ctrl-C for the environment.
    """

    def __init__(
        self,
        layout: EnvironmentLayout,
        settings: Callable[[], NodeSettings],
        options: NodeProcessOptions,
        clock: Clock,
    ) -> None:
        self.settings = settings()
        self.state = NodeState(NodeStatus.INITIALIZING)
        self._layout = layout
        self._read_settings = settings
        self._options = options
        self._clock = clock
        self._stop_wanted = asyncio.Event()
        self._restart_wanted = asyncio.Event()
        self._attempted = asyncio.Event()
        self._gone = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        #: a port that was picked once is asked for again, so that clients find the node after a restart
        self._picked_port: int | None = None

    async def run(self) -> None:
        """Start the node, again and again, until :meth:`stop`; raises nothing but cancellation."""
        failures = 0
        while not self._stop_wanted.is_set():
            self._restart_wanted.clear()
            started_seconds = self._clock.monotonic_seconds()
            await self._run_once()
            self._attempted.set()
            if self._stop_wanted.is_set():
                break
            self.state = NodeState(NodeStatus.REBOOTING, failures=failures)
            if self._restart_wanted.is_set():
                continue
            ran_seconds = self._clock.monotonic_seconds() - started_seconds
            failures = self._options.policy.failures_after(failures, ran_seconds)
            self.state = NodeState(NodeStatus.REBOOTING, failures=failures)
            delay_seconds = self._options.policy.delay_seconds(failures)
            logger.warning("node will be restarted", extra=self._fields(delay_seconds=delay_seconds))
            await _first_of(
                self._clock.sleep(delay_seconds), self._stop_wanted.wait(), self._restart_wanted.wait()
            )
        self.state = NodeState(NodeStatus.STOPPED)

    def stop(self) -> None:
        """Have the node stopped in order; :meth:`run` returns once it has."""
        self._stop_wanted.set()

    async def restart(self) -> None:
        """Have the node stopped and started; return once it has stopped."""
        async with self._gone:
            if self._process is None:
                return  # about to be started anyway
            self._restart_wanted.set()
            await self._gone.wait()

    async def attempted(self) -> None:
        """Return once the first start has succeeded or failed."""
        await self._attempted.wait()

    async def _run_once(self) -> None:
        log = RotatingLog(self._layout.logs / f"{self.settings.deployment_id}.log")
        try:
            self.settings = await asyncio.to_thread(self._write_settings)
            process = await asyncio.create_subprocess_exec(
                *self._options.command,
                str(self.settings.directory),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except Exception as error:  # a full disk, a lost interpreter: try again later, as for any failure
            logger.exception("node cannot be started", extra=self._fields(error=type(error).__name__))
            log.close()
            return
        self._process = process
        pumping = asyncio.create_task(_pump(process.stderr, log))
        try:
            await self._watch(process, log)
        finally:
            await self._end(process)
            with contextlib.suppress(TimeoutError):
                # A grandchild may still hold the pipe: what it says later is not waited for.
                await asyncio.wait_for(pumping, timeout=1.0)
            log.close()
            async with self._gone:
                self._process = None
                self._gone.notify_all()

    def _write_settings(self) -> NodeSettings:
        settings = self._read_settings()
        if settings.loopback_port == 0 and self._picked_port is not None:
            settings = msgspec.structs.replace(settings, loopback_port=self._picked_port)
        self._picked_port = None  # unless this start succeeds: somebody else may have the port by now
        path = self._layout.deployment(settings.deployment_id).node_settings
        write_private(path, encode_node_settings(settings))
        return settings

    async def _watch(self, process: asyncio.subprocess.Process, log: RotatingLog) -> None:
        """Return when the process has ended or is to be stopped."""
        ready = await _first_of(
            self._until_ready(process), self._stop_wanted.wait(), self._restart_wanted.wait()
        )
        if isinstance(ready, _Ready):
            self.state = NodeState(NodeStatus.STARTED, ready.loopback_port)
            self._picked_port = ready.loopback_port
            logger.info("node started", extra=self._fields(pid=process.pid))
            self._attempted.set()
            draining = asyncio.create_task(_pump(process.stdout, log))
            try:
                await _first_of(process.wait(), self._stop_wanted.wait(), self._restart_wanted.wait())
            finally:
                draining.cancel()
        elif ready is None:
            log_path = self._layout.logs / f"{self.settings.deployment_id}.log"
            logger.error("node did not get ready", extra=self._fields(pid=process.pid, log=log_path))
        if process.returncode is not None:
            logger.error("node ended by itself", extra=self._fields(exit_code=process.returncode))

    async def _until_ready(self, process: asyncio.subprocess.Process) -> _Ready | None:
        """Answer the node's first line, None where it ends, says something else or takes too long."""
        if process.stdout is None:
            raise TypeError("the process was started without a pipe")
        try:
            line = await asyncio.wait_for(process.stdout.readline(), self._options.ready_timeout_seconds)
            return msgspec.json.decode(line, type=_Ready)
        except (TimeoutError, ValueError):
            return None

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None and self._stop_wanted.is_set():
            self.state = NodeState(NodeStatus.STOPPING)
        elif process.returncode is None:
            self.state = NodeState(NodeStatus.REBOOTING, failures=self.state.failures)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), self._options.stop_timeout_seconds)
        except (TimeoutError, asyncio.CancelledError):
            logger.warning("node did not stop in time and is killed", extra=self._fields(pid=process.pid))
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _fields(self, **values: object) -> dict[str, object]:
        return {"deployment": self.settings.deployment_id, **values}


async def _first_of(*awaitables: object) -> object:
    """Answer the result of whichever is done first, and cancel the others."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]  # type: ignore[call-overload]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(stream: asyncio.StreamReader | None, log: RotatingLog) -> None:
    while stream is not None and (data := await stream.read(_CHUNK_BYTES)):
        log.write(data)
