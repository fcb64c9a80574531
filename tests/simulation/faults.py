"""What goes wrong, and how often: rates by name, one source of chance, counts of what really happened.

Each seed draws its own mix (swarm testing): a run that is spoiled everywhere at once gets nowhere, and a run with one
kind of fault only goes deep. Must not know what a fault does; whoever asks `strikes` does it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping

from shared.runtime.failpoints import SEAMS, Failpoints

#: How often each fault strikes when it is part of a seed's mix: the chance at each place where it could.
RATES: Mapping[str, float] = {
    "bus.unavailable": 0.15,
    "bus.cut": 0.12,
    "bus.refused": 0.05,
    "bus.delayed": 0.3,
    "bus.duplicated": 0.15,
    "bus.acknowledgement_lost": 0.1,
    "bus.second_leader": 0.1,
    "database.statement": 0.004,
    "database.away": 0.002,
    "database.commit": 0.02,
    "database.commit_unknown": 0.015,
    "mail.unreachable": 0.15,
    "mail.refused": 0.15,
    "mail.broken_off": 0.1,
    "clock.back": 0.15,
    "clock.forward": 0.1,
    "clock.skew": 0.15,
    "crash.idle": 0.01,
    "crash.bus.during_publish": 0.05,
    **{f"crash.{seam}": 0.05 for seam in SEAMS},
    # Mails are few.
    "crash.delivery.before_send": 0.15,
    "crash.delivery.after_send": 0.15,
    # Every unit of every service passes these two; at the rate of the others nothing else would be reached.
    "crash.command.before_commit": 0.02,
    "crash.command.after_commit": 0.02,
}
#: Seeds without any fault, one in so many: the workload must be sound by itself.
CALM_EVERY = 25
#: Share of the faults that take part in a seed's mix.
SHARES = (0.2, 0.5, 0.8, 1.0)


class Crash(BaseException):
    """A process dies here. No part of the product catches it, as none survives a SIGKILL."""


class Faults:
    """The faults of one run."""

    def __init__(self, chance: random.Random, seed: int, counts: Counter[str]) -> None:
        self.chance = chance
        self.counts = counts
        self.active = True
        share = 0.0 if seed % CALM_EVERY == 0 else chance.choice(SHARES)
        strength = chance.choice((0.5, 1.0, 2.0))
        self._rates = {name: rate * strength for name, rate in RATES.items() if chance.random() < share}

    def strikes(self, name: str) -> bool:
        """Whether this fault happens here and now."""
        rate = self._rates.get(name)
        if rate is None or not self.active or self.chance.random() >= rate:
            return False
        self.counts[name] += 1
        return True


class CrashingFailpoints(Failpoints):
    """Seams at which the simulated process may die."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def reach(self, seam: str, details: Iterable[str] = ()) -> None:
        """Die here when chance says so."""
        assert seam in SEAMS, seam
        if self._faults.strikes(f"crash.{seam}"):
            raise Crash(seam)
