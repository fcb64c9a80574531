"""A delivery's life as a table, and when it is tried again.

At least once: an attempt whose outcome nobody could write down is made again, and receivers tell copies by their id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Conflict

#: Waits before the attempts after the first, in seconds; ten attempts over about 75 hours, as Standard Webhooks advises.
DELAYS_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX = len(DELAYS_SECONDS) + 1
#: A wait is up to this much longer, by chance, so that what failed together does not come back together.
JITTER = 0.2
#: "Gone" (Standard Webhooks): the receiver asks never to be called again.
GONE = 410
#: Error of a message that could not even be put together; operators find the reason in the log.
NOT_SENDABLE = "not_sendable"


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What can happen to a delivery."""

    TAKEN = "taken"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    CANCELLED = "cancelled"
    RETRIED = "retried"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.PENDING, Step.TAKEN): State.DELIVERED,
    (State.PENDING, Step.FAILED): State.PENDING,
    (State.PENDING, Step.GIVEN_UP): State.ABANDONED,
    (State.PENDING, Step.CANCELLED): State.CANCELLED,
    (State.ABANDONED, Step.RETRIED): State.PENDING,
}


@dataclass(frozen=True)
class Attempt:
    """One try, as the channel saw it. `status` is HTTP's or SMTP's; `error` a word where the try failed.

    `permanent` means that the same message will never be taken.
    """

    taken: bool
    milliseconds: int
    status: int | None = None
    error: str | None = None
    retry_after_seconds: int | None = None
    permanent: bool = False

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more deliveries at all."""
        return self.status == GONE and not self.taken


@dataclass(frozen=True)
class Verdict:
    """What an attempt leads to. `delay_seconds` is set where there will be another."""

    step: Step
    delay_seconds: float | None = None
    disables_subscription: bool = False


def webhook_attempt(
    status: int | None, error: str | None, milliseconds: int, retry_after_seconds: int | None = None
) -> Attempt:
    """An answer by the rules of Standard Webhooks: 2xx is taken, everything else is not, 3xx included."""
    taken = status is not None and 200 <= status < 300
    if not taken and error is None:
        error = "refused"
    return Attempt(taken, milliseconds, status, error, None if taken else retry_after_seconds, permanent=status == GONE)


def decide_after_attempt(attempts_in_round: int, attempt: Attempt, fraction: float) -> Verdict:
    """What follows the `attempts_in_round`-th attempt (from 1). `fraction` in [0, 1) is chance, for the jitter."""
    if attempt.taken:
        return Verdict(Step.TAKEN)
    if attempt.permanent or attempts_in_round >= ATTEMPTS_MAX:
        return Verdict(Step.GIVEN_UP, disables_subscription=attempt.gone)
    delay = DELAYS_SECONDS[attempts_in_round - 1] * (1 + JITTER * fraction)
    return Verdict(Step.FAILED, delay_seconds=max(delay, float(attempt.retry_after_seconds or 0)))


def decide_step(state: State, step: Step) -> State:
    """The state after the step. Raises Conflict where the step is not open."""
    following = TRANSITIONS.get((state, step))
    if following is None:
        raise Conflict("delivery.step_not_open", state=state.value)
    return following
