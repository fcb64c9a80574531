"""The way in: a queue's deliveries in batches, acknowledged once they are stored. See the port for what it promises."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pika
from pika.channel import Channel

from shared.messaging.rabbitmq.layout import MARKER_TYPE
from shared.messaging.rabbitmq.link import STOP_SECONDS, Link, close_without_cancelling
from shared.messaging.transport import Accept
from shared.runtime.failpoints import Failpoints
from shared.runtime.logging import get_logger

#: Waits before a batch is handed to a subscriber again that could not store it, in seconds; the last one repeats.
HOLD_SECONDS = (0.2, 1.0, 3.0)

log = get_logger(__name__)


class _Delivery(NamedTuple):
    """A message in hand; acknowledgements are valid only on the channel (`epoch`) that delivered it."""

    epoch: int
    tag: int
    type: str
    body: bytes


class RabbitSubscription(Link):
    """Consumes one queue: the I/O thread receives, a second thread hands batches to `accept`.

    Half of what may be in hand is a batch, so that the next one arrives while one is handled. The two threads take
    turns at the interpreter: the I/O thread parses while the handler waits for its database, and no shorter switch
    interval makes that faster (measured), so there is none.

    Which queues there are is not its business. `look_again` is called when the queue is gone, `at_marker` when
    everything before a marker of a changing layout has been stored.
    """

    def __init__(
        self,
        brokers: Sequence[pika.ConnectionParameters],
        queue_name: str,
        accept: Accept,
        *,
        prefetch: int,
        priority: int,
        failpoints: Failpoints,
        at_marker: Callable[[], None],
        look_again: Callable[[], None],
    ) -> None:
        super().__init__(brokers, queue_name)
        self._queue_name = queue_name
        self._accept = accept
        self._prefetch = prefetch
        self._batch = max(1, prefetch // 2)
        self._priority = priority
        self._failpoints = failpoints
        self._at_marker = at_marker
        self._look_again = look_again
        self._epoch = 0
        #: From the I/O thread to the handler. None: stop.
        self._arrived: queue.SimpleQueue[_Delivery | None] = queue.SimpleQueue()
        #: Taken from there, but not yet of a batch.
        self._next: _Delivery | None = None
        self._handler = threading.Thread(target=self._handle, name=f"consume-{queue_name}", daemon=True)
        self.start()
        self._handler.start()

    def is_alive(self) -> bool:
        """See the port."""
        return super().is_alive() and self._handler.is_alive()

    def begin_stop(self) -> None:
        """Take nothing new; returns at once."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._arrived.put(None)

    def stop(self) -> None:
        """See the port."""
        self.begin_stop()
        if self._handler is not threading.current_thread():
            self._handler.join(STOP_SECONDS)
        self.call(self._give_back_and_close)
        self._thread.join(STOP_SECONDS)

    def on_channel(self, channel: Channel) -> None:
        self._epoch += 1
        channel.add_on_cancel_callback(self._on_broker_cancel)
        channel.basic_qos(prefetch_count=self._prefetch)
        epoch, put = self._epoch, self._arrived.put

        def arrive(_channel: Channel, method: Any, _properties: Any, body: bytes) -> None:
            # Nothing more per message: this thread's time is taken from the handler's.
            put(_Delivery(epoch, method.delivery_tag, method.routing_key, body))

        # Several of one priority: the first one is active. A higher one takes over when what is in hand is settled.
        arguments = {"x-priority": self._priority} if self._priority else None
        channel.basic_consume(self._queue_name, arrive, arguments=arguments, callback=lambda _frame: self.ready())

    def on_lost(self, reason: str) -> None:  # noqa: ARG002 - what was in hand comes again whatever the reason
        # What was in hand comes again; the handler notices by the epoch and does not acknowledge it.
        self._epoch += 1

    def on_missing(self) -> None:
        self._look_again()

    def _on_broker_cancel(self, _frame: Any) -> None:
        # The queue was deleted, moved, or we were too slow. Without a new connection we would live on, deaf.
        log.warning("broker.cancelled_us", queue=self._queue_name)
        self._look_again()
        self._close_connection()

    def _handle(self) -> None:
        while not self._stopping.is_set():
            batch = self._next_batch()
            if batch and self._store(batch):
                self._acknowledge(batch)

    def _next_batch(self) -> list[_Delivery]:
        """Wait for a delivery, then take what else is there, of one epoch only. A marker is a batch of its own."""
        first, self._next = self._next or self._arrived.get(), None
        batch = [] if first is None or first.epoch != self._epoch else [first]
        while batch and batch[0].type != MARKER_TYPE and len(batch) < self._batch:
            try:
                following = self._arrived.get_nowait()
            except queue.Empty:
                break
            if following is None:
                break
            if following.type == MARKER_TYPE or following.epoch != batch[0].epoch:
                self._next = following
                break
            batch.append(following)
        return batch

    def _store(self, batch: list[_Delivery]) -> bool:
        """Hand the batch over until it is stored. False: it was lost with its channel, or we are stopping."""
        failures = 0
        while True:
            try:
                if batch[0].type == MARKER_TYPE:
                    self._at_marker()
                else:
                    self._accept([delivery.body for delivery in batch])
            except Exception as error:  # noqa: BLE001 - nothing is stored, so nothing may be acknowledged; hold and repeat
                wait = HOLD_SECONDS[min(failures, len(HOLD_SECONDS) - 1)]
                failures += 1
                log.warning("broker.batch_held", queue=self._queue_name, failures=failures, error=repr(error))
                if self._stopping.wait(wait) or batch[0].epoch != self._epoch:
                    return False
            else:
                return True

    def _acknowledge(self, batch: list[_Delivery]) -> None:
        last = batch[-1]

        def acknowledge() -> None:
            if self._channel is not None and self._channel.is_open and last.epoch == self._epoch:
                self._channel.basic_ack(last.tag, multiple=True)
                # The connection writes at its next turn, before this.
                self.call(lambda: self._failpoints.reach("consumer.after_acknowledge", [each.type for each in batch]))

        self.call(acknowledge)

    def _give_back_and_close(self) -> None:
        if self._channel is not None:
            close_without_cancelling(self._channel)
        self._close_connection()
