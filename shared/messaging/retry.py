"""When to try again. Pure; the randomness is handed in."""

from __future__ import annotations

#: Waits before the attempts 2 to 9 of an event, in seconds. Short at first, since most failures are a prerequisite a
#: few milliseconds late or a lock; about 24 hours in all, so that a fault of the evening is mended by the morning.
EVENT_DELAYS_SECONDS = (0.2, 1.0, 5.0, 30.0, 300.0, 1_800.0, 14_400.0, 70_000.0)


def delay_seconds(failures: int, schedule: tuple[float, ...], fraction: float) -> float | None:
    """How long to wait after the `failures`-th failure (from 1); None when the schedule is used up.

    Between half of the planned wait and all of it, by `fraction` in [0, 1): many failing at once do not come back
    at once.
    """
    assert failures >= 1
    if failures > len(schedule):
        return None
    return schedule[failures - 1] * (0.5 + fraction / 2)
