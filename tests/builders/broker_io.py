"""The broker in memory once more, for those who talk to it through pika's asynchronous connection: deliveries, confirms."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pika
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, ConnectionClosedByClient

from tests.builders.broker import Kind, MemoryBroker, Stored


@dataclass
class Consumer:
    """Who consumes a queue, and what it has in hand, by tag."""

    channel: IoChannel
    queue: str
    arrive: Callable[..., None]
    arguments: Mapping[str, Any] | None
    in_hand: dict[int, Stored] = field(default_factory=dict)

    @property
    def priority(self) -> int:
        return int((self.arguments or {}).get("x-priority", 0))


class IoBroker(MemoryBroker):
    """Delivers to one active consumer per queue, and confirms."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[IoConnection] = []
        self.consumers: list[Consumer] = []
        #: Set: nobody can connect any more.
        self.is_away = False
        self._lock = threading.RLock()

    def open(self, parameters: pika.ConnectionParameters, **callbacks: Callable[..., None]) -> IoConnection:
        """In place of our JoiningConnection, which is pika's SelectConnection."""
        connection = IoConnection(self, parameters, **callbacks)
        self.links.append(connection)
        return connection

    def publish(self, exchange: str, message: Stored) -> bool:
        with self._lock:
            taken = super().publish(exchange, message)
            for each in list(self.queues):
                self.deliver(each)
            return taken

    def drop(self, name: str, *, is_exchange: bool) -> None:
        with self._lock:
            super().drop(name, is_exchange=is_exchange)
            if not is_exchange:
                for each in self.consuming(name):
                    self.consumers.remove(each)
                    each.channel.tell_cancelled()

    def consuming(self, name: str) -> list[Consumer]:
        """The consumers of a queue, the active one first."""
        return sorted((each for each in self.consumers if each.queue == name), key=lambda each: -each.priority)

    def deliver(self, name: str) -> None:
        """Hand the active consumer what it may have."""
        with self._lock:
            waiting = self.queues[name].messages if name in self.queues else []
            for consumer in self.consuming(name)[:1]:
                while waiting and len(consumer.in_hand) < consumer.channel.prefetch:
                    consumer.channel.hand(consumer, waiting.pop(0))

    def give_back(self, channel: IoChannel) -> None:
        """A channel is gone: what it had in hand is delivered again, first."""
        with self._lock:
            for each in [each for each in self.consumers if each.channel is channel]:
                self.consumers.remove(each)
                self.queues[each.queue].messages[:0] = each.in_hand.values()
                self.deliver(each.queue)

    def cut(self) -> None:
        """Every connection ends."""
        for each in self.links:
            if each.is_open:
                each.end(ConnectionClosedByBroker(320, "CONNECTION_FORCED"))


class Loop:
    """In place of pika's: runs what it is told in the thread that starts it, until it is stopped."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._is_stopped = False
        self.is_closed = False

    def add_callback_threadsafe(self, function: Callable[[], None]) -> None:
        self._calls.put(function)

    def start(self) -> None:
        while not self._is_stopped:
            self._calls.get()()

    def stop(self) -> None:
        self._is_stopped = True

    def close(self) -> None:
        self.is_closed = True


class IoConnection:
    """In place of pika's. Everything that it tells comes in the loop's thread."""

    def __init__(
        self,
        broker: IoBroker,
        parameters: pika.ConnectionParameters,
        *,
        on_open_callback: Callable[..., None],
        on_open_error_callback: Callable[..., None],
        on_close_callback: Callable[..., None],
    ) -> None:
        self.broker = broker
        self.parameters = parameters
        self.is_open = not broker.is_away
        self.ioloop = Loop()
        self.channels: list[IoChannel] = []
        self.blocks = 0
        self._on_close = on_close_callback
        if self.is_open:
            self.later(lambda: on_open_callback(self))
        else:
            self.later(lambda: on_open_error_callback(self, OSError("connection refused")))

    def later(self, function: Callable[[], None]) -> None:
        """In the loop's thread."""
        self.ioloop.add_callback_threadsafe(function)

    def channel(self, on_open_callback: Callable[..., None]) -> None:
        channel = IoChannel(self)
        self.channels.append(channel)
        self.later(lambda: on_open_callback(channel))

    def close(self) -> None:
        self.end(ConnectionClosedByClient(200, "Normal shutdown"))

    def end(self, reason: Exception) -> None:
        """Whoever ends it: first its channels hear of it."""
        self.is_open = False
        for channel in self.channels:
            channel.end(reason)
        self.later(lambda: self._on_close(self, reason))

    @contextmanager
    def joined(self) -> Iterator[None]:
        """As JoiningConnection."""
        self.blocks += 1
        yield


class IoChannel:
    """In place of pika's."""

    def __init__(self, connection: IoConnection) -> None:
        self.connection = connection
        self.is_open = True
        self.prefetch = 1_000_000
        self._broker = connection.broker
        self._on_close: Callable[..., None]
        self._on_cancel: Callable[..., None]
        self._on_return: Callable[..., None]
        self._on_confirm: Callable[..., None]
        self._delivered = 0
        self._published = 0

    def add_on_close_callback(self, callback: Callable[..., None]) -> None:
        self._on_close = callback

    def add_on_cancel_callback(self, callback: Callable[..., None]) -> None:
        self._on_cancel = callback

    def add_on_return_callback(self, callback: Callable[..., None]) -> None:
        self._on_return = callback

    def basic_qos(self, *, prefetch_count: int) -> None:
        self.prefetch = prefetch_count

    def basic_consume(
        self,
        name: str,
        arrive: Callable[..., None],
        *,
        arguments: Mapping[str, Any] | None,
        callback: Callable[..., None],
    ) -> None:
        if name not in self._broker.queues:
            self.end(ChannelClosedByBroker(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"))
            return
        self._broker.consumers.append(Consumer(self, name, arrive, arguments))
        self.connection.later(lambda: callback(None))
        self._broker.deliver(name)

    def hand(self, consumer: Consumer, message: Stored) -> None:
        """Deliver one message."""
        self._delivered += 1
        consumer.in_hand[self._delivered] = message
        method = SimpleNamespace(delivery_tag=self._delivered, routing_key=message.type)
        self.connection.later(lambda: consumer.arrive(self, method, None, message.body) if self.is_open else None)

    def basic_ack(self, tag: int, *, multiple: bool) -> None:
        assert self.is_open
        for each in [each for each in self._broker.consumers if each.channel is self]:
            settled = {other for other in each.in_hand if other == tag or (multiple and other < tag)}
            assert tag in settled, f"unknown delivery tag {tag}"
            each.in_hand = {other: message for other, message in each.in_hand.items() if other not in settled}
            self._broker.deliver(each.queue)

    def confirm_delivery(self, on_confirm: Callable[..., None], *, callback: Callable[..., None]) -> None:
        self._on_confirm = on_confirm
        self.connection.later(lambda: callback(None))

    def exchange_declare(
        self, exchange: str, exchange_type: str, *, durable: bool, callback: Callable[..., None]
    ) -> None:
        kind = Kind(exchange_type, durable, None)
        assert self._broker.exchanges.setdefault(exchange, kind) == kind
        self.connection.later(lambda: callback(None))

    def basic_publish(self, exchange: str, key: str, body: bytes, properties: Any, *, mandatory: bool) -> None:
        assert mandatory
        if exchange not in self._broker.exchanges:
            self.end(ChannelClosedByBroker(404, f"NOT_FOUND - no exchange '{exchange}' in vhost '/'"))
            return
        read = pika.BasicProperties()
        read.decode(b"".join(properties.encode()))
        self._published += 1
        ack = pika.spec.Basic.Ack(self._published, False)
        if not self._broker.publish(exchange, Stored(key, body, dict(read.headers), read.delivery_mode == 2)):
            method = SimpleNamespace(reply_text="NO_ROUTE")
            self.connection.later(lambda: self._on_return(self, method, read, body))
        self.connection.later(lambda: self._on_confirm(SimpleNamespace(method=ack)))

    def tell_cancelled(self) -> None:
        """The broker has ended this one's consumer: its queue is gone."""
        self.connection.later(lambda: self._on_cancel(None))

    def end(self, reason: Exception) -> None:
        """Gone, whoever ends it."""
        if self.is_open:
            self.is_open = False
            self._broker.give_back(self)
            self.connection.later(lambda: self._on_close(self, reason))
