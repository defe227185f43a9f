"""The C allocator of a node: keeps what large answers and TLS records need, instead of asking again."""

from __future__ import annotations

import ctypes
from typing import Final

#: from malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_TRIM_THRESHOLD_BYTES: Final = 64 * 1024 * 1024
_MMAP_THRESHOLD_BYTES: Final = 16 * 1024 * 1024
#: every arena keeps memory of its own; the engine's threads would otherwise make eight a core
_ARENAS: Final = 2


def tune_allocator() -> bool:
    """Set glibc's thresholds; answer whether it understood. Other C libraries are left alone.

    By default glibc gives memory back, and takes it anew, around every response of 128 KiB or
    more; measured on a TLS server that costs up to half of its rate.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES),
        (_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)
