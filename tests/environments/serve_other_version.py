"""Serves an environment whose nodes are the real ones, but for the versions of the protocol that they speak.

Arguments: the environment's folder, the oldest and the newest version.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from isthmus.app import environment, node
from isthmus.app.node_process import NodeProcessOptions
from isthmus.cli.main import main
from isthmus.rest.remote.interface import RemoteInterface

_AS_NODE = "--as-node"


def serve(directory: str, versions: list[str]) -> None:
    """Serve until SIGTERM or the end of standard input."""
    options = NodeProcessOptions((sys.executable, __file__, _AS_NODE, *versions))
    environment.serve_environment = functools.partial(environment.serve_environment, options=options)
    main(["serve", directory, "--until-stdin-closes"])


def be_node(oldest: int, newest: int, directory: Path) -> int:
    """Be the node of a deployment's folder."""
    node.RemoteInterface = functools.partial(RemoteInterface, versions=(oldest, newest))  # type: ignore[misc, assignment]
    return node.run_node(directory)


if __name__ == "__main__":
    if sys.argv[1] == _AS_NODE:
        sys.exit(be_node(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
    serve(sys.argv[1], sys.argv[2:4])
