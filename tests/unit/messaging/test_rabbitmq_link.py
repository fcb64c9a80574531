"""A link's thread outlives whatever goes wrong in it: it connects again, to the next broker, at a pace of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker
from structlog.testing import capture_logs

from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq import publishing as publishing_module
from shared.messaging.rabbitmq.link import RECONNECT_SECONDS, Link, close_without_cancelling, said
from shared.messaging.rabbitmq.publishing import RabbitPublisher
from shared.messaging.transport import BrokerUnavailable, Message
from tests.builders.threads import Pauses
from tests.waiting import wait_until

BROKERS = [pika.ConnectionParameters(name) for name in ("one", "two", "three")]
CUT = ConnectionClosedByBroker(320, "CONNECTION_FORCED")
NO_QUEUE = ChannelClosedByBroker(404, "NOT_FOUND - no queue 'q' in vhost '/'")
REFUSED = ChannelClosedByBroker(403, "ACCESS_REFUSED")


class Noted(Link):
    """A link to three brokers that writes down what it is told; without a thread, unless it is started."""

    def __init__(self, rounds: int = 1) -> None:
        super().__init__(BROKERS, "noted")
        self._stopping = self.stopping = Pauses()
        # Lets no time pass, and ends with so many pauses.
        self.stopping.turn = lambda: self.stopping.set() if len(self.stopping.waits) >= rounds else None
        self.told: list[object] = []

    def on_channel(self, channel: Channel) -> None:
        self.told.append(channel)

    def on_lost(self, reason: str) -> None:
        self.told.append(reason)

    def on_missing(self) -> None:
        self.told.append("missing")


class Network:
    """Makes connections as the test says: each has its loop run a script."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.made: list[MagicMock] = []
        #: What a connection's loop does; raising is a bug in a callback.
        self.script: Callable[[MagicMock], None] = lambda _connection: None
        self.error: Exception | None = None

    def connect(self, parameters: pika.ConnectionParameters, **callbacks: Callable[..., None]) -> MagicMock:
        """In place of the connection's constructor."""
        self.hosts.append(parameters.host)
        if self.error is not None:
            raise self.error
        connection = MagicMock(is_open=True, callbacks=SimpleNamespace(**callbacks))
        connection.ioloop.start = lambda: self.script(connection)
        self.made.append(connection)
        return connection


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(link_module, "JoiningConnection", made.connect)
    return made


def connected(link: Link, *, is_open: bool = True) -> MagicMock:
    """A link that has a connection, whose loop does at once what it is told."""
    connection = MagicMock(is_open=is_open)
    connection.ioloop.add_callback_threadsafe = lambda function: function()
    link._connection = connection
    return connection


def test_a_connection_that_cannot_even_be_made_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # given an operating system without file handles, and no waiting between attempts
    attempts: list[int] = []
    third = threading.Event()

    def no_handles(*_: object, **__: object) -> None:
        attempts.append(1)
        if len(attempts) >= 3:
            third.set()
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(link_module, "JoiningConnection", no_handles)
    monkeypatch.setattr(link_module, "RECONNECT_SECONDS", (0.001,))
    monkeypatch.setattr(publishing_module, "CONNECT_WAIT_SECONDS", 0.05)
    publisher = RabbitPublisher([pika.ConnectionParameters()])

    # when something is to be published
    with pytest.raises(BrokerUnavailable):
        publisher.publish([Message("e", "membership.member.admitted", "m-1", b"{}")])

    # then the thread keeps trying, and says that it is alive
    assert third.wait(timeout=10)
    assert publisher.is_alive()
    publisher.close()
    assert not publisher.is_alive()


def test_brokers_take_turns_and_waits_grow_with_each_round_of_them(network: Network) -> None:
    network.error = OSError("refused")
    link = Noted(rounds=19)

    link._run()

    assert network.hosts == ["one", "two", "three"] * 6 + ["one"]
    assert link.stopping.waits == [each for each in (0.1, 0.5, 1.0, 2.0, 5.0, 5.0) for _ in BROKERS] + [5.0]
    assert link.told == [], "there was nothing to lose"


def test_a_connection_that_was_up_starts_with_the_shortest_wait_again(network: Network) -> None:
    link = Noted(rounds=8)
    # The fifth attempt succeeds, and then it ends.
    network.script = lambda _connection: link.ready() if len(network.made) == 5 else None

    link._run()

    assert link.stopping.waits == [0.1, 0.1, 0.1, 0.5, 0.1, 0.1, 0.1, 0.5]


def test_a_link_that_is_told_to_stop_does_not_wait_and_does_not_connect_again(network: Network) -> None:
    link = Noted()
    network.script = lambda _connection: link.stopping.set()

    link._run()
    link._run()

    assert network.hosts == ["one"]
    assert link.stopping.waits == []


def test_every_end_of_a_connection_closes_its_loop_and_tells_of_what_is_lost(network: Network) -> None:
    # given callbacks with a bug in them
    link = Noted(rounds=2)
    channels: list[MagicMock] = []

    def fail(connection: MagicMock) -> None:
        assert link._connection is connection
        channels.append(MagicMock())
        connection.callbacks.on_open_callback(connection)
        connection.channel.call_args.kwargs["on_open_callback"](channels[-1])
        raise KeyError("bug")

    network.script = fail
    link._run()

    assert link.told == [channels[0], "connection closed", channels[1], "connection closed"]
    assert link._connection is None
    assert link._channel is None
    for each in network.made:
        each.ioloop.close.assert_called_once_with()


@pytest.mark.parametrize("callback", ["on_open_error_callback", "on_close_callback"])
def test_a_connection_that_fails_or_ends_stops_its_loop(network: Network, callback: str) -> None:
    link = Noted()
    channel = MagicMock()

    def end(connection: MagicMock) -> None:
        link._on_channel_open(channel)
        getattr(connection.callbacks, callback)(connection, CUT)
        connection.ioloop.stop.assert_called_once_with()

    network.script = end
    link._run()

    assert link.told == [channel, said(CUT)]


def test_a_connection_that_opens_after_the_stop_is_closed_at_once() -> None:
    link = Noted()
    link.stopping.set()
    connection = connected(link)

    link._on_open(connection)

    connection.close.assert_called_once_with()
    connection.channel.assert_not_called()


@pytest.mark.parametrize(
    ("error", "expected"), [(NO_QUEUE, [said(NO_QUEUE), "missing"]), (REFUSED, [said(REFUSED)]), (CUT, [said(CUT)])]
)
def test_a_channel_that_ends_takes_its_connection_along(error: Exception, expected: list[str]) -> None:
    link = Noted()
    connection = connected(link)
    channel = MagicMock()
    link._on_channel_open(channel)
    channel.add_on_close_callback.call_args.args[0](channel, error)

    assert link.told == [channel, *expected]
    assert link._channel is None
    connection.close.assert_called_once_with()


def test_a_connection_that_is_closing_is_not_closed_twice() -> None:
    link = Noted()
    link._close_connection()
    connection = connected(link, is_open=False)
    link._close_connection()

    connection.close.assert_not_called()


def test_a_call_without_an_open_connection_is_refused() -> None:
    link = Noted()
    called: list[str] = []

    assert link.call(lambda: called.append("no connection")) is False
    connected(link, is_open=False)
    assert link.call(lambda: called.append("closing")) is False
    connected(link)
    assert link.call(lambda: called.append("open")) is True
    assert called == ["open"]


def test_a_link_that_is_dropped_closes_its_connection_in_its_own_thread() -> None:
    link = Noted()
    connection = connected(link)
    later: list[Callable[[], None]] = []
    connection.ioloop.add_callback_threadsafe = later.append

    link.drop("confirms did not come")
    connection.close.assert_not_called()
    later.pop()()

    connection.close.assert_called_once_with()


class Holding:
    """A network whose connections last until they are closed."""

    def __init__(self, network: Network) -> None:
        self.threads: list[threading.Thread] = []
        self._closed = threading.Event()
        network.script = self._hold
        self.network = network

    def _hold(self, connection: MagicMock) -> None:
        connection.ioloop.add_callback_threadsafe = lambda function: function()
        connection.close = self._closed.set
        self.threads.append(threading.current_thread())
        self._closed.wait(10)


@pytest.fixture
def running(network: Network) -> Iterator[tuple[Noted, Holding]]:
    holding = Holding(network)
    link = Noted()
    link.start()
    wait_until(lambda: holding.threads, "a connection")
    yield link, holding
    holding._closed.set()
    link.stop()


def test_a_links_thread_is_named_after_it_and_holds_no_process_back(running: tuple[Noted, Holding]) -> None:
    link, holding = running

    assert [each.name for each in holding.threads] == ["amqp-noted"]
    assert holding.threads[0].daemon
    assert link.is_alive()


def test_stopping_closes_the_connection_and_waits_for_the_thread(running: tuple[Noted, Holding]) -> None:
    link, holding = running

    link.stop()

    assert not holding.threads[0].is_alive()
    assert not link.is_alive()
    assert link.stopping.is_set()
    link.stop()


def test_stopping_waits_no_longer_than_a_process_may_take_to_end(network: Network) -> None:
    link = Noted()
    thread: Any = MagicMock()
    link._thread = thread
    link.stop()
    thread.join.assert_called_once_with(link_module.STOP_SECONDS)


def test_a_link_that_was_never_started_can_be_stopped() -> None:
    link = Noted()
    link.stop()

    assert not link.is_alive()


def test_a_link_may_be_stopped_from_its_own_thread(network: Network) -> None:
    link = Noted()
    stopped = threading.Event()

    def stop(_connection: MagicMock) -> None:
        link.stop()
        stopped.set()

    network.script = stop
    link.start()

    assert stopped.wait(10)
    wait_until(lambda: not link.is_alive(), "the end of the thread")
    assert link.stopping.waits == []


def test_a_loss_is_told_when_it_happens_and_once_more_when_it_lasts(network: Network) -> None:
    link = Noted(rounds=9)
    counts: list[int] = []

    def refuse(connection: MagicMock) -> None:
        connection.callbacks.on_open_error_callback(connection, OSError("refused"))
        counts.append(len(lines))

    network.script = refuse
    with capture_logs() as lines:
        link._run()

    assert counts == [1, 1, 1, 1, 1, 2, 2, 2, 2]
    lost = {"event": "broker.connection_lost", "log_level": "warning", "link": "noted", "reason": "OSError: refused"}
    assert lines == [lost, lost]


def test_who_is_back_after_failures_says_so_and_who_stops_says_nothing() -> None:
    link = Noted()
    link._failures = len(RECONNECT_SECONDS)
    with capture_logs() as lines:
        link.ready()
        link.ready()
        link.stopping.set()
        link._on_channel_closed(MagicMock(), CUT)
        link._on_closed(MagicMock(), CUT)

    assert [line["event"] for line in lines] == ["broker.connected"]


def test_a_channel_that_closes_says_why() -> None:
    with capture_logs() as lines:
        Noted()._on_channel_closed(MagicMock(), REFUSED)

    assert [(line["event"], line["reason"]) for line in lines] == [("broker.channel_closed", said(REFUSED))]


def test_a_channel_is_closed_as_if_its_consumers_had_been_cancelled_already() -> None:
    channel: Any = SimpleNamespace(_cancelled={"old"}, _consumers={"one": None, "two": None})
    close_without_cancelling(channel)
    assert channel._cancelled == {"old", "one", "two"}

    # Should pika's bookkeeping change, nothing breaks.
    close_without_cancelling(SimpleNamespace())
    close_without_cancelling(SimpleNamespace(_cancelled=set()))


def test_an_error_says_its_kind_and_anything_else_itself() -> None:
    assert said(OSError("away")) == "OSError: away"
    assert said("closed") == "closed"
