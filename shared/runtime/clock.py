"""The one clock. Nobody else asks the system for the time, so tests and simulation can own it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where times come from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; for measuring and waiting, never for storing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told; safe to read from several threads."""

    def __init__(self, start: datetime) -> None:
        assert start.tzinfo is not None, "a clock needs an aware start"
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The instant it was last set to."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds advanced so far; a clock set back does not lessen them."""
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass; negative seconds set the wall clock back, as a bad NTP server would."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._elapsed += max(seconds, 0.0)


def rfc3339(instant: datetime) -> str:
    """An aware instant as RFC 3339 in UTC with microseconds, e.g. `2026-11-22T08:30:00.000000Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
