"""What falls due in membership by itself: units leave on their day, signing keys turn, old counts, codes and sessions go.

No rules here.
"""

from __future__ import annotations

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.authorization_codes import prune_codes
from services.membership.commands.leaving import leave_if_due
from services.membership.commands.person_sessions import prune_sessions
from services.membership.commands.sessions import prune_attempts
from services.membership.commands.signing_keys import turn_keys
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from shared.runtime.retention import RETENTION
from shared.runtime.service import Timer
from shared.web.idempotency import PURGE

#: Keys turn within half a minute of falling due; their times are counted in minutes.
KEYS_EVERY_SECONDS = 30.0
#: A day begins for everybody at midnight; so much later at most the sign-ins of a unit that leaves then are closed.
LEAVE_EVERY_SECONDS = 15.0
#: Units taken off the present roster in one go; whatever is left is done at once after.
LEAVE_BATCH = 20
#: Pruning only saves room.
PRUNE_EVERY_SECONDS = 600.0


def turn_signing_keys(assembly: Assembly) -> bool:
    """Supersede, retire and renew signing keys as they fall due."""
    with assembly.begin() as work:
        turn_keys(work, master_secret=assembly.settings.secret_or_demo())
    return False


def leave_due(assembly: Assembly) -> bool:
    """Let every unit go whose day has come, each in a unit of work of its own."""
    table = tables.leavings
    with assembly.reading() as reading:
        due = reading.all(
            sa.select(table.c.member_id, table.c.correlation_id)
            .where(table.c.pending_member_id.is_not(None), table.c.leaves_at <= reading.now)
            .order_by(table.c.leaves_at, table.c.leaving_id)
            .limit(LEAVE_BATCH)
        )
    for row in due:
        with assembly.begin(Cause(row.correlation_id)) as work:
            leave_if_due(work, row.member_id)
    return len(due) == LEAVE_BATCH


def prune(assembly: Assembly) -> bool:
    """Forget failed sign-ins of yesterday, codes nobody came for, and sessions past their limit."""
    with assembly.begin() as work:
        prune_attempts(work)
        prune_codes(work)
        prune_sessions(work)
    return False


TIMERS = (
    Timer("signing-keys", KEYS_EVERY_SECONDS, turn_signing_keys),
    Timer("leave", LEAVE_EVERY_SECONDS, leave_due),
    Timer("prune", PRUNE_EVERY_SECONDS, prune),
    PURGE,
    RETENTION,
)
