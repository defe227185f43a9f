"""``isthmus node``: one node's process. For the environment that starts it, not for people."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("node", hidden=True)
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
def node(directory: Path) -> None:
    """Run the node of the deployment in DIRECTORY, as its node.json says."""
    from isthmus.app.node import run_node  # other commands should not wait for its imports

    sys.exit(run_node(directory))
