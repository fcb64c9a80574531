"""What a subscription makes of deliveries, one step at a time and without a thread: batches, holding, acknowledging."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest

from shared.messaging.rabbitmq import consuming as consuming_module
from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq.consuming import RabbitSubscription
from shared.messaging.rabbitmq.layout import MARKER_TYPE
from shared.messaging.rabbitmq.link import STOP_SECONDS
from tests.builders.failpoints import RecordingFailpoints
from tests.builders.threads import IDLE_THREADING

SAID = "alpha.word.said"


class Arrivals(queue.SimpleQueue[Any]):
    """Waits for nothing: nobody else would put anything in."""

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - as the base
        return super().get(block, timeout)


class Table:
    """A subscription whose threads are never run. The test is the broker, its I/O thread and its handler."""

    def __init__(self, prefetch: int = 6, priority: int = 0) -> None:
        self.taken: list[list[bytes]] = []
        self.markers = 0
        self.looks = 0
        #: What is raised instead of storing, one after the other.
        self.troubles: list[Exception] = []
        self.seams = RecordingFailpoints()
        #: What the I/O thread was told to do.
        self.calls: list[Callable[[], None]] = []
        self.connection = MagicMock(is_open=True)
        self.connection.ioloop.add_callback_threadsafe = self.calls.append
        self.subscription: Any = RabbitSubscription(
            [pika.ConnectionParameters()],
            "aloud.inbox",
            self._accept,
            prefetch=prefetch,
            priority=priority,
            failpoints=self.seams,
            at_marker=self._at_marker,
            look_again=self._look_again,
        )
        self.subscription._connection = self.connection
        self.subscription._arrived = Arrivals()

    def _accept(self, bodies: Sequence[bytes]) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.taken.append(list(bodies))

    def _at_marker(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.markers += 1

    def _look_again(self) -> None:
        self.looks += 1

    def open_channel(self) -> MagicMock:
        """The broker's next channel."""
        channel = MagicMock(is_open=True, _cancelled=set(), _consumers={"ctag": None})
        self.subscription._on_channel_open(channel)
        return channel

    def deliver(self, channel: MagicMock, *bodies: bytes, first: int = 1, event_type: str = SAID) -> None:
        """In a row."""
        arrive = channel.basic_consume.call_args.args[1]
        for tag, body in enumerate(bodies, first):
            arrive(channel, SimpleNamespace(delivery_tag=tag, routing_key=event_type), None, body)

    def handle(self) -> None:
        """What the handler's thread does with what has arrived, until there is nothing more."""
        self.subscription._arrived.put(None)
        while self.subscription._next or not self.subscription._arrived.empty():
            batch = self.subscription._next_batch()
            if batch and self.subscription._store(batch):
                self.subscription._acknowledge(batch)

    def turn(self) -> None:
        """What the I/O thread does in its next turn."""
        calls, self.calls[:] = list(self.calls), []
        for each in calls:
            each()


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming_module, "threading", IDLE_THREADING)
    monkeypatch.setattr(link_module, "threading", IDLE_THREADING)


def acknowledged(channel: MagicMock) -> list[int]:
    """The tags, each standing for all up to it."""
    assert all(call.kwargs == {"multiple": True} for call in channel.basic_ack.call_args_list)
    return [call.args[0] for call in channel.basic_ack.call_args_list]


@pytest.mark.parametrize(("priority", "arguments"), [(0, None), (1, {"x-priority": 1}), (900, {"x-priority": 900})])
def test_a_channel_is_told_how_much_may_be_in_hand_and_who_comes_first(
    priority: int, arguments: dict[str, int] | None
) -> None:
    table = Table(prefetch=40, priority=priority)
    table.subscription._failures = 3
    channel = table.open_channel()

    channel.basic_qos.assert_called_once_with(prefetch_count=40)
    (queue, _), options = channel.basic_consume.call_args
    assert queue == "aloud.inbox"
    assert options["arguments"] == arguments
    # Only when the broker has said yes the connection counts as made.
    assert table.subscription._failures == 3
    options["callback"](None)
    assert table.subscription._failures == 0


@pytest.mark.parametrize(("prefetch", "sizes"), [(1, [1] * 5), (2, [1] * 5), (3, [1] * 5), (4, [2, 2, 1]), (12, [5])])
def test_a_batch_is_half_of_what_may_be_in_hand_and_one_at_least(prefetch: int, sizes: list[int]) -> None:
    table = Table(prefetch=prefetch)
    channel = table.open_channel()
    table.deliver(channel, b"a", b"b", b"c", b"d", b"e")

    table.handle()

    assert [len(batch) for batch in table.taken] == sizes
    assert [body for batch in table.taken for body in batch] == [b"a", b"b", b"c", b"d", b"e"]


def test_a_batch_is_acknowledged_by_its_last_and_the_seam_is_reached_when_that_has_left() -> None:
    table = Table()
    channel = table.open_channel()
    table.deliver(channel, b"a", b"b")
    table.deliver(channel, b"c", first=3, event_type="alpha.word.whispered")
    table.handle()
    assert acknowledged(channel) == [], "only the I/O thread speaks"

    table.turn()
    assert acknowledged(channel) == [3]
    assert table.seams.reached == []

    table.turn()
    assert table.seams.reached == [("consumer.after_acknowledge", [SAID, SAID, "alpha.word.whispered"])]


def test_what_was_stored_is_not_acknowledged_to_a_channel_that_is_gone_or_another_one() -> None:
    table = Table()
    old = table.open_channel()
    table.deliver(old, b"a")
    table.handle()
    table.subscription._channel_lost("cut")
    table.turn()

    table.subscription._on_channel_open(old)
    table.deliver(old, b"a")
    table.handle()
    table.subscription._channel_lost("cut")
    new = table.open_channel()
    table.turn()

    table.deliver(new, b"a")
    table.handle()
    new.is_open = False
    table.turn()

    assert acknowledged(old) == acknowledged(new) == []
    assert table.seams.reached == []


def test_what_a_lost_channel_delivered_is_not_even_handed_over() -> None:
    table = Table()
    old = table.open_channel()
    table.deliver(old, b"a", b"b")
    table.subscription._channel_lost("cut")
    table.handle()
    assert table.taken == []

    table.deliver(old, b"a")
    new = table.open_channel()
    table.deliver(new, b"a", b"b")
    table.handle()
    assert table.taken == [[b"a", b"b"]]


def test_a_marker_is_a_batch_of_its_own_and_acknowledged_when_it_was_heeded() -> None:
    table = Table()
    channel = table.open_channel()
    table.deliver(channel, b"a", b"b")
    table.deliver(channel, b"", first=3, event_type=MARKER_TYPE)
    table.deliver(channel, b"c", b"d", first=4)
    table.handle()
    table.turn()

    assert table.taken == [[b"a", b"b"], [b"c", b"d"]]
    assert table.markers == 1
    assert acknowledged(channel) == [2, 3, 5]


@pytest.mark.parametrize("event_type", [SAID, MARKER_TYPE])
def test_a_batch_that_cannot_be_stored_is_held_at_growing_pauses(event_type: str) -> None:
    table = Table()
    channel = table.open_channel()
    table.troubles = [OSError("away")] * 5
    table.deliver(channel, b"a", event_type=event_type)
    table.handle()
    table.turn()

    assert table.subscription._stopping.waits == [0.2, 1.0, 3.0, 3.0, 3.0]
    assert (table.taken, table.markers) == (([[b"a"]], 0) if event_type == SAID else ([], 1))
    assert acknowledged(channel) == [1]

    # The next one starts with the shortest pause.
    table.troubles = [OSError("away")]
    table.deliver(channel, b"b", first=2)
    table.handle()
    assert table.subscription._stopping.waits[5:] == [0.2]


@pytest.mark.parametrize("ending", ["stop", "loss"])
def test_a_batch_that_is_held_is_let_go_when_it_stops_or_its_channel_is_lost(ending: str) -> None:
    table = Table()
    channel = table.open_channel()
    subscription = table.subscription
    table.troubles = [OSError("away")] * 5
    end: Callable[[], None] = subscription.begin_stop if ending == "stop" else lambda: subscription._channel_lost("cut")
    subscription._stopping.turn = lambda: end() if len(subscription._stopping.waits) == 2 else None
    table.deliver(channel, b"a")
    table.handle()
    table.turn()

    assert len(subscription._stopping.waits) == 2
    assert table.taken == []
    assert acknowledged(channel) == []


def test_the_handler_takes_batch_after_batch_until_it_is_stopped() -> None:
    table = Table(prefetch=2)
    channel = table.open_channel()
    table.deliver(channel, b"a", b"b", b"c")
    accept = table.subscription._accept

    def stop_at_b(bodies: Sequence[bytes]) -> None:
        accept(bodies)
        if bodies == [b"b"]:
            table.subscription.begin_stop()

    table.subscription._accept = stop_at_b
    table.subscription._handle()
    table.turn()

    assert table.taken == [[b"a"], [b"b"]]
    assert acknowledged(channel) == [1, 2]


def test_the_handler_outlives_what_is_lost_and_acknowledges_nothing_of_it() -> None:
    table = Table(prefetch=2)
    channel = table.open_channel()
    table.deliver(channel, b"a", b"b")
    table.troubles = [OSError("away")]
    table.subscription._stopping.turn = table.subscription.begin_stop

    table.subscription._handle()
    table.turn()

    assert (table.taken, acknowledged(channel)) == ([], [])


def test_beginning_to_stop_wakes_the_handler_once_and_waits_for_nobody() -> None:
    table = Table()
    table.subscription.begin_stop()
    table.subscription.begin_stop()

    assert table.subscription._arrived.get_nowait() is None
    assert table.subscription._arrived.empty()
    assert table.subscription._handler.joined == table.subscription._thread.joined == []


def test_stopping_waits_for_the_handler_then_gives_back_what_is_in_hand_and_closes() -> None:
    table = Table()
    channel = table.open_channel()
    order: list[str] = []
    table.subscription._handler.join = lambda seconds: order.append(f"handler {seconds}")
    table.subscription._thread.join = lambda seconds: order.append(f"thread {seconds}")
    table.connection.close = lambda: order.append(f"close {sorted(channel._cancelled)}")

    table.subscription.stop()
    table.turn()

    # The consumer is not cancelled: its stand-by would come before what is given back.
    assert order == [f"handler {STOP_SECONDS}", f"thread {STOP_SECONDS}", "close ['ctag']"]


def test_stopping_without_a_channel_closes_the_connection_all_the_same() -> None:
    table = Table()
    table.subscription.stop()
    table.turn()

    table.connection.close.assert_called_once_with()


def test_a_queue_that_is_missing_or_deleted_is_looked_for() -> None:
    table = Table()
    table.subscription.on_missing()
    assert table.looks == 1

    channel = table.open_channel()
    channel.add_on_cancel_callback.call_args.args[0](None)
    assert table.looks == 2
    table.connection.close.assert_called_once_with()


def test_it_is_alive_while_both_of_its_threads_are() -> None:
    subscription = Table().subscription
    assert subscription.is_alive()

    subscription._handler.is_running = False
    assert not subscription.is_alive()

    subscription._handler.is_running, subscription._thread.is_running = True, False
    assert not subscription.is_alive()


def test_its_threads_are_named_after_the_queue_and_hold_no_process_back() -> None:
    subscription = Table().subscription

    for thread, name in ((subscription._thread, "amqp-aloud.inbox"), (subscription._handler, "consume-aloud.inbox")):
        assert (thread.name, thread.daemon, thread.started) == (name, True, 1)
