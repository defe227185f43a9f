"""Runs a plan's steps; what was done is undone, last first, when one fails or the run is cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from isthmus.console.connecting.commands import command
from isthmus.console.connecting.plan import Known, Request, Step, StepRefusedError

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.2


class CallsApis(Protocol):
    """Calls the four APIs with the operator's credentials, which live as long as this object."""

    async def call(self, request: Request) -> Any:
        """Answer the parsed JSON; raises :class:`StepRefusedError` in words for everything else."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """What a run came to. ``failed`` is the title of the step that failed, with its ``reason``.

    ``left_behind`` holds the commands of what could not be undone, each with why.
    """

    steps: tuple[str, ...]
    commands: tuple[str, ...]
    failed: str | None = None
    reason: str = ""
    undone: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


async def run(
    steps: tuple[Step, ...],
    apis: CallsApis,
    told: Callable[[str], None] = lambda _: None,
    wait_seconds: float = 30.0,
) -> Done:
    """Do all steps or none; ``told`` hears the title of each step as it begins."""
    running = _Run(apis, wait_seconds)
    for step in steps:
        try:
            told(step.title)
            await running.do(step)
        except StepRefusedError as refusal:
            undone, left_behind = await _to_the_end(running)
            return Done(
                tuple(running.finished),
                tuple(running.commands),
                step.title,
                str(refusal),
                undone,
                left_behind,
            )
        except BaseException:  # cancelled, or a bug: nothing stays half done either way
            await _to_the_end(running)
            raise
    return Done(tuple(running.finished), tuple(running.commands))


async def _to_the_end(running: _Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Undo, however often the caller is cancelled meanwhile; it is cancelled once that is over."""
    undoing = asyncio.create_task(running.undo())
    cancelled: asyncio.CancelledError | None = None
    while not undoing.done():
        try:
            await asyncio.shield(undoing)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
    return undoing.result()


class _Run:
    def __init__(self, apis: CallsApis, wait_seconds: float) -> None:
        self._apis = apis
        self._wait_seconds = wait_seconds
        self._known = Known()
        self._begun: list[Step] = []
        self.finished: list[str] = []
        self.commands: list[str] = []

    async def do(self, step: Step) -> None:
        request = step.request(self._known)
        if request is not None:
            if step.undo is not None:
                self._begun.append(step)  # before the call: its answer may be lost and its effect not
            answer = await self._answer(step, request)
            try:
                self._known = step.learn(self._known, answer)
            except (KeyError, IndexError, TypeError, AttributeError):
                raise StepRefusedError("the answer is not of the form that this step expects") from None
            self.commands.append(command(request))
        self.finished.append(step.title)

    async def _answer(self, step: Step, request: Request) -> Any:
        if step.ready is None:
            return await self._apis.call(request)
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while not step.ready(answer := await self._apis.call(request)):
            if asyncio.get_running_loop().time() >= deadline:
                raise StepRefusedError(f"not connected within {self._wait_seconds:g} s{_last_error(answer)}")
            await asyncio.sleep(_POLL_SECONDS)
        return answer

    async def undo(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Answer the titles of what was undone, and the commands of what could not be."""
        undone: list[str] = []
        left_behind: list[str] = []
        while self._begun:
            step = self._begun.pop()
            if step.undo is None:
                continue
            request = step.undo(self._known)
            try:
                await self._apis.call(request)
            except StepRefusedError as refusal:
                logger.warning("step of a connection not undone", extra={"step": step.title})
                left_behind.append(f"{command(request)}  # {refusal}")
            else:
                undone.append(step.title)
        return tuple(undone), tuple(left_behind)


def _last_error(information: Any) -> str:
    """Answer what the links say is wrong, where one does."""
    if isinstance(information, dict):
        for remote in information.values():
            last = remote.get("isthmus", {}).get("last_error") if isinstance(remote, dict) else None
            if last and not remote.get("connected"):
                return f": {last.get('reason')} {last.get('remedy', '')}".rstrip()
    return ""
