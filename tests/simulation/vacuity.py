"""What must have happened in many seeds before "no violation" means anything. A run that does nothing must fail."""

from __future__ import annotations

from collections.abc import Mapping

from shared.runtime.failpoints import SEAMS

#: How often each thing must happen in a hundred seeds, at the least; about a quarter of what does.
WANTED: Mapping[str, float] = {
    "events.published": 2_000,
    "events.delivered": 4_000,
    "messages.duplicates": 700,
    "bus.cut": 80,
    "bus.refused": 90,
    "bus.delayed": 600,
    "bus.unavailable": 100,
    "bus.acknowledgement_lost": 60,
    "relay.overlaps": 40,
    "portions.later": 100,
    "batches.unmarked": 500,
    "applications.admitted": 50,
    "applications.refused": 60,
    "applications.withdrawn": 50,
    "ballots.closed": 250,
    "ballots.cancelled": 10,
    "ballots.with_units_struck": 20,
    "members.left": 50,
    "notices": 1_500,
    "mails.taken": 40,
    "commands.refused": 700,
    "stored.apply": 180,
    "stored.accept": 140,
    "stored.vote": 700,
    "stored.pay": 350,
    "stored.subscribe": 200,
    "stored.withdraw": 50,
    "stored.leave": 50,
    "stored.stay": 8,
    "refused.vote.already_cast": 120,
    "refused.vote.not_on_roll": 12,
    "refused.vote.unit_left": 10,
    "crashes": 350,
    "crash.idle": 30,
    "crash.bus.during_publish": 15,
    **{f"crash.{seam}": 15 for seam in SEAMS if not seam.startswith("delivery")},
    "crash.delivery.before_send": 4,
    "crash.delivery.after_send": 4,
    "database.statement": 100,
    "database.away": 50,
    "database.commit": 40,
    "database.commit_unknown": 30,
    "mail.refused": 8,
    "clock.back": 10,
    "clock.forward": 10,
    "clock.skew": 10,
}


def missing_from(counts: Mapping[str, int], seeds: int) -> list[str]:
    """What has happened less often than it must have in so many seeds."""
    return [
        f"{name}: {counts.get(name, 0)} in {seeds} seeds, at least {wanted * seeds / 100:.0f} wanted"
        for name, wanted in WANTED.items()
        if counts.get(name, 0) < wanted * seeds / 100
    ]
