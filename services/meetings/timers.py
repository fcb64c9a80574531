"""What falls due in meetings: ballots at their deadline. The clock decides; nothing here counts or judges."""

from __future__ import annotations

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.commands.counting import close_if_due
from services.meetings.domain.ballots import OPEN
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from shared.runtime.retention import RETENTION
from shared.runtime.service import Timer
from shared.web.idempotency import PURGE

#: Ballots closed in one go; whatever is left is done at once after.
DUE_BATCH = 20
#: How often deadlines are looked at, in seconds. Late votes are refused by the clock, so this delays only the result.
DUE_EVERY_SECONDS = 2.0


def close_due_ballots(assembly: Assembly) -> bool:
    """Close every ballot whose deadline has passed, each in a unit of work of its own."""
    ballots = tables.ballots
    with assembly.reading() as reading:
        due = reading.all(
            sa.select(ballots.c.ballot_id, ballots.c.correlation_id)
            .where(ballots.c.state == OPEN, ballots.c.closes_at <= reading.now)
            .order_by(ballots.c.closes_at)
            .limit(DUE_BATCH)
        )
    for row in due:
        with assembly.begin(Cause(row.correlation_id)) as work:
            close_if_due(work, row.ballot_id)
    return len(due) == DUE_BATCH


TIMERS: tuple[Timer, ...] = (Timer("close_due_ballots", DUE_EVERY_SECONDS, close_due_ballots), PURGE, RETENTION)
