"""The port to the bus. Two transports keep its promises: `in_process` and `rabbitmq`.

Promises, proved for both by one test suite:
1. A message that `publish` reports as confirmed has been taken over durably by every queue bound to its type.
2. A subscriber gets every message bound to it at least once; one for which `accept` raised is delivered again.
3. Messages of one publisher and one subject reach a queue in the order of publishing, repeats aside. When one is
   refused, those of its subject behind it in the same call are refused with it, and never sent.
4. A message that no queue takes is reported as refused, never dropped in silence.
5. Neither side gives up: after an outage they go on by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

#: Takes a batch of message bodies; returning means that all of them are stored and may be forgotten by the bus.
Accept = Callable[[Sequence[bytes]], None]


#: Is told what became of the next messages of a batch: for each None, or the reason why it was not taken.
Settled = Callable[[Sequence[str | None]], None]


#: Why a message was not even sent: an earlier one of its subject was refused.
BEHIND_A_REFUSED = "behind a refused message"


class BrokerUnavailable(Exception):
    """The bus could not be reached, or did not confirm in time. What was sent may or may not have arrived."""


@dataclass(frozen=True)
class Message:
    """An envelope on its way; `type` is the routing key, `subject` what it keeps order with."""

    event_id: str
    type: str
    subject: str
    body: bytes


#: Messages that a publisher tells of at a time, unless asked for another number.
PORTION = 500


def nobody(_outcomes: Sequence[str | None]) -> None:
    """Who is told while a batch is on its way, unless somebody wants to be."""


def nothing() -> None:
    """What the caller does while a batch is on its way, unless there is something to do."""


class Publisher(Protocol):
    """The way out of one service."""

    def publish(
        self,
        messages: Sequence[Message],
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        """Send a batch and wait for the confirms. For each message None, or the reason why it was not taken.

        A batch may hold several messages of a subject; no two messages of it may have the same id.

        `meanwhile` is called once, in the caller's thread, when the batch has been handed over and before anything of it is
        told. `settled` is called in the caller's thread, message by message in their order but `portion` at a time, while
        those behind are on their way. What either raises comes out at once; the outcome of the rest is then unknown.

        Raises BrokerUnavailable when the outcome of any is unknown; all that `settled` has not been told of may then be
        published again.
        """
        ...

    def is_alive(self) -> bool:
        """False when it has ended by a bug and only a restart helps; a broker that is away does not count."""
        ...

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        ...


class Subscription(Protocol):
    """A running delivery of a queue to one subscriber."""

    def is_alive(self) -> bool:
        """False when it has ended by a bug and only a restart helps; a broker that is away does not count."""
        ...

    def stop(self) -> None:
        """Finish the batch in hand, give back the rest, let go. May be called twice."""
        ...


class Transport(Protocol):
    """A bus."""

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """Make sure that the queue exists and is bound; events of these types are kept for it from now on."""
        ...

    def publisher(self) -> Publisher:
        """A way out; connects when first used."""
        ...

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        """Start delivering the queue's messages, in batches, to `accept`, one call at a time per subscription."""
        ...


def queue_of(service: str) -> str:
    """The name of a service's queue."""
    return f"{service}.inbox"


def dead_queue_of(service: str) -> str:
    """The name of the queue into which the broker sets aside what was in hand at too many crashes of a service."""
    return f"{service}.dead"


def matches(pattern: str, event_type: str) -> bool:
    """Whether a topic pattern takes a type: exact, or `#` for everything."""
    return pattern in ("#", event_type)
