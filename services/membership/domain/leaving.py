"""Leaving the alliance (art. 7(3)): from when it counts. Nobody decides on it, so there is nothing here that could refuse.

Knows no storage. Only a day that makes no sense is sent back.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from services.membership.domain.application_form import CHINA
from shared.errors import Fault, Invalid

ARTICLE = "7(3)"

#: Who announced it: the unit itself, or the secretariat for a unit that did so on paper.
REPRESENTATIVE = "representative"
SECRETARIAT = "secretariat"

PRESENT, LEFT, ALL = "present", "left", "all"
STATUSES = (PRESENT, LEFT, ALL)


def decide_leaving_time(leaves_on: date | None, now: datetime) -> datetime:
    """From when the unit is no member: now, or the first instant of the day it names, in China.

    Invalid `leaving.day_not_later` for today and before (who wants to leave today names no day), `leaving.day_too_far`
    for more than a year ahead: by then nobody would remember.
    """
    if leaves_on is None:
        return now
    today = now.astimezone(CHINA).date()
    last = a_year_after(today)
    if leaves_on <= today:
        raise Invalid.of([Fault("leaving.day_not_later", "leaves_on")], article=ARTICLE)
    if leaves_on > last:
        raise Invalid.of([Fault("leaving.day_too_far", "leaves_on", {"last": last.isoformat()})], article=ARTICLE)
    return datetime.combine(leaves_on, time.min, tzinfo=CHINA).astimezone(UTC)


def ensure_on_record(announced_by: str, reason: str | None) -> None:
    """What came on paper is named, with its date. Invalid `leaving.reason_needed`. A unit itself owes no reason."""
    if announced_by == SECRETARIAT and not reason:
        raise Invalid.of([Fault("leaving.reason_needed", "reason")], article=ARTICLE)


def a_year_after(day: date) -> date:
    """The same day next year; the first of March after a 29 February."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return date(day.year + 1, 3, 1)
