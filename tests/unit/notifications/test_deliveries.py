"""What an attempt leads to: the schedule of Standard Webhooks, its jitter, its ends."""

from __future__ import annotations

import pytest

from services.notifications.domain.deliveries import (
    ATTEMPTS_MAX,
    DELAYS_SECONDS,
    JITTER,
    TRANSITIONS,
    Attempt,
    State,
    Step,
    decide_after_attempt,
    decide_step,
    webhook_attempt,
)
from shared.errors import Conflict

FAILED = Attempt(False, 10, 500, "refused")


def test_the_schedule_is_ten_attempts_over_seventy_five_hours() -> None:
    hours, minutes = divmod(sum(DELAYS_SECONDS) // 60, 60)

    assert ATTEMPTS_MAX == 10
    assert (hours, minutes) == (75, 35)


@pytest.mark.parametrize("number", range(1, ATTEMPTS_MAX))
def test_each_failure_waits_longer_with_a_jitter_that_never_shortens(number: int) -> None:
    shortest = decide_after_attempt(number, FAILED, 0.0).delay_seconds
    longest = decide_after_attempt(number, FAILED, 0.999999).delay_seconds

    assert shortest == DELAYS_SECONDS[number - 1]
    assert longest is not None
    assert shortest is not None
    assert shortest < longest < shortest * (1 + JITTER)


def test_the_tenth_failure_is_the_end() -> None:
    verdict = decide_after_attempt(ATTEMPTS_MAX, FAILED, 0.5)

    assert (verdict.step, verdict.delay_seconds, verdict.disables_subscription) == (Step.GIVEN_UP, None, False)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_two_hundred_is_taken(status: int) -> None:
    assert decide_after_attempt(1, webhook_attempt(status, None, 5), 0.5).step is Step.TAKEN


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 422, 429, 500, 502, 503]
)
def test_everything_else_is_a_failure_that_is_tried_again(status: int) -> None:
    verdict = decide_after_attempt(1, webhook_attempt(status, None, 5), 0.0)

    assert (verdict.step, verdict.delay_seconds) == (Step.FAILED, 5)


def test_gone_ends_the_delivery_and_the_subscription() -> None:
    verdict = decide_after_attempt(1, webhook_attempt(410, None, 5), 0.5)

    assert (verdict.step, verdict.disables_subscription) == (Step.GIVEN_UP, True)


@pytest.mark.parametrize(("asked", "delay"), [(None, 5), (0, 5), (3, 5), (120, 120), (86_400, 86_400)])
def test_retry_after_lengthens_a_wait_and_never_shortens_it(asked: int | None, delay: int) -> None:
    assert decide_after_attempt(1, webhook_attempt(503, None, 5, asked), 0.0).delay_seconds == delay


def test_retry_after_of_a_success_means_nothing() -> None:
    assert webhook_attempt(200, None, 5, 120).retry_after_seconds is None


def test_a_permanent_refusal_is_not_tried_again_and_leaves_the_subscription() -> None:
    verdict = decide_after_attempt(1, Attempt(False, 5, 550, "recipient_refused", permanent=True), 0.5)

    assert (verdict.step, verdict.disables_subscription) == (Step.GIVEN_UP, False)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_a_step_that_the_table_does_not_have_is_refused(state: State, step: Step) -> None:
    if (state, step) in TRANSITIONS:
        assert decide_step(state, step) is TRANSITIONS[state, step]
        return
    with pytest.raises(Conflict):
        decide_step(state, step)


def test_what_was_delivered_stays_delivered() -> None:
    assert {state for state, _ in TRANSITIONS} == {State.PENDING, State.ABANDONED}
