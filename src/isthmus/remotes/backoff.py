"""How long a link waits before it tries again. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """Exponential, from ``first_seconds`` to ``longest_seconds``, with half of it left to chance.

    The chance keeps the nodes that lost the same remote from returning to it in step.
    """

    first_seconds: float
    longest_seconds: float

    def delay_seconds(self, failures: int, chance: float) -> float:
        """Answer the wait after this many failures in a row (1 or more); ``chance`` is in [0, 1)."""
        # The exponent is capped so that a link that fails for years does not overflow a float.
        ceiling = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 60))
        return ceiling * (0.5 + chance / 2)


#: a remote that is restarted is back within seconds: look often, an attempt costs one packet
AFTER_FAILURE = BackOff(first_seconds=0.2, longest_seconds=5.0)
#: a remote that said no (key, version) waits for a person; noticing a change on its side may take longer
AFTER_REFUSAL = BackOff(first_seconds=2.0, longest_seconds=30.0)
