"""What counts as missing at the broker, and what is trouble: a queue whose node is away must not be taken for drained."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import MagicMock

import pika
import pytest
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker

from shared.messaging.rabbitmq import layout as layout_module
from shared.messaging.rabbitmq.layout import Found, Layouts
from shared.messaging.rabbitmq.link import is_missing
from shared.messaging.rabbitmq.publishing import RabbitPublisher
from shared.messaging.transport import BrokerUnavailable

NO_QUEUE = ChannelClosedByBroker(404, "NOT_FOUND - no queue 'q' in vhost '/'")
NO_EXCHANGE = ChannelClosedByBroker(404, "NOT_FOUND - no exchange 'q' in vhost '/'")
NODE_AWAY = ChannelClosedByBroker(404, "NOT_FOUND - home node 'rabbit@b' of durable queue 'q' in vhost '/' is down")
REFUSED = ChannelClosedByBroker(403, "ACCESS_REFUSED - no queue for you")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NO_QUEUE, True),
        (NO_EXCHANGE, True),
        (NODE_AWAY, False),
        (REFUSED, False),
        (ConnectionClosedByBroker(404, "no queue"), False),
        (OSError("no queue"), False),
    ],
)
def test_missing_is_what_the_broker_says_does_not_exist(error: Exception, *, expected: bool) -> None:
    assert is_missing(error) is expected


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """A connection that answers every question as the test sets it."""
    connection = MagicMock()
    connection.__enter__.return_value = connection
    monkeypatch.setattr(layout_module, "BlockingConnection", lambda _brokers: connection)
    return connection


def layouts() -> Layouts:
    """Those of a queue that is bound to something."""
    return Layouts([pika.ConnectionParameters()], "q", ["alpha.word.said"])


def raising(error: Exception) -> Callable[..., None]:
    """Answers with the error."""

    def answer(*_: object, **__: object) -> None:
        raise error

    return answer


def test_where_nothing_exists_nothing_is_found(broker: MagicMock) -> None:
    broker.channel().exchange_declare = raising(NO_EXCHANGE)
    broker.channel().queue_declare = raising(NO_QUEUE)

    assert layouts().look() == Found("q", frozenset(), None)
    broker.__exit__.assert_called_once()


@pytest.mark.parametrize("error", [NODE_AWAY, REFUSED])
def test_trouble_with_a_queue_is_not_taken_for_its_absence(broker: MagicMock, error: Exception) -> None:
    broker.channel().exchange_declare = raising(NO_EXCHANGE)
    broker.channel().queue_declare = raising(error)

    with pytest.raises(BrokerUnavailable):
        layouts().look()


def test_a_connection_lost_while_looking_is_an_unavailable_broker(broker: MagicMock) -> None:
    broker.channel().exchange_declare = raising(AMQPConnectionError("cut"))

    with pytest.raises(BrokerUnavailable, match="cut"):
        layouts().look()
    broker.__exit__.assert_called_once()


def test_a_marker_of_a_change_that_is_over_removes_nothing(broker: MagicMock) -> None:
    # given a queue in force with an old marker in it
    def exchange(name: str, **_: object) -> None:
        if name != "q":
            raise NO_EXCHANGE

    broker.channel().exchange_declare = exchange

    assert not layouts().remove_old("q")
    broker.channel().queue_delete.assert_not_called()


def test_a_queue_of_the_layout_that_is_changed_to_is_not_removed(broker: MagicMock) -> None:
    def exchange(name: str, **_: object) -> None:
        if name not in {"q", "q.to-1"}:
            raise NO_EXCHANGE

    broker.channel().exchange_declare = exchange

    assert not layouts().remove_old("q")
    assert layouts().remove_old("q.4-0")
    broker.channel().queue_delete.assert_called_once_with("q.4-0")


def test_a_publisher_whose_exchange_is_gone_connects_anew_and_declares_it() -> None:
    publisher = RabbitPublisher([pika.ConnectionParameters()])
    connection = MagicMock(is_open=True)
    publisher._connection = connection

    publisher._on_channel_closed(MagicMock(), NO_EXCHANGE)

    connection.close.assert_called_once()
