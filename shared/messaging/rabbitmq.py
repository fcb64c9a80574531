"""The bus on RabbitMQ. The only module that knows pika; its errors end here.

One topic exchange; one quorum queue per service. Publishing with confirms and `mandatory`; consuming with explicit
acknowledgements. Each direction has a connection with an I/O thread of its own that does nothing but I/O, so that
heartbeats go on however long a handler takes, and that connects again, for ever, after every loss. Queue limits, dead
letters and delivery limits are the broker's policies (`deploy/rabbitmq`), not arguments here: a changed argument
would refuse to declare at boot.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.adapters.select_connection import SelectConnection
from pika.channel import Channel
from pika.exceptions import AMQPError

from shared.messaging.transport import Accept, BrokerUnavailable, Message, Publisher, Subscription
from shared.runtime.logging import get_logger

EXCHANGE = "alliance.events"
#: Waits between attempts to connect, in seconds; the last one repeats. A broker restart takes 5 to 20 s.
RECONNECT_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
#: How long a batch may wait for its confirms, in seconds. Persistent messages take up to some hundred ms; longer
#: means an alarm or a dead link, and the relay tries again.
CONFIRM_SECONDS = 15.0
#: How long a publisher waits for a connection before it reports the broker as unavailable, in seconds.
CONNECT_WAIT_SECONDS = 5.0
#: How long stopping waits for a thread, in seconds. Within compose's stop_grace_period.
STOP_SECONDS = 10.0
#: Waits before a batch is handed to a subscriber again that could not store it, in seconds; the last one repeats.
HOLD_SECONDS = (0.2, 1.0, 3.0)

log = get_logger(__name__)


class RabbitMQ:
    """The broker at one URL."""

    def __init__(self, url: str, *, heartbeat_seconds: int, blocked_seconds: int, prefetch: int) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = heartbeat_seconds
        # Under a memory or disk alarm the broker stops reading; without a limit a publisher would hang for ever.
        self._parameters.blocked_connection_timeout = blocked_seconds
        self._parameters.socket_timeout = CONNECT_WAIT_SECONDS
        self._parameters.stack_timeout = CONNECT_WAIT_SECONDS * 2
        self._prefetch = prefetch

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """Declare exchange, queue and bindings on a connection of their own. Raises BrokerUnavailable."""
        try:
            connection = pika.BlockingConnection(self._parameters)
            channel = connection.channel()
            channel.exchange_declare(EXCHANGE, "topic", durable=True)
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
            for pattern in patterns:
                channel.queue_bind(queue, EXCHANGE, pattern)
            connection.close()
        except (AMQPError, OSError) as error:
            raise BrokerUnavailable(_said(error)) from error

    def publisher(self) -> Publisher:
        """A connection for publishing."""
        return _Publisher(self._parameters)

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        """A connection for consuming; it starts at once and keeps trying while the broker is away."""
        return _Subscription(self._parameters, queue, patterns, accept, self._prefetch)


class _Link:
    """A connection with one channel, kept up by a thread of its own. Subclasses fill in what happens on it."""

    def __init__(self, parameters: pika.ConnectionParameters, name: str) -> None:
        self._parameters = parameters
        self._name = name
        self._stopping = threading.Event()
        self._connection: SelectConnection | None = None
        self._channel: Channel | None = None
        self._thread = threading.Thread(target=self._run, name=f"amqp-{name}", daemon=True)
        self._failures = 0

    def on_channel(self, channel: Channel) -> None:
        """In the I/O thread: the channel is open."""
        raise NotImplementedError  # pragma: no cover - both subclasses have it

    def on_lost(self, reason: str) -> None:
        """In the I/O thread: the channel is gone; whatever was under way on it has an unknown outcome."""
        raise NotImplementedError  # pragma: no cover - both subclasses have it

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

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection = SelectConnection(
                self._parameters,
                on_open_callback=self._on_open,
                on_open_error_callback=self._on_closed,
                on_close_callback=self._on_closed,
            )
            self._connection = connection
            try:
                connection.ioloop.start()
            except (AMQPError, OSError) as error:
                log.warning("broker.io_failed", link=self._name, reason=_said(error))
            finally:
                self._connection = None
                self._channel_lost("connection closed")
                connection.ioloop.close()
            if not self._stopping.is_set():
                wait = RECONNECT_SECONDS[min(self._failures, len(RECONNECT_SECONDS) - 1)]
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
            log.warning("broker.channel_closed", link=self._name, reason=_said(reason))
        self._channel_lost(_said(reason))
        self._close_connection()

    def _on_closed(self, connection: Any, reason: Exception | str) -> None:
        if not self._stopping.is_set() and self._failures in (0, len(RECONNECT_SECONDS)):
            # Said when it happens and once more when it lasts, not at every attempt.
            log.warning("broker.connection_lost", link=self._name, reason=_said(reason))
        self._channel_lost(_said(reason))
        connection.ioloop.stop()

    def _channel_lost(self, reason: str) -> None:
        if self._channel is not None:
            self._channel = None
            self.on_lost(reason)

    def _close_connection(self) -> None:
        connection = self._connection
        if connection is not None and connection.is_open:
            connection.close()


@dataclass
class _Window:
    """A batch waiting for its confirms."""

    messages: Sequence[Message]
    done: threading.Event = field(default_factory=threading.Event)
    tags: dict[int, int] = field(default_factory=dict)
    outcomes: list[str | None] = field(default_factory=list)
    failure: str | None = None

    def fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.done.set()


class _Publisher(_Link):
    """Publishes batches. One batch at a time: the caller is the relay's thread."""

    def __init__(self, parameters: pika.ConnectionParameters) -> None:
        super().__init__(parameters, "publisher")
        self._is_ready = threading.Event()
        self._window: _Window | None = None
        self._last_tag = 0
        self._started = False
        self._one_batch = threading.Lock()

    def publish(self, messages: Sequence[Message]) -> list[str | None]:
        """See the port."""
        with self._one_batch:
            if not self._started:
                self._started = True
                self.start()
            if not self._is_ready.wait(CONNECT_WAIT_SECONDS):
                raise BrokerUnavailable("no connection to the broker")
            window = _Window(messages)
            if not self.call(lambda: self._send(window)):
                raise BrokerUnavailable("the connection was lost before sending")
            if not window.done.wait(CONFIRM_SECONDS):
                # Its confirms may still come; on a new connection they cannot be mistaken for another batch's.
                self.drop("confirms did not come in time")
                raise BrokerUnavailable("the broker did not confirm in time")
            if window.failure is not None:
                raise BrokerUnavailable(window.failure)
            return window.outcomes

    def close(self) -> None:
        """See the port."""
        if self._started:
            self.stop()

    def on_channel(self, channel: Channel) -> None:
        self._last_tag = 0
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._on_confirming(channel))

    def _on_confirming(self, channel: Channel) -> None:
        channel.exchange_declare(EXCHANGE, "topic", durable=True, callback=lambda _frame: self._on_ready())

    def _on_ready(self) -> None:
        self.ready()
        self._is_ready.set()

    def on_lost(self, reason: str) -> None:
        self._is_ready.clear()
        window, self._window = self._window, None
        if window is not None:
            window.fail(reason)

    def _send(self, window: _Window) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            window.fail("the channel was lost before sending")
            return
        self._window = window
        window.outcomes = [None] * len(window.messages)
        for index, message in enumerate(window.messages):
            self._last_tag += 1
            window.tags[self._last_tag] = index
            channel.basic_publish(EXCHANGE, message.type, message.body, _properties(message), mandatory=True)

    def _on_return(self, _channel: Channel, method: Any, properties: Any, _body: bytes) -> None:
        # An unroutable message comes back first and is confirmed all the same.
        window = self._window
        if window is None:
            return
        for index, message in enumerate(window.messages):
            if message.event_id == properties.message_id:
                window.outcomes[index] = f"unroutable: {method.reply_text}"

    def _on_confirm(self, frame: Any) -> None:
        window = self._window
        if window is None:
            return
        method = frame.method
        tags = [tag for tag in window.tags if tag <= method.delivery_tag] if method.multiple else [method.delivery_tag]
        for tag in tags:
            index = window.tags.pop(tag, None)
            if index is not None and isinstance(method, pika.spec.Basic.Nack):
                window.outcomes[index] = "refused by the broker (queue full or failing)"
        if not window.tags:
            self._window = None
            window.done.set()


def _properties(message: Message) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=pika.DeliveryMode.Persistent.value,
        message_id=message.event_id,
        type=message.type,
    )


@dataclass(frozen=True)
class _Delivery:
    """A message in hand; acknowledgements are valid only on the channel (`epoch`) that delivered it."""

    epoch: int
    tag: int
    body: bytes


class _Subscription(_Link):
    """Consumes one queue: the I/O thread receives, a second thread hands batches to `accept`."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        queue_name: str,
        patterns: Sequence[str],
        accept: Accept,
        prefetch: int,
    ) -> None:
        super().__init__(parameters, queue_name)
        self._queue_name = queue_name
        self._patterns = list(patterns)
        self._accept = accept
        self._prefetch = prefetch
        self._epoch = 0
        self._consumer_tag: str | None = None
        self._arrived: queue.Queue[_Delivery | None] = queue.Queue()
        self._handler = threading.Thread(target=self._handle, name=f"consume-{queue_name}", daemon=True)
        self.start()
        self._handler.start()

    def is_alive(self) -> bool:
        """See the port. Both threads go on for ever; one that has ended was killed by a bug."""
        return self._thread.is_alive() and self._handler.is_alive()

    def stop(self) -> None:
        """See the port."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._arrived.put(None)
        if self._handler is not threading.current_thread():
            self._handler.join(STOP_SECONDS)
        self.call(self._give_back_and_close)
        self._thread.join(STOP_SECONDS)

    def on_channel(self, channel: Channel) -> None:
        self._epoch += 1
        channel.add_on_cancel_callback(self._on_broker_cancel)
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        channel.queue_declare(self._queue_name, durable=True, arguments={"x-queue-type": "quorum"})
        for pattern in self._patterns:
            channel.queue_bind(self._queue_name, EXCHANGE, pattern)
        epoch = self._epoch
        self._consumer_tag = channel.basic_consume(
            self._queue_name,
            lambda _channel, method, _properties, body: self._arrived.put(_Delivery(epoch, method.delivery_tag, body)),
            callback=lambda _frame: self.ready(),
        )

    def on_lost(self, reason: str) -> None:  # noqa: ARG002 - what was in hand comes again whatever the reason
        # What was in hand comes again; the handler notices by the epoch and does not acknowledge it.
        self._epoch += 1
        self._consumer_tag = None

    def _on_broker_cancel(self, _frame: Any) -> None:
        # The queue was deleted, moved, or we were too slow. Without a new connection we would live on, deaf.
        log.warning("broker.cancelled_us", queue=self._queue_name)
        self._close_connection()

    def _handle(self) -> None:
        while not self._stopping.is_set():
            batch = self._next_batch()
            if batch and self._store(batch):
                last = batch[-1]
                self.call(lambda last=last: self._acknowledge(last))  # type: ignore[misc]

    def _next_batch(self) -> list[_Delivery]:
        """Wait for a delivery, then take what else is there, of one epoch only."""
        first = self._arrived.get()
        batch = [] if first is None or first.epoch != self._epoch else [first]
        while batch and len(batch) < self._prefetch:
            try:
                following = self._arrived.get_nowait()
            except queue.Empty:
                break
            if following is None:
                break
            if following.epoch == batch[0].epoch:
                batch.append(following)
        return batch

    def _store(self, batch: list[_Delivery]) -> bool:
        """Hand the batch over until it is stored. False: it was lost with its channel, or we are stopping."""
        failures = 0
        while True:
            try:
                self._accept([delivery.body for delivery in batch])
            except Exception as error:  # noqa: BLE001 - nothing is stored, so nothing may be acknowledged; hold and repeat
                wait = HOLD_SECONDS[min(failures, len(HOLD_SECONDS) - 1)]
                failures += 1
                log.warning("broker.batch_held", queue=self._queue_name, failures=failures, error=repr(error))
                if self._stopping.wait(wait) or batch[0].epoch != self._epoch:
                    return False
            else:
                return True

    def _acknowledge(self, last: _Delivery) -> None:
        if self._channel is not None and self._channel.is_open and last.epoch == self._epoch:
            self._channel.basic_ack(last.tag, multiple=True)

    def _give_back_and_close(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_open or self._consumer_tag is None:
            self._close_connection()
            return

        def cancelled(_frame: Any) -> None:
            # Everything unacknowledged, as one: a nack is not counted against a message on RabbitMQ 4.3, a loss is.
            if channel.is_open:
                channel.basic_nack(0, multiple=True, requeue=True)
            self._close_connection()

        channel.basic_cancel(self._consumer_tag, callback=cancelled)


def _said(error: object) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
