"""Commands that clean up behind them when they are asked to stop."""

from __future__ import annotations

import signal
from types import FrameType


def interrupt_at_signals() -> None:
    """Have the first SIGTERM or SIGINT raise ``KeyboardInterrupt``, also where a shell had SIGINT ignored."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Begin to stop, once: a second signal must not cut the cleaning up short."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
