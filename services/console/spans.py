"""Spans of time in words: how long a step took, how long a ballot stays open. The largest unit only, rounded down."""

from __future__ import annotations

from datetime import datetime

from services.console.showing import say
from shared.web.context import assembly

#: Units by their length in milliseconds, largest first.
_UNITS = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000))


def span(milliseconds: int) -> str:
    """`3 天`, `2 小时`; less than a second is said so."""
    for unit, length in _UNITS:
        count = milliseconds // length
        if count == 1:
            return say(f"span.{unit}.one")
        if count > 1:
            return say(f"span.{unit}", count=count)
    return say("span.moment")


def time_left(instant: str) -> str:
    """How long it is until an RFC 3339 instant; empty where it is past."""
    left = datetime.fromisoformat(instant) - assembly().clock.now()
    milliseconds = int(left.total_seconds() * 1_000)
    return span(milliseconds) if milliseconds > 0 else ""
