"""The fixtures that test suites of other programs use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from environments_support import processes_in

#: the other plugins of our own tests are none of a suite's business
_PLAIN = ("-p", "no:cacheprovider", "-p", "no:asyncio")
_SUITE = """
import json
import ssl
import urllib.request

from isthmus.sandbox import Fabric, Sandbox


def call(deployment, path):
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(
        None, deployment.url, deployment.username, deployment.password, is_authenticated=True
    )
    context = ssl.create_default_context(cafile=deployment.ca) if deployment.url.startswith("https") else None
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.HTTPBasicAuthHandler(passwords)
    )
    with opener.open(deployment.url + path, timeout=20) as answer:
        return json.load(answer)


def test_environments(isthmus_fabric):
    assert isinstance(isthmus_fabric, Fabric)
    assert [each.kind for each in isthmus_fabric.environments] == KINDS
    for environment in isthmus_fabric.environments:
        (deployment,) = environment.deployments
        assert deployment.url.startswith(SCHEME)
        assert len(deployment.remotes) == REMOTES
        assert call(deployment, "/")["tagline"] == "You Know, for Search"
        assert call(deployment, "/*,*:*/_search?size=0").get("_clusters", {}).get("skipped", 0) == 0
        assert deployment.password not in repr(isthmus_fabric)


def test_it_is_the_same_for_the_whole_session(isthmus_fabric, isthmus_sandbox):
    assert isinstance(isthmus_sandbox, Sandbox)
    assert isthmus_sandbox.fabric is isthmus_fabric
"""


def _run(folder: Path, settings: str, values: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
    (folder / "test_inner.py").write_text(_SUITE + values)
    temporary = folder / "temporary"
    temporary.mkdir()
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "pytest", "-q", *_PLAIN, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert processes_in(str(temporary)) == []
    assert [entry.name for entry in temporary.iterdir() if entry.name.startswith("isthmus-")] == []
    return ran


def test_a_suite_gets_connected_environments(tmp_path: Path) -> None:
    """With nothing configured: two, connected, over TLS; nothing stays when the suite has ended."""
    values = "\n\nKINDS = ['hosted', 'enterprise']\nSCHEME = 'https://'\nREMOTES = 1\n"
    ran = _run(tmp_path, "", values, "-W", "error")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_a_suite_configures_what_is_started(tmp_path: Path) -> None:
    """In the configuration file of pytest."""
    settings = "isthmus_environments = 1\nisthmus_model = none\nisthmus_insecure_http = true"
    values = "\n\nKINDS = ['hosted']\nSCHEME = 'http://'\nREMOTES = 0\n"
    ran = _run(tmp_path, settings, values)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    """By the fixture, in words."""
    ran = _run(tmp_path, "isthmus_environments = 99", "\n\nKINDS = []\nSCHEME = ''\nREMOTES = 0\n")
    assert ran.returncode == 1
    assert "a sandbox has 1 to 16 environments" in ran.stdout


def test_a_suite_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    """The plugin imports the sandbox only for suites that use its fixtures."""
    (tmp_path / "test_inner.py").write_text(
        "import sys\n\n\ndef test_imports():\n    assert 'isthmus.sandbox' not in sys.modules\n"
        "    assert 'isthmus.app' not in sys.modules\n    assert 'tantivy' not in sys.modules\n"
    )
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "pytest", "-q", *_PLAIN],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
