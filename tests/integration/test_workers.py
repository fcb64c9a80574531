"""Several workers of one service: which of them publishes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

import pytest

from shared.messaging.outbox import outbox_state
from shared.messaging.transport import PORTION, Accept, Message, Publisher, Settled, Subscription, nobody, nothing
from shared.runtime.assembly import Assembly
from shared.runtime.clock import SystemClock
from shared.runtime.worker import Worker
from tests.contracts.samples import SAMPLES
from tests.fixtures.assemblies import MakeAssembly
from tests.waiting import wait_until

OPENED = "finance.account.opened"


class Nothing:
    """A subscription on which nothing comes."""

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        """Nothing to let go of."""


class Taking:
    """A publisher that takes everything, slowly enough for a second one to come in between."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def publish(
        self,
        messages: Sequence[Message],
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        meanwhile()
        self.taken += [message.event_id for message in messages]
        threading.Event().wait(0.01)  # as long as a broker takes to confirm
        for first in range(0, len(messages), portion):
            settled([None] * len(messages[first : first + portion]))
        return [None] * len(messages)

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to let go of."""


class Recording:
    """A bus that only remembers what was published by whom."""

    def __init__(self) -> None:
        self.publishers: list[Taking] = []

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """Nothing to make."""

    def publisher(self) -> Publisher:
        self.publishers.append(Taking())
        return self.publishers[-1]

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        return Nothing()


def record(assembly: Assembly, number: int) -> None:
    [sample] = [each for each in SAMPLES if each.type == OPENED]
    with assembly.begin() as work:
        work.record(OPENED, subject=f"s-{number % 3}", data=json.loads(sample.body)["data"])


def is_empty(assembly: Assembly) -> bool:
    with assembly.reading() as reading:
        return outbox_state(reading)["pending"] == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_of_two_workers_of_a_service_one_publishes(make_assembly: MakeAssembly) -> None:
    """Two at once would publish everything twice, and sooner or later in the wrong order."""
    assembly, bus = make_assembly("finance", clock=SystemClock()), Recording()
    workers = [Worker(assembly, bus), Worker(assembly, bus)]
    for worker in workers:
        worker.start()
    try:
        for number in range(20):
            record(assembly, number)
        wait_until(lambda: is_empty(assembly), "an empty outbox")
    finally:
        for worker in workers:
            worker.stop()

    assert sorted(len(publisher.taken) for publisher in bus.publishers) == [0, 20]
