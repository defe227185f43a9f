"""``isthmus demo``: the demonstration."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from isthmus.cli.stop_signals import interrupt_at_signals


@click.command("demo")
@click.option("--once", is_flag=True, help="Stop after the searches; the exit status says if all were right.")
def demo(*, once: bool) -> None:
    """Start two environments, connect them, and search the world's airports across both."""
    from isthmus.demo.run import run_demo  # other commands should not wait for its imports

    interrupt_at_signals()
    width = None if sys.stdout.isatty() else 120
    sys.exit(run_demo(Console(width=width), once=once))
