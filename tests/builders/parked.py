"""Parked events for tests of the operators' handles: a reaction that can be mended, and a clerk who acts."""

from __future__ import annotations

from typing import Any

from shared.errors import Conflict
from shared.messaging import parking
from shared.messaging.consumer import Consumer
from shared.messaging.envelope import Event, encode
from shared.messaging.inbox import inbox
from shared.messaging.parking import DISCARD, Operator, Outcome, Wish
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.kernel import Kernel, envelope_of, write_down

SOURCE = "urn:lianmeng:alpha"
CLERK = Operator("clerk", "command")


class Mendable:
    """A reaction that refuses chosen words until it is mended."""

    def __init__(self, **failures: Exception) -> None:
        self.failures: dict[str, Exception] = dict(failures)

    def __call__(self, work: UnitOfWork, event: Event) -> None:
        if event.data["word"] in self.failures:
            raise self.failures[event.data["word"]]
        write_down(work, event)


def body_of(word: str, **changes: Any) -> bytes:
    """The bytes of an event whose id is its word."""
    return encode(envelope_of(word, id=changes.pop("id", word), **changes)).encode()


def act(kernel: Kernel, action: parking.Action, which: Any, **wish: Any) -> Outcome:
    """One act by the clerk, in a unit of its own; discarding has a reason unless the test says otherwise."""
    if action == DISCARD:
        wish.setdefault("reason", "no longer needed")
    with kernel.units.begin() as work:
        return parking.act(work, CLERK, Wish(action, which, **wish))


def key(event_id: str) -> parking.Key:
    """The key of an event of alpha."""
    return SOURCE, event_id


def states(kernel: Kernel) -> dict[str, str]:
    """State of each event in the inbox."""
    return {row["event_id"]: row["state"] for row in kernel.rows(inbox)}


def three_parked(kernel: Kernel, clock: ManualClock) -> tuple[Mendable, Consumer]:
    """Three parked events, each of a subject of its own and a minute later than the one before."""
    reaction = Mendable(one=Conflict("word.impossible"), two=Conflict("word.impossible"), three=Conflict("word.no"))
    consumer = kernel.consumer(reaction=reaction)
    for word in ("one", "two", "three"):
        consumer.accept([body_of(word, subject=f"of-{word}")])
        clock.advance(60)
    return reaction, consumer
