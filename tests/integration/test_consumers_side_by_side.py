"""Two consumers of one service at the same event: it has one effect, whatever holds up one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared.errors import Unavailable
from shared.messaging.consumer import Consumer
from shared.messaging.contracts import Consumed
from shared.messaging.inbox import DONE
from shared.messaging.outbox import Outbox
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import Cause, UnitOfWork, Units
from shared.runtime.clock import ManualClock
from shared.runtime.failpoints import Failpoints
from tests.builders.kernel import PUBLISHES, SAID, START, Kernel, WordHeard, kernel_on
from tests.builders.parked import Mendable, body_of, states


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


class Interrupted(Units):
    """Units of work of a process that is held up before some of them."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel.database, kernel.wakeups, kernel.clock, kernel.ids, Outbox("alpha", PUBLISHES))
        #: What others do meanwhile: before the first unit, before the second, and so on.
        self.meanwhile: list[Callable[[], object]] = []

    @contextmanager
    def begin(self, cause: Cause | None = None, *, quiet: bool = False) -> Iterator[UnitOfWork]:
        """See the base."""
        if self.meanwhile:
            self.meanwhile.pop(0)()
        with super().begin(cause, quiet=quiet) as work:
            yield work


@pytest.mark.parametrize("units_before", [0, 1], ids=["before_its_attempt", "before_its_effect"])
def test_a_consumer_held_up_while_another_one_retries_its_event_does_not_repeat_it(
    kernel: Kernel, clock: ManualClock, units_before: int
) -> None:
    # given a deferred event that is due, and a consumer that is held up for hours when it has just seen that
    reaction = Mendable(late=Unavailable("word.not_yet"))
    other = kernel.consumer(reaction=reaction)
    other.accept([body_of("late")])
    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[0])
    units = Interrupted(kernel)
    held_up = Consumer(units, kernel.ids, {SAID: Consumed(WordHeard)}, {SAID: reaction}, Failpoints())

    def take_over() -> None:
        clock.advance(EVENT_DELAYS_SECONDS[-1])
        assert other.retry_due() == 1

    units.meanwhile = [*[lambda: None] * units_before, take_over]

    # when it goes on, after another one took the event over
    held_up.retry_due()

    # then there is one effect, the other one's
    assert kernel.words() == ["late"]
    assert states(kernel) == {"late": DONE}
    assert (held_up.counts.done, other.counts.done) == (0, 1)
    assert not units.meanwhile
