"""Connected environments of which some have engines that run elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from environments_support import Side, side_of

from isthmus.sandbox import Sandbox, SandboxOptions, SecurityModel
from isthmus.sandbox.process import ServingProcess
from isthmus.sandbox.sandbox import environment_names

_START = ServingProcess.start


@dataclass(frozen=True)
class AttachedTo:
    """Where an engine is and which it is."""

    url: str
    vendor: str
    number: str


@contextmanager
def attached_environments(
    engines: Sequence[AttachedTo | None], model: SecurityModel = SecurityModel.API_KEY
) -> Iterator[list[Side]]:
    """Run as many environments as engines are given; None is one with its own. The first knows all others."""
    options = SandboxOptions(environments=len(engines), model=model)
    names = environment_names([options.kind_of(number) for number in range(len(engines))])

    def start(directory: Path) -> ServingProcess:
        engine = engines[names.index(directory.name)]
        if engine is None:
            return _START(directory)
        log = directory / "logs" / "serve.log"
        command = [sys.executable, str(Path(__file__).with_name("serve_attached.py")), str(directory)]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, engine.url, engine.vendor, engine.number],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return ServingProcess(process, log)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServingProcess, "start", start)
        with Sandbox(options) as sandbox:
            yield [side_of(sandbox, environment) for environment in sandbox.fabric.environments]
