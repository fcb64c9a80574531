"""From when a unit is no member (art. 7(3))."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.membership.domain.leaving import a_year_after, decide_leaving_time, ensure_on_record
from shared.errors import Invalid

#: Half past midnight of 2 March in China; in Greenwich it is the day before.
NOW = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)


def test_without_a_day_a_unit_leaves_at_once() -> None:
    assert decide_leaving_time(None, NOW) == NOW


def test_a_day_begins_at_midnight_in_china() -> None:
    assert decide_leaving_time(date(2026, 3, 3), NOW) == datetime(2026, 3, 2, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2026, 3, 2), "leaving.day_not_later"),
        (date(2026, 3, 1), "leaving.day_not_later"),
        (date(2027, 3, 3), "leaving.day_too_far"),
    ],
    ids=["today", "yesterday", "more than a year ahead"],
)
def test_a_day_that_makes_no_sense_is_sent_back_by_its_field(day: date, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        decide_leaving_time(day, NOW)

    (fault,) = refused.value.faults
    assert (fault.code, fault.field, refused.value.article) == (code, "leaves_on", "7(3)")


def test_a_whole_year_ahead_is_not_too_far() -> None:
    assert decide_leaving_time(date(2027, 3, 2), NOW) == datetime(2027, 3, 1, 16, tzinfo=UTC)
    assert a_year_after(date(2028, 2, 29)) == date(2029, 3, 1)


@given(st.dates(date(2000, 1, 1), date(2099, 1, 1)), st.integers(1, 365), st.integers(0, 86_399))
def test_a_unit_never_leaves_before_it_said_so(today: date, days: int, second: int) -> None:
    now = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(hours=8) + timedelta(seconds=second)

    assert now < decide_leaving_time(today + timedelta(days=days), now) <= now + timedelta(days=365)


def test_only_what_came_on_paper_needs_a_reason() -> None:
    ensure_on_record("representative", None)
    ensure_on_record("secretariat", "letter of 1 March 2026")
    for nothing in (None, ""):
        with pytest.raises(Invalid) as refused:
            ensure_on_record("secretariat", nothing)
        assert refused.value.faults[0].code == "leaving.reason_needed"
