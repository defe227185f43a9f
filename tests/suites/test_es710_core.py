"""Elasticsearch 7.10's own REST tests, which nobody on this project wrote.

The suite and its runner live beside the repository; without them the test is skipped. What is
known to fail stands in ``known_gaps.txt`` with its reason; everything else has to pass, and what
passes now has to be taken off the list.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from isthmus.sandbox import Sandbox, SandboxOptions

SUITES: Final = Path(__file__).parents[3] / "shared" / "suites"
CORE: Final = SUITES / "es710-core"
KNOWN_GAPS: Final = Path(__file__).parent / "known_gaps.txt"

#: the directories of the suite about what a deployment offers; the others are about features that it has not
DIRECTORIES: Final = (
    "bulk",
    "cat.aliases",
    "cat.count",
    "cat.health",
    "cat.indices",
    "cluster.health",
    "cluster.put_settings",
    "cluster.remote_info",
    "cluster.stats",
    "count",
    "create",
    "delete",
    "exists",
    "explain",
    "field_caps",
    "get",
    "get_source",
    "index",
    "indices.create",
    "indices.delete",
    "indices.delete_alias",
    "indices.exists",
    "indices.exists_alias",
    "indices.flush",
    "indices.forcemerge",
    "indices.get",
    "indices.get_alias",
    "indices.get_field_mapping",
    "indices.get_mapping",
    "indices.get_settings",
    "indices.open",
    "indices.put_alias",
    "indices.put_mapping",
    "indices.put_settings",
    "indices.refresh",
    "indices.resolve_index",
    "indices.update_aliases",
    "indices.validate_query",
    "info",
    "mget",
    "msearch",
    "nodes.reload_secure_settings",
    "ping",
    "scroll",
    "search",
    "search.aggregation",
    "search.highlight",
    "suggest",
    "tasks.cancel",
    "tasks.get",
    "tasks.list",
    "update",
)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The sections of a run by what became of them, as ``file.yml :: section``; why those failed that did."""

    passed: frozenset[str]
    failed: dict[str, str]


def known_gaps() -> dict[str, str]:
    """Answer the sections that are known to fail, each with its reason: the comment line above it."""
    gaps: dict[str, str] = {}
    reason = ""
    for line in KNOWN_GAPS.read_text().splitlines():
        if line.startswith("#"):
            reason = line.removeprefix("#").strip()
        elif line.strip():
            gaps[line.strip()] = reason
    return gaps


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Run the suite once against a deployment of its own."""
    if not CORE.is_dir():
        pytest.skip(f"the suite is not here: {CORE}")
    found = tmp_path_factory.mktemp("suite") / "outcomes.json"
    with Sandbox(SandboxOptions(environments=1, insecure_http=True)) as sandbox:
        deployment = sandbox.fabric.environments[0].deployments[0]
        command = [
            *(sys.executable, str(SUITES / "run.py")),
            *("--url", deployment.url, "--user", f"{deployment.username}:{deployment.password}"),
            *("--spec", str(CORE / "api"), "--exclude-from", str(CORE / "7x-only.txt")),
            *("--typeless", "--exit-zero", "--json", str(found)),
            *(f"--only={directory}/*" for directory in DIRECTORIES),
            str(CORE / "test"),
        ]
        finished = subprocess.run(  # noqa: S603 - this very interpreter, and a suite beside the repository
            command, capture_output=True, text=True, timeout=220, check=False
        )
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    rows = [(f"{row['file']} :: {row['section']}", row) for row in json.loads(found.read_text())]
    return Outcomes(
        frozenset(name for name, row in rows if row["outcome"] == "passed"),
        {name: str(row["why"])[:500] for name, row in rows if row["outcome"] == "failed"},
    )


@pytest.mark.environments
@pytest.mark.timeout(300)
def test_all_sections_pass_but_the_known_gaps(outcomes: Outcomes) -> None:
    """Nothing fails that is not listed."""
    known = known_gaps()
    new = {section: why for section, why in outcomes.failed.items() if section not in known}
    assert new == {}, "\n".join(f"{section}\n    {why}" for section, why in new.items())
    assert len(outcomes.passed) > 300  # the runner did run the suite


@pytest.mark.environments
def test_no_gap_is_listed_that_is_closed(outcomes: Outcomes) -> None:
    """The list says what is: a section on it fails."""
    assert [section for section in known_gaps() if section not in outcomes.failed] == []


def test_each_gap_has_a_reason() -> None:
    """A section that nobody can explain is no known gap."""
    gaps = known_gaps()
    assert gaps
    assert [section for section, reason in gaps.items() if not reason] == []
