"""What a publisher says when its connection or its confirms fail it, at moments that a real broker does not offer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest

from shared.messaging.rabbitmq import publishing as publishing_module
from shared.messaging.rabbitmq.publishing import REFUSED, RabbitPublisher
from shared.messaging.transport import PORTION, BrokerUnavailable, Message
from tests.waiting import stays, wait_until

MESSAGES = [Message(f"e{number}", "alpha.word.said", f"s-{number}", b"{}") for number in range(3)]


class Wire:
    """A connection of a publisher that has no thread: what it is called to do is done by the test, or at once."""

    def __init__(self) -> None:
        self.publisher = RabbitPublisher([pika.ConnectionParameters()])
        self.publisher._started = True
        self.sent: list[str] = []
        self.waiting: list[Callable[[], None]] = []
        self.at_once = True
        self.connect()

    def connect(self) -> None:
        """A connection that is open and ready."""
        channel = MagicMock(is_open=True)
        channel.basic_publish = lambda _exchange, _type, _body, properties, mandatory: self.sent.append(
            properties._id.decode()
        )
        connection = MagicMock(is_open=True)
        connection.ioloop.add_callback_threadsafe = self._call
        self.publisher._connection = connection
        self.publisher._on_channel_open(channel)
        self.publisher._on_ready()

    def _call(self, function: Callable[[], None]) -> None:
        function() if self.at_once else self.waiting.append(function)

    def answer(self, tag: int, method: type[Any] = pika.spec.Basic.Ack, *, multiple: bool = False) -> None:
        """A confirm or a refusal by the broker."""
        self.publisher._on_confirm(SimpleNamespace(method=method(delivery_tag=tag, multiple=multiple)))


class Publishing:
    """A call of `publish` in a thread of its own, and what came of it."""

    def __init__(self, publisher: RabbitPublisher, messages: list[Message], portion: int = PORTION) -> None:
        self.outcome: object = None
        self.told: list[Sequence[str | None]] = []
        self._thread = threading.Thread(target=self._run, args=(publisher, messages, portion))
        self._thread.start()

    def _run(self, publisher: RabbitPublisher, messages: list[Message], portion: int) -> None:
        try:
            self.outcome = publisher.publish(messages, portion=portion, settled=self.told.append)
        except BrokerUnavailable as error:
            self.outcome = str(error)

    def result(self) -> object:
        """Once it has returned."""
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.outcome


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(publishing_module, "CONFIRM_SECONDS", 0.2)
    monkeypatch.setattr(publishing_module, "CONNECT_WAIT_SECONDS", 0.05)
    return Wire()


def begun(wire: Wire) -> None:
    """Wait until the batch has been handed to the connection."""
    wait_until(lambda: len(wire.sent) == 3 or wire.waiting, "the batch on its way")


def test_each_message_has_the_outcome_that_the_broker_gave_it(wire: Wire) -> None:
    publishing = Publishing(wire.publisher, MESSAGES)
    begun(wire)

    wire.answer(2, pika.spec.Basic.Nack)
    wire.publisher._on_return(
        MagicMock(), SimpleNamespace(reply_text="NO_ROUTE"), SimpleNamespace(message_id="e2"), b""
    )
    wire.answer(3, multiple=True)

    assert publishing.result() == [None, REFUSED, "unroutable: NO_ROUTE"]


def test_without_a_single_confirm_in_time_the_outcome_is_unknown_and_the_connection_given_up(wire: Wire) -> None:
    publishing = Publishing(wire.publisher, MESSAGES)

    assert publishing.result() == "the broker did not confirm in time"
    wire.publisher._connection.close.assert_called_once()  # type: ignore[union-attr]


def test_a_portion_is_told_as_soon_as_it_is_settled_without_a_gap(wire: Wire) -> None:
    publishing = Publishing(wire.publisher, MESSAGES, portion=2)
    begun(wire)

    wire.answer(2)
    wire.answer(3)
    stays(lambda: publishing.told == [], "the first is still on its way", seconds=0.05)

    wire.answer(1, pika.spec.Basic.Nack)
    assert publishing.result() == [REFUSED, None, None]
    assert publishing.told == [[REFUSED, None], [None]]


def test_a_portion_is_told_while_those_behind_are_on_their_way(wire: Wire) -> None:
    publishing = Publishing(wire.publisher, MESSAGES, portion=1)
    begun(wire)

    wire.answer(2, multiple=True)
    wait_until(lambda: publishing.told == [[None], [None]], "two of three")

    wire.answer(3)
    assert publishing.result() == [None] * 3
    assert publishing.told == [[None]] * 3


def test_what_was_settled_when_the_connection_was_lost_is_told_before(wire: Wire) -> None:
    publishing = Publishing(wire.publisher, MESSAGES)
    begun(wire)

    wire.answer(1)
    wire.answer(3)
    wire.publisher._channel_lost("cut")

    assert publishing.result() == "cut"
    assert publishing.told == [[None]]


def test_a_connection_lost_on_the_way_leaves_the_outcome_unknown(wire: Wire) -> None:
    publishing = Publishing(wire.publisher, MESSAGES)
    begun(wire)
    wire.answer(1)

    wire.publisher._channel_lost("cut")

    assert publishing.result() == "cut"


def test_a_connection_lost_before_sending_fails_the_batch_at_once_and_it_is_never_sent(wire: Wire) -> None:
    # given a batch that the I/O thread has not begun with
    wire.at_once = False
    publishing = Publishing(wire.publisher, MESSAGES)
    begun(wire)

    # when the connection is lost, and another one is there
    wire.publisher._channel_lost("cut")
    assert publishing.result() == "cut"
    wire.connect()
    for function in wire.waiting:
        function()

    # then what the caller was told is true
    assert wire.sent == []


def test_a_channel_that_closes_before_sending_fails_the_batch(wire: Wire) -> None:
    wire.publisher._channel.is_open = False  # type: ignore[union-attr]

    assert Publishing(wire.publisher, MESSAGES).result() == "the channel was lost before sending"
    assert wire.sent == []


def test_a_connection_that_is_closing_is_not_written_to(wire: Wire) -> None:
    wire.publisher._connection.is_open = False  # type: ignore[union-attr]

    assert Publishing(wire.publisher, MESSAGES).result() == "the connection was lost before sending"


def test_without_a_connection_the_broker_counts_as_unavailable(wire: Wire) -> None:
    wire.publisher._channel_lost("cut")

    assert Publishing(wire.publisher, MESSAGES).result() == "no connection to the broker"


def test_answers_that_come_too_late_are_nobodys(wire: Wire) -> None:
    # given a batch given up, and the next one not begun yet
    assert Publishing(wire.publisher, MESSAGES).result() == "the broker did not confirm in time"
    wire.at_once = False
    publishing = Publishing(wire.publisher, [Message("e9", "alpha.word.said", "s-9", b"{}")])
    begun(wire)

    # when confirms of the first come in
    for tag in (1, 2, 3):
        wire.answer(tag)
    for function in wire.waiting:
        function()

    # then they confirm nothing
    assert publishing.result() == "the broker did not confirm in time"


def test_answers_to_no_batch_at_all_change_nothing(wire: Wire) -> None:
    wire.answer(1)
    wire.publisher._on_return(MagicMock(), SimpleNamespace(reply_text="x"), SimpleNamespace(message_id="e0"), b"")
    wire.publisher._channel_lost("cut")
    wire.publisher._channel_lost("cut again")

    assert wire.publisher._batch is None
