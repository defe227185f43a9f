"""HAProxy in front of a remote cluster server: TCP mode, telling clients' addresses by the PROXY protocol."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from environments_support import until

#: where the balancer's connections come from: the door is told that this address has to send the header
SOURCE: Final = "127.0.0.2"
_INSTALL_SECONDS: Final = 150
_CONFIGURATION: Final = """
global
    maxconn 200
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen balanced
    bind 127.0.0.1:{balanced}
    server door {target} source {source} send-proxy-v2
listen silent
    bind 127.0.0.1:{silent}
    server door {target} source {source}
"""


@contextmanager
def haproxy(target: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Answer two addresses that lead to the target: one where the header is sent, and one where it is not.

    Skips the test where HAProxy is not installed and cannot be.
    """
    program = _installed()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        balanced, silent = one.getsockname()[1], other.getsockname()[1]
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        _CONFIGURATION.format(balanced=balanced, silent=silent, target=target, source=SOURCE)
    )
    process = subprocess.Popen([program, "-db", "-q", "-f", str(configuration)])  # noqa: S603 - as installed
    try:
        until(lambda: process.poll() is not None or _listens(silent), "HAProxy to listen")
        assert process.poll() is None, "HAProxy ended"
        yield f"127.0.0.1:{balanced}", f"127.0.0.1:{silent}"
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _installed() -> str:
    """Answer the program; root on a Debian without it has it installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = shutil.which("haproxy", path=path)
    apt_get = shutil.which("apt-get")
    if found is None and apt_get is not None and os.geteuid() == 0:
        # At this run level the package does not start its service.
        variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = [apt_get, "install", "--yes", "--no-install-recommends", "haproxy"]
        try:
            subprocess.run(  # noqa: S603 - Debian's own package
                install, env=variables, capture_output=True, timeout=_INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"haproxy was not installed within {_INSTALL_SECONDS} s")
        found = shutil.which("haproxy", path=path)
    if found is None:
        pytest.skip("haproxy is not installed and cannot be (Debian: apt-get install haproxy)")
    return found
