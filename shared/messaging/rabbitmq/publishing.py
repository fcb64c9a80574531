"""The way out: batches with publisher confirms and `mandatory`. See the port for what it promises."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.channel import Channel

from shared.messaging.rabbitmq.link import EXCHANGE, Link
from shared.messaging.transport import BrokerUnavailable, Message

#: How long a batch may wait for its confirms, in seconds. Persistent messages take up to some hundred ms; longer
#: means an alarm or a dead link, and the relay tries again.
CONFIRM_SECONDS = 15.0
#: How long a publisher waits for a connection before it reports the broker as unavailable, in seconds.
CONNECT_WAIT_SECONDS = 5.0


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


class RabbitPublisher(Link):
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
