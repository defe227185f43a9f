"""The official client of the 8.x line does what that of 9.x does, and is answered in kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from environments_support import Side

_HERE: Final = Path(__file__).parent
_CLIENT: Final = Path(sys.prefix) / "clients" / "elasticsearch8"


def test_the_client_of_the_8_line() -> None:
    """Every test of the 9.x client passes with it, over a sandbox of its own."""
    if not _CLIENT.exists():
        pytest.skip("the 8.x client is not installed: 'make test' installs it")
    parts = ("", "_security", "_cross_cluster")
    suites = [str(_HERE / f"test_elasticsearch_client{which}.py") for which in parts]
    path = os.pathsep.join(filter(None, (str(_CLIENT), os.environ.get("PYTHONPATH"))))
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suites],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
        cwd=_HERE.parent.parent,
        env={**os.environ, "PYTHONPATH": path, "ELASTICSEARCH_CLIENT": "elasticsearch8"},
    )
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    assert "skipped" not in ran.stdout


@pytest.mark.parametrize("major", [8, 9])
def test_clients_of_both_versions_are_answered_in_kind(local: Side, major: int) -> None:
    """Each gets the media type that it asked for, of its own version."""
    media_type = f"application/vnd.elasticsearch+json; compatible-with={major}"
    headers = {"Content-Type": media_type, "Accept": media_type}
    answer = local.request("PUT", f"/versions-{major}/_doc/1", b'{"a":1}', headers)
    assert answer.status == 201
    assert answer.headers["content-type"] == f"application/vnd.elasticsearch+json;compatible-with={major}"
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    local.client.call("DELETE", f"/versions-{major}")
