"""Waits between attempts: growing, jittered, and with an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.retry import EVENT_DELAYS_SECONDS, delay_seconds


@given(st.integers(1, len(EVENT_DELAYS_SECONDS)), st.floats(0, 1, exclude_max=True))
def test_a_wait_lies_between_half_and_all_of_the_plan(failures, fraction) -> None:
    planned = EVENT_DELAYS_SECONDS[failures - 1]
    waited = delay_seconds(failures, EVENT_DELAYS_SECONDS, fraction)
    assert waited is not None
    assert planned / 2 <= waited <= planned


def test_the_fraction_says_where_between_the_two_a_wait_lies() -> None:
    assert [delay_seconds(2, (1.0, 8.0), fraction) for fraction in (0.0, 0.25, 0.5)] == [4.0, 5.0, 6.0]


def test_many_that_fail_together_come_back_apart() -> None:
    waits = {delay_seconds(1, EVENT_DELAYS_SECONDS, fraction / 100) for fraction in range(100)}

    assert len(waits) == 100


def test_the_plan_grows_lasts_about_a_day_and_ends() -> None:
    assert list(EVENT_DELAYS_SECONDS) == sorted(EVENT_DELAYS_SECONDS)
    assert 20 * 3600 <= sum(EVENT_DELAYS_SECONDS) <= 28 * 3600
    assert delay_seconds(len(EVENT_DELAYS_SECONDS) + 1, EVENT_DELAYS_SECONDS, 0.5) is None
