"""The way out: batches with publisher confirms and `mandatory`. See the port for what it promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pika
from pika.channel import Channel

from shared.messaging.rabbitmq.link import EXCHANGE, Link
from shared.messaging.rabbitmq.properties import properties_of
from shared.messaging.rabbitmq.window import Window
from shared.messaging.transport import PORTION, BrokerUnavailable, Message, Settled, nobody, nothing

#: How long a batch may wait without a single confirm, in seconds. Persistent messages take up to some hundred ms; longer
#: means an alarm or a dead link, and the relay tries again.
CONFIRM_SECONDS = 15.0
#: How long a publisher waits for a connection before it reports the broker as unavailable, in seconds.
CONNECT_WAIT_SECONDS = 5.0
#: Why the broker has not taken a message that it did not return.
REFUSED = "refused by the broker (queue full or failing)"


class _Batch:
    """A window, and the caller who follows it in another thread than that which settles it."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.window = Window(messages)
        self.failure: str | None = None
        self._has_ended = False
        self._told = 0
        #: How far the window's front must have come before the caller is woken.
        self._wanted = 0
        self._moved = threading.Event()

    @property
    def has_ended(self) -> bool:
        """Whether every outcome is known, or no other will be."""
        return self._has_ended

    def fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.end()

    def end(self) -> None:
        self._has_ended = True
        self._moved.set()

    def note_settled(self) -> None:
        """Some messages have been settled, not yet all."""
        if self.window.front >= self._wanted:
            self._moved.set()

    def follow(self, portion: int, settled: Settled) -> bool:
        """Tell of each portion, until all is settled or lost. False: confirms have stopped coming."""
        looked = 0
        while True:
            self._moved.clear()
            self._wanted = self._told + portion
            # In this order: what is settled when the end is seen is all that will ever be.
            has_ended, front = self._has_ended, self.window.front
            if front >= self._wanted or (has_ended and front > self._told):
                self._tell(min(front, self._wanted), settled)
            elif has_ended:
                return True
            elif not self._moved.wait(CONFIRM_SECONDS):
                if looked == self.window.settled:
                    return False
                looked = self.window.settled

    def _tell(self, end: int, settled: Settled) -> None:
        outcomes = self.window.outcomes[self._told : end]
        self._told = end
        settled(outcomes)


class RabbitPublisher(Link):
    """Publishes batches. One batch at a time: the caller is the relay's thread."""

    def __init__(self, brokers: Sequence[pika.ConnectionParameters]) -> None:
        super().__init__(brokers, "publisher")
        self._is_ready = threading.Event()
        self._batch: _Batch | None = None
        self._last_tag = 0
        self._started = False
        self._one_batch = threading.Lock()

    def publish(
        self,
        messages: Sequence[Message],
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        """See the port."""
        if not messages:
            return []
        with self._one_batch:
            if not self._started:
                self._started = True
                self.start()
            if not self._is_ready.wait(CONNECT_WAIT_SECONDS):
                raise BrokerUnavailable("no connection to the broker")
            # Known to the I/O thread from here on: a connection that is lost before it has begun fails the batch at once.
            batch = self._batch = _Batch(messages)
            if not self.call(lambda: self._begin(batch)):
                raise BrokerUnavailable("the connection was lost before sending")
            meanwhile()
            if not batch.follow(portion, settled):
                # Its confirms may still come; on a new connection they cannot be mistaken for another batch's.
                self.drop("confirms did not come in time")
                raise BrokerUnavailable("the broker did not confirm in time")
            if batch.failure is not None:
                raise BrokerUnavailable(batch.failure)
            return batch.window.outcomes

    def is_alive(self) -> bool:
        """See the port."""
        return not self._started or super().is_alive()

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
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.fail(reason)

    def _begin(self, batch: _Batch) -> None:
        if self._channel is None or not self._channel.is_open:
            batch.fail("the channel was lost before sending")
        if batch.has_ended:
            # Lost meanwhile, with the connection before this one, and the caller told so.
            return
        self._send(batch.window, batch.window.begin(self._last_tag + 1))

    def _send(self, window: Window, indices: Sequence[int]) -> None:
        assert self._connection is not None
        assert self._channel is not None
        with self._connection.joined():
            for index in indices:
                message = window.messages[index]
                self._channel.basic_publish(
                    EXCHANGE, message.type, message.body, properties_of(message), mandatory=True
                )
                self._last_tag += 1
                window.note_sent(index)

    def _on_return(self, _channel: Channel, method: Any, properties: Any, _body: bytes) -> None:
        if self._batch is not None:
            self._batch.window.note_returned(properties.message_id, f"unroutable: {method.reply_text}")

    def _on_confirm(self, frame: Any) -> None:
        batch, method = self._batch, frame.method
        if batch is None:
            return
        refusal = REFUSED if isinstance(method, pika.spec.Basic.Nack) else None
        following = batch.window.settle(method.delivery_tag, multiple=method.multiple, refusal=refusal)
        if following:
            self._send(batch.window, following)
        elif batch.window.is_settled:
            self._batch = None
            batch.end()
            return
        batch.note_settled()
