"""What a subscription does at moments that a real broker does not offer: channels that change while it collects a batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest

from shared.messaging.rabbitmq import consuming as consuming_module
from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq.consuming import RabbitSubscription
from shared.messaging.rabbitmq.layout import MARKER_TYPE
from shared.runtime.failpoints import Failpoints
from tests.waiting import stays, wait_until


class Reached(Failpoints):
    """Writes down what was reached."""

    def __init__(self) -> None:
        super().__init__()
        self.seams: list[tuple[str, list[str]]] = []

    def reach(self, seam: str, details: Sequence[str] = ()) -> None:  # type: ignore[override]
        """Note it."""
        self.seams.append((seam, list(details)))


class Line:
    """A subscription whose I/O thread never finds a broker; the test plays the broker."""

    def __init__(self) -> None:
        self.taken: list[list[bytes]] = []
        self.entered = threading.Event()
        self.may_leave = threading.Event()
        self.may_leave.set()
        self.failing: list[Exception] = []
        self.markers = 0
        self.looks = 0
        self.failpoints = Reached()
        self.subscription = RabbitSubscription(
            [pika.ConnectionParameters()],
            "aloud.inbox",
            self._accept,
            prefetch=6,
            priority=0,
            failpoints=self.failpoints,
            at_marker=self._at_marker,
            look_again=self._look_again,
        )

    def _accept(self, bodies: Sequence[bytes]) -> None:
        self.entered.set()
        self.may_leave.wait(10)
        if self.failing:
            raise self.failing.pop()
        self.taken.append(list(bodies))

    def _at_marker(self) -> None:
        self.markers += 1

    def _look_again(self) -> None:
        self.looks += 1

    def open_channel(self) -> tuple[MagicMock, Callable[..., None]]:
        """A channel of the broker, and how it delivers."""
        channel = MagicMock(is_open=True)
        connection = MagicMock(is_open=True)
        connection.ioloop.add_callback_threadsafe = lambda function: function()
        self.subscription._connection = connection
        self.subscription._on_channel_open(channel)
        arrive = channel.basic_consume.call_args.args[1]

        def deliver(tag: int, body: bytes, event_type: str = "alpha.word.said") -> None:
            arrive(channel, SimpleNamespace(delivery_tag=tag, routing_key=event_type), None, body)

        return channel, deliver


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    def nobody(*_: object, **__: object) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(link_module, "JoiningConnection", nobody)
    monkeypatch.setattr(link_module, "RECONNECT_SECONDS", (60.0,))
    monkeypatch.setattr(consuming_module, "HOLD_SECONDS", (0.01,))
    made = Line()
    # The I/O thread has found nobody and waits: from here on the test is the I/O thread.
    wait_until(lambda: made.subscription._failures == 1, "the I/O thread to wait")
    yield made
    made.may_leave.set()
    made.subscription.stop()


def test_a_batch_is_half_of_what_may_be_in_hand_and_is_acknowledged_by_its_last(line: Line) -> None:
    line.may_leave.clear()
    channel, deliver = line.open_channel()
    channel.basic_qos.assert_called_once_with(prefetch_count=6)
    deliver(1, b"a")
    assert line.entered.wait(10)
    for tag in range(2, 7):
        deliver(tag, bytes([96 + tag]))
    line.may_leave.set()

    wait_until(lambda: channel.basic_ack.call_count == 3, "three acknowledgements")
    assert line.taken == [[b"a"], [b"b", b"c", b"d"], [b"e", b"f"]]
    assert [call.args for call in channel.basic_ack.call_args_list] == [(1,), (4,), (6,)]
    assert all(call.kwargs == {"multiple": True} for call in channel.basic_ack.call_args_list)
    assert line.failpoints.seams[1] == ("consumer.after_acknowledge", ["alpha.word.said"] * 3)


def test_what_a_new_channel_delivers_is_no_part_of_an_old_channels_batch(line: Line) -> None:
    # given a handler that is busy while its channel is lost, with more in hand, and another one delivers
    line.may_leave.clear()
    old, deliver = line.open_channel()
    deliver(1, b"a")
    assert line.entered.wait(10)
    deliver(2, b"b")
    line.subscription._channel_lost("cut")
    new, deliver_again = line.open_channel()
    for tag, body in ((1, b"a"), (2, b"b"), (3, b"c")):
        deliver_again(tag, body)
    line.may_leave.set()

    # then what the old one delivered is not acknowledged to the new one, and nothing of the new one is forgotten
    wait_until(lambda: new.basic_ack.called, "the new channel's acknowledgement")
    assert line.taken == [[b"a"], [b"a", b"b", b"c"]]
    old.basic_ack.assert_not_called()
    new.basic_ack.assert_called_once_with(3, multiple=True)


def test_a_channel_that_changes_in_the_middle_of_collecting_splits_the_batch(line: Line) -> None:
    # given a handler that finds deliveries of two channels at once, when the second one is just coming into force
    subscription = line.subscription
    _, deliver = line.open_channel()
    epoch = subscription._epoch
    line.may_leave.clear()
    deliver(1, b"first")
    assert line.entered.wait(10)

    def accept(bodies: Sequence[bytes]) -> None:
        subscription._epoch = epoch + 2
        line.taken.append(list(bodies))

    subscription._accept = accept
    for number, tag, body in ((epoch, 2, b"old"), (epoch + 2, 1, b"new"), (epoch + 2, 2, b"newer")):
        subscription._arrived.put(consuming_module._Delivery(number, tag, "alpha.word.said", body))

    # when it comes to them
    line.may_leave.set()

    # then each batch is of one channel, and nothing of the one in force is forgotten
    wait_until(lambda: len(line.taken) == 3, "three batches")
    assert line.taken == [[b"first"], [b"old"], [b"new", b"newer"]]


def test_a_marker_is_reached_when_all_before_it_is_stored_and_is_not_handed_over(line: Line) -> None:
    line.may_leave.clear()
    channel, deliver = line.open_channel()
    deliver(1, b"a")
    assert line.entered.wait(10)
    deliver(2, b"b")
    deliver(3, b"", MARKER_TYPE)
    deliver(4, b"c")
    assert line.markers == 0
    line.may_leave.set()

    wait_until(lambda: channel.basic_ack.call_count == 4, "every acknowledgement")
    assert line.taken == [[b"a"], [b"b"], [b"c"]]
    assert line.markers == 1


def test_what_could_not_be_stored_is_held_until_it_can(line: Line) -> None:
    line.failing = [OSError("away"), OSError("still away")]
    channel, deliver = line.open_channel()
    deliver(1, b"a")

    wait_until(lambda: channel.basic_ack.called, "the acknowledgement")
    assert line.taken == [[b"a"]]


def test_what_is_held_is_dropped_when_its_channel_is_lost(line: Line) -> None:
    line.failing = [OSError("away") for _ in range(1_000)]
    channel, deliver = line.open_channel()
    deliver(1, b"a")
    assert line.entered.wait(10)

    line.subscription._channel_lost("cut")
    wait_until(line.subscription._arrived.empty, "the handler to let go")
    line.failing = []

    stays(lambda: not channel.basic_ack.called and not line.taken, "it comes again by another channel", seconds=0.2)


def test_a_cancel_by_the_broker_is_answered_by_looking_and_connecting_anew(line: Line) -> None:
    channel, _ = line.open_channel()
    on_cancel = channel.add_on_cancel_callback.call_args.args[0]

    on_cancel(None)

    assert line.looks == 1
    line.subscription._connection.close.assert_called_once()  # type: ignore[union-attr]


def test_stopping_in_the_middle_of_a_batch_lets_it_end_and_takes_no_other(line: Line) -> None:
    line.may_leave.clear()
    channel, deliver = line.open_channel()
    deliver(1, b"a")
    assert line.entered.wait(10)
    for tag in (2, 3, 4):
        deliver(tag, b"later")
    line.subscription.begin_stop()
    line.subscription.begin_stop()
    line.may_leave.set()
    line.subscription.stop()

    assert line.taken == [[b"a"]]
    channel.basic_ack.assert_called_once_with(1, multiple=True)
    assert not line.subscription.is_alive()


def test_a_stop_that_comes_while_a_batch_is_collected_lets_it_be_stored_and_acknowledged(line: Line) -> None:
    # given a handler that is stopped just as it has begun to collect
    class StoppedAtOnce(queue.SimpleQueue[Any]):
        def get_nowait(self) -> Any:
            line.subscription.begin_stop()
            return super().get_nowait()

    line.may_leave.clear()
    channel, deliver = line.open_channel()
    deliver(1, b"a")
    assert line.entered.wait(10)
    line.subscription._arrived = StoppedAtOnce()
    for tag, body in ((2, b"b"), (3, b"c")):
        line.subscription._arrived.put(
            consuming_module._Delivery(line.subscription._epoch, tag, "alpha.word.said", body)
        )

    # when it comes to what is there
    line.may_leave.set()
    line.subscription._handler.join(10)

    # then that is stored and acknowledged, and the handler ends
    assert line.taken == [[b"a"], [b"b", b"c"]]
    assert [call.args for call in channel.basic_ack.call_args_list] == [(1,), (3,)]
    assert not line.subscription.is_alive()


def test_a_handler_may_stop_its_own_subscription(line: Line) -> None:
    def stop_itself(_bodies: Sequence[bytes]) -> None:
        line.subscription.stop()
        line.taken.append([b"stopped"])

    line.subscription._accept = stop_itself
    _, deliver = line.open_channel()
    deliver(1, b"a")

    wait_until(lambda: line.taken == [[b"stopped"]], "the handler to return")
    line.subscription._handler.join(10)
    assert not line.subscription._handler.is_alive()
