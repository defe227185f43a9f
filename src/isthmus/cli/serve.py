"""``isthmus serve``: an environment in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from isthmus.cli.environment import platform_url
from isthmus.cli.output import print_facts, print_json
from isthmus.settings_file import load_settings

if TYPE_CHECKING:
    from isthmus.app.environment import Served

#: what every log record has; anything else was given as a field
_STANDARD_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@click.command("serve")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--until-stdin-closes", is_flag=True, help="Stop at the end of standard input, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when everything is up.")
def serve(directory: Path, *, until_stdin_closes: bool, as_json: bool) -> None:
    """Serve the environment in DIRECTORY until SIGTERM or Ctrl-C."""
    import uvloop  # other commands should not wait for these imports

    from isthmus.app.environment import serve_environment

    settings = load_settings(directory, os.environ)
    _log_to_standard_error()

    def announce(served: Served) -> None:
        if as_json:
            ports = msgspec.to_builtins(served.ports)
            print_json({"ready": True, "platform_url": _url(served), "ports": ports})
        else:
            _print_summary(served, directory)
        sys.stdout.flush()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stop = asyncio.Event()
        if until_stdin_closes:
            _stop_at_end_of_input(runner.get_loop(), stop)
        runner.run(serve_environment(settings, announce=announce, stop=stop))


def _stop_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Watch standard input in a thread: it may be a file or a terminal, which no loop can watch."""

    def read_to_the_end() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read_to_the_end, name="standard input", daemon=True).start()


def _url(served: Served) -> str:
    return platform_url(served.settings, served.ports)


def _print_summary(served: Served, directory: Path) -> None:
    domain, ports = served.settings.domain, served.ports
    click.echo(f"{served.settings.kind.value} environment {served.settings.scope_id} is up\n")
    print_facts(
        [
            ("Platform API", f"{_url(served)}/api/v1 (user admin)"),
            ("Deployments' data", f"https://<cluster id>.{domain}:{ports.data}"),
            ("Remote clusters", f"<cluster id>.{domain}:{ports.remote_cluster}"),
            ("Proxy CA", str(served.settings.directory / "certificates" / "proxy-ca.crt")),
        ]
    )
    click.echo(f"\nDeployments: isthmus deployment list {directory}\nCtrl-C stops everything in order.")


class _FieldFormatter(logging.Formatter):
    """A line a record: time, level, part, event, and the fields as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}
        line = super().format(record)
        return line + "".join(f" {name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text or not text.isprintable() else text


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_FieldFormatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
