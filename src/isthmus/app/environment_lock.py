"""Who may change an environment: one process at a time, by a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from isthmus.control.layout import EnvironmentLayout
from isthmus.settings_file import SettingsError


class EnvironmentBusyError(SettingsError):
    """Another process holds the environment."""


@contextmanager
def locked(layout: EnvironmentLayout) -> Iterator[None]:
    """Hold the environment; raises :class:`EnvironmentBusyError` at once where somebody else does."""
    # Never inherited by the nodes (PEP 446): a node that outlives its environment must not hold it.
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise EnvironmentBusyError(
                f"{layout.directory} is in use by process {holder or '(starting)'}: "
                "an environment is served by one 'isthmus serve' at a time; stop that one first"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
