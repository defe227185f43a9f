"""What a command tells when it cannot do what it was asked: one line, exit status 1."""

from __future__ import annotations

from typing import IO, Any

import click


class CommandError(click.ClickException):
    """The message says what is wrong and what to do."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        click.echo(f"error: {self.format_message()}", file=file, err=True)
