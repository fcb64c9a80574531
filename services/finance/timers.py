"""What falls due in finance: only what every service forgets. The ledger changes only when somebody posts or an event arrives."""

from __future__ import annotations

from shared.runtime.retention import RETENTION
from shared.runtime.service import Timer
from shared.web.idempotency import PURGE

TIMERS: tuple[Timer, ...] = (PURGE, RETENTION)
