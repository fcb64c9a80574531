"""A bus that keeps the promises of `shared/messaging/transport.py` and not one more.

It keeps messages per queue, delays them, mixes subjects, delivers in batches of any size, delivers again, refuses, is
away, and takes a part before the connection breaks. `keeps_order=False` breaks even promise 3: messages of one subject
come in any order. Nothing happens by itself: the scheduler calls `deliver`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.messaging.transport import (
    BEHIND_A_REFUSED,
    PORTION,
    Accept,
    BrokerUnavailable,
    Message,
    Publisher,
    Settled,
    Subscription,
    matches,
    nobody,
    nothing,
)
from tests.simulation.faults import Crash, Faults

#: Largest batch delivered.
BATCH_MAX = 12
#: How long messages are held up, in seconds, one of these each.
DELAYS_SECONDS = (0.05, 1.0, 20.0, 600.0, 7_200.0)
#: When copies of a delivered message come, in seconds after it: at once, soon, days later.
COPIES_SECONDS = (0.0, 0.1, 5.0, 900.0, 86_400.0, 30 * 86_400.0)


@dataclass(frozen=True)
class Waiting:
    """A message in a queue; not delivered before `at`, in seconds of the simulation."""

    message: Message
    at: float

    @property
    def line(self) -> tuple[str, str]:
        """What it keeps order with: its publisher and its subject."""
        return self.message.type.partition(".")[0], self.message.subject


@dataclass
class Queue:
    """One service's queue."""

    patterns: tuple[str, ...]
    accept: Accept | None = None
    lines: dict[tuple[str, str], list[Waiting]] = field(default_factory=dict)
    copies: list[Waiting] = field(default_factory=list)

    def put(self, waiting: Waiting) -> None:
        """At the end of its subject's line."""
        self.lines.setdefault(waiting.line, []).append(waiting)

    def give_back(self, batch: Sequence[Waiting]) -> None:
        """To the front of their lines, in the order they had."""
        for waiting in reversed(batch):
            self.lines.setdefault(waiting.line, []).insert(0, waiting)

    def __len__(self) -> int:
        return sum(map(len, self.lines.values())) + len(self.copies)


class SimulatedBus:
    """All queues of a run; a `Transport`."""

    def __init__(
        self, faults: Faults, elapsed: Callable[[], float], counts: Counter[str], *, keeps_order: bool = True
    ) -> None:
        self.queues: dict[str, Queue] = {}
        #: Ids of messages that a publisher was told are taken.
        self.confirmed: set[str] = set()
        #: Ids that each queue has ever taken.
        self.taken: dict[str, set[str]] = {}
        #: Called while a batch is on its way, for whoever wants to come in between.
        self.in_between: Callable[[], None] = lambda: None
        self._faults = faults
        self._chance: random.Random = faults.chance
        self._elapsed = elapsed
        self._counts = counts
        self._keeps_order = keeps_order

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """From now on the queue takes these types."""
        self.queues.setdefault(queue, Queue(())).patterns = tuple(patterns)
        self.taken.setdefault(queue, set())

    def publisher(self) -> Publisher:
        """A way in."""
        return _Publisher(self)

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        """Give the queue's messages to `accept` whenever `deliver` is called."""
        self.declare(queue, patterns)
        self.queues[queue].accept = accept
        return _Subscription(self.queues[queue])

    # ---------------------------------------------------------------- in

    def publish(
        self, messages: Sequence[Message], portion: int, meanwhile: Callable[[], None], settled: Settled
    ) -> list[str | None]:
        """Take messages, or not; see the port. What is behind may be taken already when the first portion is told."""
        if self._faults.strikes("bus.unavailable"):
            raise BrokerUnavailable("simulated: out of reach")
        self.in_between()
        meanwhile()
        behind: set[tuple[str, str]] = set()
        is_ahead = self._chance.random() < 0.5
        outcomes: list[str | None] = []
        for first in range(0, len(messages), portion):
            rest = [message for message in messages[len(outcomes) :] if Waiting(message, 0.0).line not in behind]
            for fault in ("bus.cut", "crash.bus.during_publish"):
                if self._faults.strikes(fault):
                    self._take_a_part(rest)
                    if fault == "bus.cut":
                        raise BrokerUnavailable("simulated: the connection broke; some were taken")
                    raise Crash(fault)
            if first == len(outcomes):
                last = len(messages) if is_ahead else first + portion
                outcomes += [self._take(message, behind) for message in messages[first:last]]
            told = list(zip(messages, outcomes, strict=False))[first : first + portion]
            self.confirmed.update(message.event_id for message, outcome in told if outcome is None)
            self._counts["portions.later"] += first > 0
            settled([outcome for _, outcome in told])
        return outcomes

    def _take(self, message: Message, behind: set[tuple[str, str]]) -> str | None:
        line = Waiting(message, 0.0).line
        if line in behind:
            return BEHIND_A_REFUSED
        bound = self._bound(message)
        reason = None if bound else "unroutable"
        for name in bound:
            # A queue may be full while its neighbours take the message.
            if self._faults.strikes("bus.refused"):
                reason = f"{name} is full"
            else:
                self._put(name, message)
        if reason is not None:
            behind.add(line)
        return reason

    def _take_a_part(self, messages: Sequence[Message]) -> None:
        # Each queue for itself: the broker confirms when the last of them has a message, not before.
        for name in self.queues:
            wanted = [message for message in messages if name in self._bound(message)]
            for message in wanted[: self._chance.randint(0, len(wanted))]:
                self._put(name, message)

    def _bound(self, message: Message) -> list[str]:
        return [
            name for name, queue in self.queues.items() if any(matches(each, message.type) for each in queue.patterns)
        ]

    def _put(self, name: str, message: Message) -> None:
        delay = self._chance.choice(DELAYS_SECONDS) if self._faults.strikes("bus.delayed") else 0.0
        self.queues[name].put(Waiting(message, self._elapsed() + delay))
        self.taken[name].add(message.event_id)

    # ---------------------------------------------------------------- out

    def deliver(self, name: str, limit: int | None = None) -> list[Message]:
        """Deliver one batch; returns what was acknowledged. Whatever `accept` raised comes out once all is put back."""
        queue = self.queues[name]
        assert queue.accept is not None, f"nobody consumes {name}"
        batch = self._choose(queue, limit or self._chance.randint(1, BATCH_MAX))
        if not batch:
            return []
        try:
            queue.accept([waiting.message.body for waiting in batch])
        except BaseException:
            queue.give_back(batch)
            raise
        known = batch
        if self._faults.strikes("bus.acknowledgement_lost"):
            known = batch[: self._chance.randint(0, len(batch) - 1)]
            queue.give_back(batch[len(known) :])
        for waiting in known:
            if self._faults.strikes("bus.duplicated"):
                copies = [self._chance.choice(COPIES_SECONDS) for _ in range(self._chance.randint(1, 4))]
                queue.copies += [Waiting(waiting.message, self._elapsed() + seconds) for seconds in copies]
        return [waiting.message for waiting in known]

    def next_at(self) -> float | None:
        """When the next message that is held up may be delivered."""
        return min((copy.at for queue in self.queues.values() for copy in queue.copies), default=None)

    def is_ready(self, name: str) -> bool:
        """Whether a batch could be delivered now."""
        queue = self.queues[name]
        return any(self._is_due(line[0]) for line in queue.lines.values() if line) or any(
            copy.at <= self._elapsed() for copy in queue.copies
        )

    def _is_due(self, waiting: Waiting) -> bool:
        return not self._faults.active or waiting.at <= self._elapsed()

    def _choose(self, queue: Queue, size: int) -> list[Waiting]:
        chosen: list[Waiting] = []
        while len(chosen) < size:
            due = [copy for copy in queue.copies if copy.at <= self._elapsed()]
            ready = [line for line, waiting in queue.lines.items() if waiting and self._is_due(waiting[0])]
            if due and (not ready or self._chance.random() < 0.3):
                copy = self._chance.choice(due)
                queue.copies.remove(copy)
                chosen.append(copy)
                self._counts["messages.duplicates"] += 1
            elif ready:
                waiting = queue.lines[self._chance.choice(ready)]
                place = 0 if self._keeps_order else self._chance.randrange(len(waiting))
                self._counts["messages.out_of_order"] += place > 0
                chosen.append(waiting.pop(place))
            else:
                break
        queue.lines = {line: waiting for line, waiting in queue.lines.items() if waiting}
        return chosen


@dataclass(frozen=True)
class _Publisher:
    bus: SimulatedBus

    def publish(
        self,
        messages: Sequence[Message],
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        return self.bus.publish(messages, portion, meanwhile, settled)

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True)
class _Subscription:
    queue: Queue

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        self.queue.accept = None
