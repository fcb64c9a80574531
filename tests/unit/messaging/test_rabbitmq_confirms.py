"""What a publisher sends and what it makes of the confirms, step by step and without a thread: the test is the broker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest

from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq import publishing as publishing_module
from shared.messaging.rabbitmq.publishing import (
    CONFIRM_SECONDS,
    CONNECT_WAIT_SECONDS,
    REFUSED,
    RabbitPublisher,
)
from shared.messaging.transport import BEHIND_A_REFUSED, BrokerUnavailable, Message
from tests.builders.threads import IDLE_THREADING, Pauses

ACK, NACK = pika.spec.Basic.Ack, pika.spec.Basic.Nack


def messages(*subjects: str) -> list[Message]:
    """One of each subject, in this order; the type tells the number."""
    return [Message(f"e{n}", f"alpha.word.n{n}", subject, b"body %d" % n) for n, subject in enumerate(subjects)]


class Desk:
    """A publisher whose waits are the broker's turns. Each turn is a function; without one, nothing happens in time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[float | None] = []
        self.turns: list[Callable[[], object]] = []
        #: Whether the caller had been woken, at the end of each turn.
        self.woken: list[bool] = []
        self.told: list[Sequence[str | None]] = []
        self.sent: list[tuple[str, str, bytes, str]] = []
        #: How many messages each write to the socket had.
        self.writes: list[int] = []
        idle = SimpleNamespace(**{**vars(IDLE_THREADING), "Event": self._event})
        monkeypatch.setattr(publishing_module, "threading", idle)
        monkeypatch.setattr(link_module, "threading", IDLE_THREADING)
        self.publisher: Any = RabbitPublisher([pika.ConnectionParameters()])
        #: Its turns are those while the publisher waits for a connection.
        self.ready: Pauses = vars(self.publisher)["_is_ready"]
        self.ready.turn = lambda: None
        self.connection = MagicMock(is_open=True)
        self.connection.ioloop.add_callback_threadsafe = lambda function: function()
        self.connection.joined.return_value.__exit__ = self._write

    def _event(self) -> Pauses:
        event = Pauses()

        def turn() -> None:
            self.waits.append(event.waits[-1])
            if self.turns:
                self.turns.pop(0)()
            self.woken.append(event.is_set())

        event.turn = turn
        return event

    def _write(self, *_: object) -> None:
        self.writes.append(len(self.sent) - sum(self.writes))

    def _send(self, exchange: str, key: str, body: bytes, properties: Any, *, mandatory: bool) -> None:
        assert mandatory
        self.sent.append((exchange, key, body, properties._id.decode()))

    def channel(self) -> MagicMock:
        """The broker's next channel, which is not set up yet."""
        channel = MagicMock(is_open=True)
        channel.basic_publish = self._send
        self.publisher._connection = self.connection
        self.publisher._on_channel_open(channel)
        return channel

    def connect(self) -> MagicMock:
        """The same, set up."""
        channel = self.channel()
        channel.confirm_delivery.call_args.kwargs["callback"](None)
        channel.exchange_declare.call_args.kwargs["callback"](None)
        return channel

    def answer(self, tag: int, method: Callable[..., Any] = ACK, *, multiple: bool = False) -> Callable[[], None]:
        """A turn of the broker's: it confirms or refuses."""
        frame = SimpleNamespace(method=method(delivery_tag=tag, multiple=multiple))
        return lambda: self.publisher._on_confirm(frame)

    def publish(self, *subjects: str, portion: int = 500) -> list[str | None]:
        outcomes: list[str | None] = self.publisher.publish(
            messages(*subjects), portion=portion, settled=self.told.append
        )
        return outcomes

    def is_ready(self) -> bool:
        """Whether a publisher need not wait."""
        return self.ready.is_set()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_an_empty_batch_needs_no_broker(desk: Desk) -> None:
    assert desk.publish() == []
    assert desk.publisher._thread.started == 0
    assert desk.publisher.is_alive()
    desk.publisher.close()
    assert desk.publisher._thread.joined == []


def test_the_first_batch_connects_and_waits_for_it_and_no_other_does(desk: Desk) -> None:
    desk.ready.turn = desk.connect
    desk.turns = [desk.answer(1), desk.answer(2)]

    assert desk.publish("a") == [None]
    desk.ready.turn = lambda: None
    assert desk.publish("a") == [None]

    thread = desk.publisher._thread
    assert (thread.name, thread.started) == ("amqp-publisher", 1)
    assert desk.ready.waits == [CONNECT_WAIT_SECONDS] * 2
    assert desk.waits == [CONFIRM_SECONDS] * 2


def test_without_a_connection_in_time_nothing_is_sent_and_the_next_call_tries_again(desk: Desk) -> None:
    with pytest.raises(BrokerUnavailable, match=r"^no connection to the broker$"):
        desk.publish("a")
    assert desk.ready.waits == [CONNECT_WAIT_SECONDS]
    assert desk.waits == []

    desk.ready.turn = desk.connect
    desk.turns = [desk.answer(1)]
    assert desk.publish("a") == [None]


def test_it_is_ready_when_confirms_are_on_and_the_exchange_is_there(desk: Desk) -> None:
    desk.publisher._failures = 3
    channel = desk.channel()
    assert not desk.is_ready()
    channel.confirm_delivery.call_args.kwargs["callback"](None)
    assert not desk.is_ready()
    channel.exchange_declare.assert_called_once()
    assert channel.exchange_declare.call_args.args == ("alliance.events", "topic")
    assert channel.exchange_declare.call_args.kwargs["durable"] is True
    assert desk.publisher._failures == 3

    channel.exchange_declare.call_args.kwargs["callback"](None)
    assert desk.is_ready()
    assert desk.publisher._failures == 0

    desk.publisher._channel_lost("cut")
    assert not desk.is_ready()


def test_what_the_channel_returns_and_confirms_is_heard(desk: Desk) -> None:
    channel = desk.connect()
    on_return = channel.add_on_return_callback.call_args.args[0]
    on_confirm = channel.confirm_delivery.call_args.args[0]

    def answer() -> None:
        on_return(channel, SimpleNamespace(reply_text="NO_ROUTE"), SimpleNamespace(message_id="e1"), b"")
        on_confirm(SimpleNamespace(method=ACK(delivery_tag=2, multiple=True)))

    desk.turns = [answer]
    assert desk.publish("a", "b") == [None, "unroutable: NO_ROUTE"]


def test_a_batch_leaves_in_one_write_and_what_follows_in_another(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(2, multiple=True), desk.answer(3)]

    assert desk.publish("a", "b", "a") == [None] * 3

    assert desk.sent == [
        ("alliance.events", "alpha.word.n0", b"body 0", "e0"),
        ("alliance.events", "alpha.word.n1", b"body 1", "e1"),
        ("alliance.events", "alpha.word.n2", b"body 2", "e2"),
    ]
    assert desk.writes == [2, 1]


def test_tags_go_on_from_batch_to_batch_and_begin_anew_with_each_channel(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(2, multiple=True), desk.answer(3)]
    assert desk.publish("a", "b") == [None] * 2
    assert desk.publish("a") == [None]

    desk.publisher._channel_lost("cut")
    desk.connect()
    desk.turns = [desk.answer(1)]
    assert desk.publish("a") == [None]


def test_a_refusal_is_of_the_one_message_or_of_all_up_to_it(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(1), desk.answer(3, NACK, multiple=True), desk.answer(4)]

    assert desk.publish("a", "b", "c", "d", "b") == [None, REFUSED, REFUSED, None, BEHIND_A_REFUSED]


def test_confirms_that_trickle_in_are_waited_for_as_long_as_one_comes_in_each_wait(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(4), desk.answer(3), desk.answer(2)]

    with pytest.raises(BrokerUnavailable, match=r"^the broker did not confirm in time$"):
        desk.publish("a", "b", "c", "d")

    assert desk.waits == [CONFIRM_SECONDS] * 4
    desk.connection.close.assert_called_once_with()
    assert desk.told == []


def test_a_wait_without_a_single_confirm_is_the_last_one(desk: Desk) -> None:
    desk.connect()

    with pytest.raises(BrokerUnavailable, match=r"^the broker did not confirm in time$"):
        desk.publish("a")
    assert desk.waits == [CONFIRM_SECONDS]


def test_confirms_before_the_first_wait_count_as_well(desk: Desk) -> None:
    # given a broker that confirms at once, but not the first
    desk.connect()
    desk.connection.ioloop.add_callback_threadsafe = lambda function: [each() for each in (function, desk.answer(2))]
    desk.turns = [lambda: None, desk.answer(1)]

    assert desk.publish("a", "b") == [None, None]


def test_who_publishes_is_woken_when_a_portion_is_complete_and_not_for_each_confirm(desk: Desk) -> None:
    desk.connect()
    desk.turns = [*(desk.answer(tag) for tag in (2, 1, 4, 3, 5))]

    assert desk.publish("a", "b", "c", "d", "e", portion=2) == [None] * 5

    assert desk.woken == [False, True, False, True, True]
    assert desk.told == [[None, None], [None, None], [None]]


def test_portions_are_told_one_by_one_when_several_are_complete_at_once(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(2, NACK), desk.answer(5, multiple=True)]

    assert desk.publish("a", "b", "c", "d", "e", portion=2) == [None, REFUSED, None, None, None]
    assert desk.told == [[None, REFUSED], [None, None], [None]]
    assert len(desk.waits) == 2


def test_what_is_complete_is_told_although_the_rest_is_lost_and_why_is_said(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(3, multiple=True), lambda: desk.publisher._channel_lost("cut")]

    with pytest.raises(BrokerUnavailable, match=r"^cut$"):
        desk.publish("a", "b", "c", "d", portion=2)
    assert desk.told == [[None, None], [None]]


def test_what_the_one_who_is_told_raises_comes_out_and_the_next_batch_is_another(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(1)]

    def refuse(_outcomes: Sequence[str | None]) -> None:
        raise ValueError("cannot mark them")

    with pytest.raises(ValueError, match="cannot mark them"):
        desk.publisher.publish(messages("a", "b"), portion=1, settled=refuse)

    late = desk.answer(2, NACK)
    desk.turns = [lambda: [each() for each in (late, desk.answer(3))]]
    assert desk.publish("a") == [None]


def test_a_batch_keeps_the_first_reason_of_its_failure(desk: Desk) -> None:
    channel = desk.connect()

    def lost_before(function: Callable[[], None]) -> None:
        desk.publisher._channel_lost("cut")
        function()

    desk.connection.ioloop.add_callback_threadsafe = lost_before
    with pytest.raises(BrokerUnavailable, match=r"^cut$"):
        desk.publish("a")

    desk.connect()
    channel.is_open = desk.publisher._channel.is_open = False
    desk.connection.ioloop.add_callback_threadsafe = lambda function: function()
    with pytest.raises(BrokerUnavailable, match=r"^the channel was lost before sending$"):
        desk.publish("a")
    assert desk.sent == []


def test_answers_to_a_batch_that_is_over_are_nobodys(desk: Desk) -> None:
    desk.connect()
    desk.turns = [desk.answer(1)]
    outcomes = desk.publish("a")

    desk.answer(1, NACK)()
    desk.publisher._on_return(None, SimpleNamespace(reply_text="x"), SimpleNamespace(message_id="e0"), b"")
    desk.publisher._channel_lost("cut")

    assert outcomes == [None]
    assert desk.told == [[None]]


def test_it_is_alive_while_its_thread_is_once_it_was_needed_and_closing_ends_it(desk: Desk) -> None:
    desk.ready.turn = desk.connect
    desk.turns = [desk.answer(1)]
    desk.publish("a")
    assert desk.publisher.is_alive()

    desk.publisher.close()
    assert desk.publisher._stopping.is_set()
    desk.connection.close.assert_called_once_with()
    assert desk.publisher._thread.joined == [link_module.STOP_SECONDS]

    desk.publisher._thread.is_running = False
    assert not desk.publisher.is_alive()
