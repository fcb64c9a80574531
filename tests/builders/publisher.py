"""A publisher without a bus, for tests of the relay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.messaging.outbox import outbox
from shared.messaging.relay import Relay
from shared.messaging.transport import PORTION, BrokerUnavailable, Message, Settled, nobody, nothing
from shared.runtime.failpoints import Failpoints
from tests.builders.kernel import Kernel, word_of


class FakePublisher:
    """Takes messages as told: everything, nothing, or all but some types."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.words: list[str] = []
        self.messages: list[Message] = []
        self.refused_types: set[str] = set()
        self.away = False
        #: The connection breaks when so many have been told of.
        self.breaks_after: int | None = None
        self.marked_too_early = False

    def publish(
        self,
        messages: Sequence[Message],
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        outcomes = self._take(messages)
        meanwhile()
        for first in range(0, len(outcomes), portion):
            if self.breaks_after == first:
                raise BrokerUnavailable("broken")
            settled(outcomes[first : first + portion])
        return outcomes

    def _take(self, messages: Sequence[Message]) -> list[str | None]:
        self.messages += messages
        ids = [message.event_id for message in messages]
        self.marked_too_early |= any(row["sent_at"] for row in self._kernel.rows(outbox) if row["event_id"] in ids)
        if self.away:
            raise BrokerUnavailable("away")
        outcomes: list[str | None] = []
        refused_subjects: set[str] = set()
        for message in messages:
            taken = message.type not in self.refused_types and message.subject not in refused_subjects
            outcomes.append(None if taken else "unroutable")
            if taken:
                self.words.append(word_of(message.body))
            else:
                refused_subjects.add(message.subject)
        return outcomes

    def close(self) -> None:
        """Nothing to close."""

    def is_alive(self) -> bool:
        return True


def relay_of(kernel: Kernel, publisher: FakePublisher, batch: int = 50) -> Relay:
    return Relay(kernel.units, publisher, Failpoints(), batch)
