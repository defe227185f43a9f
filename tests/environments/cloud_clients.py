"""Elastic's own clients of the platform API, built once from their Go modules and kept for later runs.

They lie in ``$XDG_CACHE_HOME/isthmus-tests`` (``~/.cache``), never in the repository. Building takes a minute
or two each, and needs Go and its module proxy; without them the tests that want a client are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

#: first use builds; fixtures count towards a test's time
BUILD_TIMEOUT_SECONDS = 280


@dataclass(frozen=True)
class GoProgram:
    """A program of a Go module, at one version."""

    module: str
    version: str

    @property
    def name(self) -> str:
        """Answer the name of the binary."""
        return self.module.rpartition("/")[2]

    @property
    def folder(self) -> Path:
        """Answer where the binary is kept."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "isthmus-tests" / f"{self.name}-{self.version}"


ECCTL = GoProgram("github.com/elastic/ecctl", "v1.15.0")
TERRAFORM_PROVIDER = GoProgram("github.com/elastic/terraform-provider-ec", "v0.12.5")


def built(program: GoProgram) -> Path:
    """Answer the binary, building it where it is not there; skips the test where that cannot be done."""
    binary = program.folder / program.name
    if binary.exists():
        return binary
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"{program.name} cannot be built: there is no Go here")
    program.folder.mkdir(parents=True, exist_ok=True)
    # A module of its own that requires the one version: nothing asks which other versions there are.
    (program.folder / "go.mod").write_text(
        f"module isthmus.test/client\n\ngo 1.23.0\n\nrequire {program.module} {program.version}\n"
    )
    unfinished = program.folder / f"{program.name}.building"
    try:
        done = subprocess.run(  # noqa: S603 - Go, asked for one known module
            [go, "build", "-mod=mod", "-o", str(unfinished), program.module],
            cwd=program.folder,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{program.name} was not built within {BUILD_TIMEOUT_SECONDS} s")
    if done.returncode != 0:
        pytest.skip(f"{program.name} cannot be built: {done.stderr.strip().splitlines()[-1]}")
    unfinished.rename(binary)
    return binary
