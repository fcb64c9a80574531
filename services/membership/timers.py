"""What falls due in membership by itself: signing keys turn; old counts, codes and sessions go. No rules here."""

from __future__ import annotations

from services.membership.commands.authorization_codes import prune_codes
from services.membership.commands.person_sessions import prune_sessions
from services.membership.commands.sessions import prune_attempts
from services.membership.commands.signing_keys import turn_keys
from shared.runtime.assembly import Assembly
from shared.runtime.retention import RETENTION
from shared.runtime.service import Timer
from shared.web.idempotency import PURGE

#: Keys turn within half a minute of falling due; their times are counted in minutes.
KEYS_EVERY_SECONDS = 30.0
#: Pruning only saves room.
PRUNE_EVERY_SECONDS = 600.0


def turn_signing_keys(assembly: Assembly) -> bool:
    """Supersede, retire and renew signing keys as they fall due."""
    with assembly.begin() as work:
        turn_keys(work, master_secret=assembly.settings.secret_or_demo())
    return False


def prune(assembly: Assembly) -> bool:
    """Forget failed sign-ins of yesterday, codes nobody came for, and sessions past their limit."""
    with assembly.begin() as work:
        prune_attempts(work)
        prune_codes(work)
        prune_sessions(work)
    return False


TIMERS = (
    Timer("signing-keys", KEYS_EVERY_SECONDS, turn_signing_keys),
    Timer("prune", PRUNE_EVERY_SECONDS, prune),
    PURGE,
    RETENTION,
)
