"""What falls due in notifications: deliveries, and what every service forgets. The first timer only wakes the desks; they send in threads of their own."""

from __future__ import annotations

from services.notifications.timers.desks import deliver_due
from shared.runtime.retention import RETENTION
from shared.runtime.service import Timer
from shared.web.idempotency import PURGE

#: Woken by every commit, so that a mail leaves a few milliseconds after its event arrived; the interval serves retries.
TIMERS: tuple[Timer, ...] = (
    Timer("deliver_due", every_seconds=1.0, run=deliver_due, wakes_on_commit=True),
    PURGE,
    RETENTION,
)
