"""Rate limits: even refill, one bucket per caller and class, bounded memory."""

from __future__ import annotations

import pytest

from shared.errors import TooMany
from shared.runtime.clock import ManualClock
from shared.security.rate_limits import RateLimits
from tests.builders.toy import START


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def use(limits: RateLimits, caller: str = "a", *, times: int = 1, route_class: str = "apply") -> None:
    for _ in range(times):
        limits.ensure_within(route_class, caller, per_minute=6, burst=3)


def test_a_burst_passes_and_the_next_call_is_told_when_to_come_back(clock: ManualClock) -> None:
    limits = RateLimits(clock)
    use(limits, times=3)

    with pytest.raises(TooMany) as refused:
        use(limits)

    assert refused.value.retry_after_seconds == 10


def test_coming_back_when_told_succeeds_and_a_little_earlier_does_not(clock: ManualClock) -> None:
    limits = RateLimits(clock)
    use(limits, times=3)

    clock.advance(9.9)
    with pytest.raises(TooMany):
        use(limits)
    clock.advance(0.2)
    use(limits)


def test_a_bucket_never_holds_more_than_its_burst(clock: ManualClock) -> None:
    limits = RateLimits(clock)
    use(limits)
    clock.advance(3600)

    use(limits, times=3)
    with pytest.raises(TooMany):
        use(limits)


def test_a_clock_set_back_gives_nothing_away_and_takes_nothing(clock: ManualClock) -> None:
    limits = RateLimits(clock)
    use(limits, times=3)

    clock.advance(-3600)

    with pytest.raises(TooMany):
        use(limits)


def test_callers_and_route_classes_have_buckets_of_their_own(clock: ManualClock) -> None:
    limits = RateLimits(clock)
    use(limits, times=3)

    use(limits, "b", times=3)
    use(limits, route_class="sign_in", times=3)


def test_a_flood_of_callers_costs_no_memory(clock: ManualClock) -> None:
    limits = RateLimits(clock, buckets_max=10)

    for number in range(100):
        use(limits, f"caller-{number}")

    assert len(limits) == 10
