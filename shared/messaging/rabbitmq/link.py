"""A connection to the broker, kept up for ever by a thread of its own that does nothing but I/O."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pika
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker

from shared.messaging.rabbitmq.joining import JoiningConnection
from shared.runtime.logging import get_logger

EXCHANGE = "alliance.events"
#: What a queue is, as opposed to how it is limited (that is policy). One active consumer: with two workers, or an old one
#: and its successor, two events of a subject could otherwise be handled in the wrong order.
QUEUE_ARGUMENTS = {"x-queue-type": "quorum", "x-single-active-consumer": True}
#: Waits between attempts to connect, in seconds; the last one repeats. A broker restart takes 5 to 20 s.
RECONNECT_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
#: How long stopping waits for a thread, in seconds. Within compose's stop_grace_period.
STOP_SECONDS = 10.0
#: AMQP's reply code for what does not exist.
NOT_FOUND = 404

log = get_logger(__name__)


class Link:
    """A connection with one channel, kept up by a thread of its own. Subclasses fill in what happens on it.

    Of several brokers, nodes of one cluster, one is used; the next is tried whenever a connection ends or fails.
    """

    def __init__(self, brokers: Sequence[pika.ConnectionParameters], name: str) -> None:
        self._brokers = brokers
        self._turn = 0
        self._name = name
        self._stopping = threading.Event()
        self._connection: JoiningConnection | None = None
        self._channel: Channel | None = None
        self._thread = threading.Thread(target=self._run, name=f"amqp-{name}", daemon=True)
        self._failures = 0

    def on_channel(self, channel: Channel) -> None:
        """In the I/O thread: the channel is open."""
        raise NotImplementedError  # pragma: no cover - both subclasses have it

    def on_lost(self, reason: str) -> None:
        """In the I/O thread: the channel is gone; whatever was under way on it has an unknown outcome."""
        raise NotImplementedError  # pragma: no cover - both subclasses have it

    def on_missing(self) -> None:
        """In the I/O thread: the broker closed the channel, because it does not have what was asked for."""

    def start(self) -> None:
        self._thread.start()

    def call(self, function: Callable[[], None]) -> bool:
        """Run something in the I/O thread. False: there is no connection to run it on."""
        connection = self._connection
        if connection is None or not connection.is_open:
            return False
        connection.ioloop.add_callback_threadsafe(function)
        return True

    def drop(self, reason: str) -> None:
        """Give up this connection, from any thread; the next one is opened at once."""
        log.warning("broker.dropped", link=self._name, reason=reason)
        self.call(self._close_connection)

    def stop(self) -> None:
        self._stopping.set()
        self.call(self._close_connection)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def ready(self) -> None:
        """The channel is set up; the next loss starts with the shortest wait again."""
        if self._failures:
            log.info("broker.connected", link=self._name, after_failures=self._failures)
        self._failures = 0

    def is_alive(self) -> bool:
        """Whether the I/O thread runs. It goes on for ever; one that has ended was killed by a bug."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection: JoiningConnection | None = None
            try:
                connection = JoiningConnection(
                    self._brokers[self._turn % len(self._brokers)],
                    on_open_callback=self._on_open,
                    on_open_error_callback=self._on_closed,
                    on_close_callback=self._on_closed,
                )
                self._connection = connection
                connection.ioloop.start()
            except Exception as error:  # noqa: BLE001 - no file handles left, a bug in a callback: this thread must outlive it
                log.warning("broker.io_failed", link=self._name, reason=said(error))
            finally:
                self._connection = None
                self._channel_lost("connection closed")
                if connection is not None:
                    connection.ioloop.close()
            if not self._stopping.is_set():
                self._turn += 1
                # One round of all brokers per step: while one is away, the next is not made to wait for it.
                wait = RECONNECT_SECONDS[min(self._failures // len(self._brokers), len(RECONNECT_SECONDS) - 1)]
                self._failures += 1
                self._stopping.wait(wait)

    def _on_open(self, connection: Any) -> None:
        if self._stopping.is_set():
            connection.close()
            return
        connection.channel(on_open_callback=self._on_channel_open)

    def _on_channel_open(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        self.on_channel(channel)

    def _on_channel_closed(self, _channel: Channel, reason: Exception) -> None:
        if not self._stopping.is_set():
            log.warning("broker.channel_closed", link=self._name, reason=said(reason))
        self._channel_lost(said(reason))
        if is_missing(reason):
            self.on_missing()
        self._close_connection()

    def _on_closed(self, connection: Any, reason: Exception | str) -> None:
        if not self._stopping.is_set() and self._failures in (0, len(RECONNECT_SECONDS)):
            # Said when it happens and once more when it lasts, not at every attempt.
            log.warning("broker.connection_lost", link=self._name, reason=said(reason))
        self._channel_lost(said(reason))
        connection.ioloop.stop()

    def _channel_lost(self, reason: str) -> None:
        if self._channel is not None:
            self._channel = None
            self.on_lost(reason)

    def _close_connection(self) -> None:
        connection = self._connection
        if connection is not None and connection.is_open:
            connection.close()


def close_without_cancelling(channel: Channel) -> None:
    """Make pika close this channel without cancelling its consumers first.

    A cancelled consumer's stand-by becomes active at once and gets the next messages; only then come those that the
    cancelled one still had in hand: order is lost. When the channel ends without, the broker returns them first.
    pika has no public way; should its bookkeeping change, closing is orderly again and a test of the order tells.
    """
    cancelled: set[str] = getattr(channel, "_cancelled", set())
    cancelled.update(getattr(channel, "_consumers", {}))


def is_missing(error: Exception) -> bool:
    """Whether the broker says that a queue or an exchange does not exist, rather than that its node is away."""
    if not isinstance(error, ChannelClosedByBroker) or error.reply_code != NOT_FOUND:
        return False
    return "no queue" in error.reply_text or "no exchange" in error.reply_text


def said(error: object) -> str:
    """What an error says, for logs and refusals."""
    return f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
