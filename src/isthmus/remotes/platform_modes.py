"""What a platform allows of the connection modes. Pure."""

from __future__ import annotations

from isthmus.errors import illegal_argument
from isthmus.remotes.connection_modes import SniffMode
from isthmus.remotes.flat_settings import FlatSettings
from isthmus.remotes.settings import PREFIX, remotes_of


class ProxyModeOnly:
    """A platform whose deployments reach others in mode proxy: a `SettingsObserver`.

    Elastic Cloud is one: addresses of its nodes are not published.
    """

    def check(self, settings: FlatSettings) -> None:
        """Return if no remote is in mode sniff; raises a 400 failure that says what to set instead."""
        for alias, remote in remotes_of(settings).items():
            if isinstance(remote.mode, SniffMode):
                prefix = f"{PREFIX}{alias}."
                raise illegal_argument(
                    f"[{prefix}mode] [sniff] is not supported on this platform: use mode [proxy] with"
                    f" [{prefix}proxy_address] and, where the certificate's name differs from the address,"
                    f" [{prefix}server_name]"
                )

    def apply(self, settings: FlatSettings) -> None:
        """Do nothing: what was checked is for the links."""
