"""Serves the environment of the first argument with stand-in nodes, and with short patience."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import uvloop

from isthmus.app.environment import Served, serve_environment
from isthmus.app.node_process import NodeProcessOptions
from isthmus.control.restarts import RestartPolicy
from isthmus.settings_file import SettingsError, load_settings


def main() -> int:
    """Serve until SIGTERM; print the ports when everything is up."""
    settings = load_settings(Path(sys.argv[1]), os.environ)
    command = (sys.executable, str(Path(__file__).with_name("stand_in_node.py")))
    policy = RestartPolicy(first_delay_seconds=0.05, longest_delay_seconds=0.2)
    options = NodeProcessOptions(command, policy, stop_timeout_seconds=1.5)

    def announce(served: Served) -> None:
        print(json.dumps({"data": served.ports.data}), flush=True)  # noqa: T201

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_environment(settings, announce=announce, options=options))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
