"""The command ``isthmus``: finds the module of a command and imports no other."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from isthmus.cli.failures import CommandError
from isthmus.errors import Failure
from isthmus.settings_file import SettingsError

#: command -> module and function; imported when it is called or its help is asked for
_COMMANDS: Final = {
    "certificates": "isthmus.cli.certificates:certificates",
    "check-config": "isthmus.cli.environment:check_config",
    "demo": "isthmus.cli.demo:demo",
    "deployment": "isthmus.cli.deployment:deployment",
    "doctor": "isthmus.cli.doctor:doctor",
    "environment": "isthmus.cli.environment:environment",
    "init": "isthmus.cli.environment:init",
    "keystore": "isthmus.cli.keystore:keystore",
    "node": "isthmus.cli.node:node",
    "platform": "isthmus.cli.platform:platform",
    "remote": "isthmus.cli.remote:remote",
    "sandbox": "isthmus.cli.sandbox:sandbox",
    "serve": "isthmus.cli.serve:serve",
    "traffic-filter": "isthmus.cli.traffic_filter:traffic_filter",
    "trust": "isthmus.cli.trust:trust",
    "users": "isthmus.cli.users:users",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported one by one, so that each starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{place} is not a command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what the person can mend becomes one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise CommandError(str(error)) from error
        except Failure as failure:
            raise CommandError(failure.reason) from failure


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="isthmus", prog_name="isthmus")
def main() -> None:
    """Join search deployments that live in separate environments."""
