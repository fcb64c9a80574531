"""Bugs that the simulation found, as stories without a seed: what happened, in which order, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from shared.messaging.envelope import encode
from shared.messaging.inbox import DONE, PARKED, inbox
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, Kernel, envelope_of, kernel_on


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def _body(sequence: int) -> bytes:
    return encode(envelope_of(str(sequence), sequence=sequence)).encode()


def _states(kernel: Kernel) -> dict[int, str]:
    return {row["sequence"]: row["state"] for row in kernel.rows(inbox)}


def test_an_overtaken_event_that_waited_behind_a_parked_one_is_parked_too(kernel: Kernel, clock: ManualClock) -> None:
    # given the third event of a subject had its effect, and the second came after it: parked, out of order
    consumer = kernel.consumer()
    consumer.accept([_body(3)])
    consumer.accept([_body(2)])
    assert _states(kernel) == {3: DONE, 2: PARKED}

    # when the first arrives, waits behind the parked one, and falls due: nothing open stands before it
    consumer.accept([_body(1)])
    clock.advance(60.0)
    consumer.retry_due()

    # then it is parked for its order, and has no effect after the third
    assert kernel.words() == ["3"]
    assert _states(kernel) == {3: DONE, 2: PARKED, 1: PARKED}


def test_an_overtaken_event_whose_arrival_the_database_failed_is_parked_when_tried_again(
    kernel: Kernel, clock: ManualClock
) -> None:
    # given a later event had its effect
    consumer = kernel.consumer()
    consumer.accept([_body(2)])

    # when the database fails twice, so that the first is put aside before its order was looked at, and it is tried again
    failing = _Failing(consumer, times=2)
    failing.accept([_body(1)])
    clock.advance(60.0)
    consumer.retry_due()

    # then it is parked for its order
    assert kernel.words() == ["2"]
    assert _states(kernel) == {2: DONE, 1: PARKED}


class _Failing:
    """A consumer whose next looks at the inbox fail, as the database's do: once for the batch, once for the event."""

    def __init__(self, consumer: object, times: int) -> None:
        self._consumer = consumer
        self._left = times

    def accept(self, bodies: list[bytes]) -> None:
        take_in = self._consumer._take_in  # type: ignore[attr-defined]  # looked behind the curtain on purpose

        def fail(*arguments: object) -> object:
            if self._left:
                self._left -= 1
                raise OperationalError("SELECT", {}, Exception("the connection is gone"))
            return take_in(*arguments)

        self._consumer._take_in = fail  # type: ignore[attr-defined]
        try:
            self._consumer.accept(bodies)  # type: ignore[attr-defined]
        finally:
            del self._consumer._take_in  # type: ignore[attr-defined]
