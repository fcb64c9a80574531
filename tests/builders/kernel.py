"""A tiny service pair for tests of the kernel: `alpha` says things, others hear them.

No word of the alliance's business: what the kernel promises must hold for any service.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
import sqlalchemy as sa

from shared.messaging import envelope
from shared.messaging.consumer import Consumer
from shared.messaging.contracts import Consumed, ConsumedSchema, Published, PublishedSchema, Reaction
from shared.messaging.envelope import Event
from shared.messaging.outbox import Outbox
from shared.messaging.transport import Message
from shared.persistence.columns import kernel_metadata, new_metadata
from shared.persistence.database import Database
from shared.persistence.unit_of_work import Cause, UnitOfWork, Units
from shared.persistence.wakeups import Wakeups
from shared.runtime.clock import Clock, ManualClock, SystemClock
from shared.runtime.failpoints import Failpoints
from shared.runtime.identifiers import Identifiers

SAID = "alpha.word.said"
WHISPERED = "alpha.word.whispered"
#: Rounds of retries in one test: each tries everything due, so that a handful is many.
ROUNDS_MAX = 50
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class WordSaid(PublishedSchema):
    """What alpha publishes."""

    word = ma.fields.String(required=True)


class WordHeard(ConsumedSchema):
    """The view others take of it."""

    word = ma.fields.String(required=True)


PUBLISHES = {
    SAID: Published(WordSaid, "a word was said aloud"),
    WHISPERED: Published(WordSaid, "a word was whispered"),
}

#: The sample consumer's own table: what its reactions did.
metadata = new_metadata()
effects = sa.Table(
    "effects",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("word", sa.String(100), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
)


class Kernel:
    """One service's database with outbox, inbox and units of work, without web and without processes."""

    def __init__(self, url: str, *, clock: Clock | None = None, create: bool = True) -> None:
        self.clock = clock or SystemClock()
        self.ids = Identifiers(self.clock)
        self.database = Database(url)
        if create:
            kernel_metadata.create_all(self.database.engine)
            metadata.create_all(self.database.engine)
        self.wakeups = Wakeups(self.database)
        self.units = Units(self.database, self.wakeups, self.clock, self.ids, Outbox("alpha", PUBLISHES))

    def say(self, word: str, *, subject: str = "s-1", event_type: str = SAID) -> str:
        """Record one event in a unit of its own; returns its id."""
        with self.units.begin() as work:
            return work.record(event_type, subject=subject, data={"word": word})

    def consumer(self, *types: str, reaction: Reaction | None = None) -> Consumer:
        """A consumer that writes down what it hears, or reacts as told."""
        heard = types or (SAID,)
        return Consumer(
            self.units,
            self.ids,
            {each: Consumed(WordHeard) for each in heard},
            dict.fromkeys(heard, reaction or write_down),
            Failpoints(),
        )

    def words(self) -> list[str]:
        """The effects so far, in order."""
        with self.units.reading() as reading:
            return [row.word for row in reading.all(sa.select(effects.c.word).order_by(effects.c.id))]

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table."""
        with self.units.reading() as reading:
            return [row._asdict() for row in reading.all(sa.select(table))]

    def close(self) -> None:
        """Let go of threads and connections."""
        self.wakeups.stop()
        self.database.dispose()


@contextmanager
def kernel_on(url: str, *, clock: Clock | None = None, create: bool = True) -> Iterator[Kernel]:
    """A kernel for the length of a block."""
    kernel = Kernel(url, clock=clock, create=create)
    try:
        yield kernel
    finally:
        kernel.close()


def write_down(work: UnitOfWork, event: Event) -> None:
    """The sample reaction: one row per event."""
    work.execute(effects.insert().values(word=event.data["word"], subject=event.subject))


def envelope_of(word: str, *, subject: str = "s-1", sequence: int = 1, **changes: Any) -> dict[str, Any]:
    """A valid envelope from alpha; `changes` replace attributes."""
    ids = Identifiers(ManualClock(START))
    event_type = changes.pop("type", SAID)
    built = envelope.build(
        event_id=changes.pop("id", ids.new_id()),
        event_type=event_type,
        major=1,
        service="alpha",
        subject=subject,
        sequence=sequence,
        time=START,
        data={"word": word},
        cause=Cause(correlation_id="story-1"),
        article=None,
    )
    return {**built, **changes}


def message_of(word: str, *, subject: str = "s-1", sequence: int = 1, event_type: str = SAID) -> Message:
    """A message as the relay would publish it."""
    built = envelope_of(
        word, subject=subject, sequence=sequence, type=event_type, dataschema=envelope.schema_of(event_type, 1)
    )
    return Message(built["id"], event_type, subject, envelope.encode(built).encode())


def retry_all(consumer: Consumer) -> None:
    """Try what is due until nothing is; a consumer that never comes to an end fails the test instead of stopping it."""
    for _ in range(ROUNDS_MAX):
        if not consumer.retry_due():
            return
    raise AssertionError(f"still something due after {ROUNDS_MAX} rounds")


def word_of(body: bytes) -> str:
    """The word in an envelope's bytes."""
    import json

    data: Mapping[str, str] = json.loads(body)["data"]
    return data["word"]


def held_by(event: threading.Event, seconds: float) -> Callable[[list[str]], None]:
    """For `Listener.before`: a handler that takes its time until the event is set, at most so long."""

    def hold(_words: list[str]) -> None:
        event.wait(seconds)

    return hold


class Listener:
    """A subscriber for transport tests: remembers words, fails when told to, and notices overlapping calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: list[str] = []
        self._inside = 0
        self.overlapped = False
        self.batches = 0
        #: Called with the words of a batch before they count as taken; may raise or block.
        self.before: Callable[[list[str]], None] = lambda _words: None

    def __call__(self, bodies: Any) -> None:
        """The port's `accept`."""
        words = [word_of(body) for body in bodies]
        with self._lock:
            self._inside += 1
            self.overlapped |= self._inside > 1
        try:
            self.before(words)
            with self._lock:
                self._words += words
                self.batches += 1
        finally:
            with self._lock:
                self._inside -= 1

    @property
    def words(self) -> list[str]:
        """What was taken so far, in order, repeats included."""
        with self._lock:
            return list(self._words)
