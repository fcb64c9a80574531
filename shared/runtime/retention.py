"""Removing sent events when they are old: for every service's TIMERS. Keeps everything unless the settings say how long."""

from __future__ import annotations

from datetime import timedelta

from shared.messaging.feed import PRUNE_BATCH, prune
from shared.runtime.assembly import Assembly
from shared.runtime.service import Timer

#: Ten minutes: nobody waits for the end of an event that is months old.
RETENTION_EVERY_SECONDS = 600.0


def remove_old_events(assembly: Assembly) -> bool:
    """One batch; True when there may be more. Never what is unsent, and never from the middle."""
    days = assembly.settings.event_retention_days
    if not days:
        return False
    # Quiet: nobody has work because of it.
    with assembly.units.begin(quiet=True) as work:
        return prune(work, work.now - timedelta(days=days)) >= PRUNE_BATCH


RETENTION = Timer("event-retention", RETENTION_EVERY_SECONDS, remove_old_events)
