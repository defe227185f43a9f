"""The folder of what exists only while an environment runs: sockets and the ports in use."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from isthmus.control.layout import EnvironmentLayout
from isthmus.door.routing import DoorPort
from isthmus.security.private_files import make_private_directory, write_private
from isthmus.settings import EnvironmentSettings, Ports
from isthmus.settings_file import SettingsError, variable_of

#: sun_path holds 108 bytes, of which the last is 0
_LONGEST_SOCKET_PATH: Final = 107
_LONGEST_SOCKET_NAME: Final = len("0123456789ab.door")
_TEMPORARY_PREFIX: Final = "isthmus-"
_BACKLOG: Final = 1024


class RunFolder:
    """Makes ``run/`` ready and clears it at the end.

    Where the directory's path is too long for Unix sockets they lie in a private folder of the
    system's temporary directory, and ``run/control.sock`` is a link.
    """

    def __init__(self, layout: EnvironmentLayout) -> None:
        self._layout = layout
        self.sockets = layout.run

    def prepare(self) -> None:
        """Remove what a killed process left, and choose where the sockets lie."""
        make_private_directory(self._layout.run)
        self.clear()
        longest = len(os.fsencode(self._layout.run)) + 1 + _LONGEST_SOCKET_NAME
        if longest > _LONGEST_SOCKET_PATH:
            self.sockets = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
            self._layout.control_socket.symlink_to(self.sockets / self._layout.control_socket.name)

    def clear(self) -> None:
        """Remove everything in the folder."""
        link = self._layout.control_socket
        if link.is_symlink() and link.readlink().parent.name.startswith(_TEMPORARY_PREFIX):
            shutil.rmtree(link.readlink().parent, ignore_errors=True)
        for path in self._layout.run.iterdir():
            path.unlink()

    def listen_for_control(self) -> socket.socket:
        """Answer the listening control socket (0600)."""
        path = self.sockets / self._layout.control_socket.name
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        return listener

    def write_ports(self, ports: Ports) -> None:
        """Tell the ports in use, all at once."""
        write_private(self._layout.ports, msgspec.json.format(msgspec.json.encode(ports)) + b"\n")


def read_ports_or_none(layout: EnvironmentLayout) -> Ports | None:
    """Answer the ports that a running environment uses."""
    try:
        return msgspec.json.decode(layout.ports.read_bytes(), type=Ports)
    except (OSError, msgspec.DecodeError):
        return None


def listen_on_ports(settings: EnvironmentSettings) -> dict[str, socket.socket]:
    """Answer a listening socket for each port by its name; all or none.

    Raises :class:`SettingsError` that names the setting of a port that cannot be had.
    """
    listeners: dict[str, socket.socket] = {}
    try:
        for name in Ports.__struct_fields__:
            listeners[name] = _listen(settings, name, getattr(settings.ports, name))
    except BaseException:
        for listener in listeners.values():
            listener.close()
        raise
    return listeners


def ports_of(listeners: dict[str, socket.socket]) -> Ports:
    """Answer the numbers of these sockets' ports."""
    return Ports(**{name: listener.getsockname()[1] for name, listener in listeners.items()})


def door_listeners(listeners: dict[str, socket.socket]) -> dict[DoorPort, socket.socket]:
    """Answer those of the door."""
    return {port: listeners[port.value] for port in DoorPort}


def _listen(settings: EnvironmentSettings, name: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, number))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(_bind_problem(settings, name, number, error)) from error
    return listener


def _bind_problem(settings: EnvironmentSettings, name: str, number: int, error: OSError) -> str:
    where = f"{settings.host}:{number}"
    variable = variable_of(f"ports.{name}")
    remedy = f"set ports.{name} in {EnvironmentLayout(settings.directory).settings} or {variable}"
    if error.errno == errno.EADDRINUSE:
        return f"port {where} is in use by another program; {remedy} (0 picks a free one)"
    if error.errno == errno.EACCES:
        return f"port {where} may not be used by this user; {remedy} to one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"host {settings.host} is not an address of this machine; set host or {variable_of('host')}"
    return f"cannot listen on {where}: {error.strerror}; {remedy}"
