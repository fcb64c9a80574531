"""The bus of the embedded mode: straight from one service's outbox into the others' inboxes, nothing in between.

`publish` calls the subscribers itself and returns when each has committed, so a confirm means here what it means on
RabbitMQ: stored by everybody concerned. A crash in between leaves the outbox row unsent, and it is sent again.
Must not be called inside a unit of work; the relay calls it between two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from shared.messaging.transport import (
    BEHIND_A_REFUSED,
    PORTION,
    Accept,
    Message,
    Publisher,
    Settled,
    Subscription,
    matches,
    nobody,
    nothing,
)
from shared.runtime.logging import get_logger

log = get_logger(__name__)


class InProcess:
    """All queues of one process."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._lock = threading.Lock()

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """From now on a message of these types needs this queue's subscriber to be confirmed."""
        with self._lock:
            self._queues.setdefault(queue, _Queue(queue)).patterns = tuple(patterns)

    def publisher(self) -> Publisher:
        """A way into all queues."""
        return _Publisher(self)

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        """Let `accept` take the queue's messages."""
        self.declare(queue, patterns)
        return self._queues[queue].attach(accept)

    def queues(self) -> list[_Queue]:
        """The declared queues."""
        with self._lock:
            return list(self._queues.values())


class _Queue:
    def __init__(self, name: str) -> None:
        self.name = name
        self.patterns: tuple[str, ...] = ()
        self._accept: Accept | None = None
        # One call at a time, as the port promises; the relays of several services may publish at once.
        self._lock = threading.Lock()

    def wants(self, message: Message) -> bool:
        return any(matches(pattern, message.type) for pattern in self.patterns)

    def deliver(self, messages: Sequence[Message]) -> str | None:
        """None when the subscriber has taken them; else why not."""
        with self._lock:
            if self._accept is None:
                return f"nobody consumes {self.name}"
            try:
                self._accept([message.body for message in messages])
            except Exception as error:  # noqa: BLE001 - whatever it was, the messages were not taken and stay in the outbox
                log.warning("in_process.not_taken", queue=self.name, error=repr(error))
                return f"{self.name}: {error!r}"
        return None

    def attach(self, accept: Accept) -> Subscription:
        with self._lock:
            assert self._accept is None, f"{self.name} has a subscriber already"
            self._accept = accept
        return _Subscription(self)

    def detach(self) -> None:
        with self._lock:
            self._accept = None


class _Publisher:
    def __init__(self, bus: InProcess) -> None:
        self._bus = bus

    def publish(
        self,
        messages: Sequence[Message],
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        meanwhile()
        outcomes: list[str | None] = []
        refused_subjects: set[str] = set()
        for first in range(0, len(messages), portion):
            told = self._publish(messages[first : first + portion], refused_subjects)
            settled(told)
            outcomes += told
        return outcomes

    def _publish(self, messages: Sequence[Message], refused_subjects: set[str]) -> list[str | None]:
        queues = self._bus.queues()
        refused = {
            message.event_id: "unroutable" for message in messages if not any(queue.wants(message) for queue in queues)
        }
        _hold_back(messages, refused, refused_subjects)
        for queue in queues:
            wanted = [message for message in messages if message.event_id not in refused and queue.wants(message)]
            reason = queue.deliver(wanted) if wanted else None
            if reason is not None:
                refused |= {message.event_id: reason for message in wanted}
                _hold_back(messages, refused, refused_subjects)
        return [refused.get(message.event_id) for message in messages]

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to let go of."""


def _hold_back(messages: Sequence[Message], refused: dict[str, str], subjects: set[str]) -> None:
    """Refuse what stands behind a refused message of its subject; `subjects` has those of earlier messages, and gets more."""
    for message in messages:
        if message.event_id in refused:
            subjects.add(message.subject)
        elif message.subject in subjects:
            refused[message.event_id] = BEHIND_A_REFUSED


class _Subscription:
    def __init__(self, queue: _Queue) -> None:
        self._queue = queue

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        self._queue.detach()
