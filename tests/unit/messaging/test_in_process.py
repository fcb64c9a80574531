"""The bus of the embedded mode by itself: what it says of what was not taken, and whom it calls."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.messaging.in_process import InProcess
from shared.messaging.transport import BEHIND_A_REFUSED, Accept
from tests.builders.kernel import SAID, WHISPERED, message_of, word_of


class Taker:
    """A subscriber that notes each call, and fails when told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.calls: list[list[str]] = []
        self._fails = fails

    def __call__(self, bodies: Sequence[bytes]) -> None:
        self.calls.append([word_of(body) for body in bodies])
        if self._fails:
            raise OSError("disk full")


def bus_of(**takers: tuple[str, Accept | None]) -> InProcess:
    """A bus with a queue of each name, bound to a type, and whoever takes from it."""
    bus = InProcess()
    for name, (event_type, accept) in takers.items():
        bus.declare(name, [event_type])
        if accept is not None:
            bus.subscribe(name, [event_type], accept)
    return bus


def test_each_refusal_says_which_queue_did_not_take_the_message_and_why() -> None:
    bus = bus_of(failing=(SAID, Taker(fails=True)), deserted=(WHISPERED, None))

    outcomes = bus.publisher().publish(
        [
            message_of("unroutable", subject="1", event_type="alpha.word.sung"),
            message_of("failing", subject="2"),
            message_of("deserted", subject="3", event_type=WHISPERED),
            message_of("behind", subject="2", sequence=2, event_type=WHISPERED),
        ]
    )

    assert outcomes == [
        "unroutable",
        "failing: OSError('disk full')",
        "nobody consumes deserted",
        BEHIND_A_REFUSED,
    ]


def test_a_queue_is_called_once_for_all_it_wants_and_not_at_all_for_nothing() -> None:
    aloud, psst = Taker(), Taker()
    publisher = bus_of(aloud=(SAID, aloud), psst=(WHISPERED, psst)).publisher()

    assert publisher.publish([message_of("one", subject="1"), message_of("two", subject="2")]) == [None, None]

    assert (aloud.calls, psst.calls) == ([["one", "two"]], [])


def test_what_one_queue_refused_the_next_one_is_not_asked_to_take() -> None:
    second = Taker()
    publisher = bus_of(first=(SAID, Taker(fails=True)), second=(SAID, second)).publisher()

    assert publisher.publish([message_of("word")]) == ["first: OSError('disk full')"]

    assert second.calls == []


def test_a_queue_has_one_subscriber_at_a_time() -> None:
    bus = bus_of(queue=(SAID, None))
    subscription = bus.subscribe("queue", [SAID], Taker())

    with pytest.raises(AssertionError, match="queue has a subscriber already"):
        bus.subscribe("queue", [SAID], Taker())

    subscription.stop()
    assert bus.subscribe("queue", [WHISPERED], Taker()).is_alive()
    assert bus.publisher().publish([message_of("no longer bound")]) == ["unroutable"]
