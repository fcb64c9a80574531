"""What falls due in finance: nothing yet. The ledger changes only when somebody posts or an event arrives."""

from __future__ import annotations

from shared.runtime.service import Timer

TIMERS: tuple[Timer, ...] = ()
