"""A broker in memory: exchanges, queues, bindings and routing as RabbitMQ has them, and pika's blocking connection to it.

It knows what the layouts use and refuses the rest. `tests/integration` says whether a real broker agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import pika
from pika.exceptions import ChannelClosedByBroker, ChannelWrongStateError, NackError, UnroutableError


class Kind(NamedTuple):
    """What an exchange is."""

    type: str
    durable: bool
    arguments: Mapping[str, Any] | None


class Binding(NamedTuple):
    """From an exchange to a queue, or to another exchange."""

    source: str
    destination: str
    key: str
    #: In the order of their names.
    arguments: tuple[tuple[str, Any], ...]
    to_exchange: bool


class Stored(NamedTuple):
    """A message in a queue."""

    type: str
    body: bytes
    headers: Mapping[str, Any]
    is_persistent: bool


@dataclass
class Queue:
    """A queue and what waits in it."""

    durable: bool
    arguments: Mapping[str, Any] | None
    messages: list[Stored] = field(default_factory=list)


def nothing(_operation: str) -> None:
    """What happens before an operation, unless a test has something to happen."""


class MemoryBroker:
    """What there is, and who is connected."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Kind] = {}
        self.queues: dict[str, Queue] = {}
        self.bindings: set[Binding] = set()
        self.connections: list[BlockingConnection] = []
        #: The queues that take nothing from a blocking channel.
        self.full: set[str] = set()
        #: The operations on blocking channels that change something, in order.
        self.operations: list[str] = []
        #: Called before each of them; may publish, or raise what the connection is to fail with.
        self.before: Callable[[str], None] = nothing

    def connect(self, parameters: Sequence[pika.ConnectionParameters]) -> BlockingConnection:
        """In place of pika's BlockingConnection."""
        connection = BlockingConnection(self, parameters)
        self.connections.append(connection)
        return connection

    def publish(self, exchange: str, message: Stored) -> bool:
        """Put a message into each queue that takes it. False: there is none."""
        taking = self.route(exchange, message)
        for queue in sorted(taking):
            self.queues[queue].messages.append(message)
        return bool(taking)

    def route(self, exchange: str, message: Stored) -> set[str]:
        """The queues that take a message."""
        kind = self.exchanges[exchange]
        # A copy: another thread may be binding.
        bindings = tuple(self.bindings)
        matching = [each for each in bindings if each.source == exchange and _takes(kind.type, each, message)]
        alternate = (kind.arguments or {}).get("alternate-exchange")
        if not matching and alternate in self.exchanges:
            return self.route(alternate, message)
        found: set[str] = set()
        for each in matching:
            found |= self.route(each.destination, message) if each.to_exchange else {each.destination}
        return found

    def bodies(self, queue: str) -> list[bytes]:
        """What waits in a queue."""
        return [message.body for message in self.queues[queue].messages]

    def drop(self, name: str, *, is_exchange: bool) -> None:
        """Remove a queue or an exchange, and what is bound to it."""
        things: dict[str, Any] = self.exchanges if is_exchange else self.queues
        things.pop(name, None)
        self.bindings = {
            each
            for each in self.bindings
            if (each.destination, each.to_exchange) != (name, is_exchange) and not (is_exchange and each.source == name)
        }

    def shape(self) -> tuple[dict[str, Kind], set[str], set[Binding]]:
        """Everything but the messages, to be compared."""
        return dict(self.exchanges), set(self.queues), set(self.bindings)


def _takes(exchange_type: str, binding: Binding, message: Stored) -> bool:
    if exchange_type == "fanout":
        return True
    if exchange_type == "topic":
        return binding.key in {"#", message.type}
    assert exchange_type == "headers", exchange_type
    assert ("x-match", "all") in binding.arguments, binding
    return all(message.headers.get(name) == value for name, value in binding.arguments if name != "x-match")


class BlockingConnection:
    """In place of pika's."""

    def __init__(self, broker: MemoryBroker, parameters: Sequence[pika.ConnectionParameters]) -> None:
        self.broker = broker
        self.parameters = parameters
        self.is_open = True
        self.channels: list[BlockingChannel] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def channel(self) -> BlockingChannel:
        """One more."""
        assert self.is_open
        channel = BlockingChannel(self)
        self.channels.append(channel)
        return channel


class BlockingChannel:
    """In place of pika's; what the broker refuses closes it."""

    def __init__(self, connection: BlockingConnection) -> None:
        self._connection = connection
        self._broker = connection.broker
        self._is_open = True
        self._confirms = False

    def queue_declare(
        self,
        queue: str,
        passive: bool = False,  # noqa: FBT001, FBT002 - pika's signature
        durable: bool = False,  # noqa: FBT001, FBT002
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._must_be_open()
        there = self._broker.queues.get(queue)
        if passive:
            self._demand(there is not None, 404, f"NOT_FOUND - no queue '{queue}' in vhost '/'")
            return
        self._about_to("declare", queue)
        made = self._broker.queues.setdefault(queue, Queue(durable, arguments))
        self._demand((made.durable, made.arguments) == (durable, arguments), 406, "PRECONDITION_FAILED - inequivalent")

    def exchange_declare(
        self,
        exchange: str,
        exchange_type: str = "direct",
        passive: bool = False,  # noqa: FBT001, FBT002
        durable: bool = False,  # noqa: FBT001, FBT002
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._must_be_open()
        if passive:
            self._demand(exchange in self._broker.exchanges, 404, f"NOT_FOUND - no exchange '{exchange}' in vhost '/'")
            return
        self._about_to("declare", exchange)
        kind = Kind(exchange_type, durable, arguments)
        made = self._broker.exchanges.setdefault(exchange, kind)
        self._demand(made == kind, 406, "PRECONDITION_FAILED - inequivalent")

    def queue_bind(
        self, queue: str, exchange: str, routing_key: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> None:
        self._bind(exchange, queue, routing_key, arguments, to_exchange=False)

    def exchange_bind(
        self, destination: str, source: str, routing_key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        self._bind(source, destination, routing_key, arguments, to_exchange=True)

    def queue_unbind(
        self, queue: str, exchange: str, routing_key: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> None:
        self._unbind(exchange, queue, routing_key, arguments, to_exchange=False)

    def exchange_unbind(
        self, destination: str, source: str, routing_key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        self._unbind(source, destination, routing_key, arguments, to_exchange=True)

    def queue_delete(self, queue: str) -> None:
        self._must_be_open()
        self._about_to("delete", queue)
        self._broker.drop(queue, is_exchange=False)

    def exchange_delete(self, exchange: str) -> None:
        self._must_be_open()
        self._about_to("delete", exchange)
        self._broker.drop(exchange, is_exchange=True)

    def confirm_delivery(self) -> None:
        self._must_be_open()
        self._confirms = True

    def basic_publish(
        self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties, *, mandatory: bool = False
    ) -> None:
        self._must_be_open()
        self._about_to("publish to", exchange)
        message = Stored(routing_key, body, dict(properties.headers), properties.delivery_mode == 2)
        if self._broker.full.intersection(self._broker.route(exchange, message)):
            if self._confirms:
                raise NackError([])
            return
        if not self._broker.publish(exchange, message) and mandatory and self._confirms:
            raise UnroutableError([])

    def _bind(
        self,
        source: str,
        destination: str,
        key: str | None,
        arguments: Mapping[str, Any] | None,
        *,
        to_exchange: bool,
    ) -> None:
        self._must_be_open()
        self._about_to("bind", destination)
        self._demand(source in self._broker.exchanges, 404, f"NOT_FOUND - no exchange '{source}' in vhost '/'")
        there: Mapping[str, Any] = self._broker.exchanges if to_exchange else self._broker.queues
        self._demand(destination in there, 404, f"NOT_FOUND - no queue '{destination}' in vhost '/'")
        self._broker.bindings.add(_binding(source, destination, key, arguments, to_exchange=to_exchange))

    def _unbind(
        self,
        source: str,
        destination: str,
        key: str | None,
        arguments: Mapping[str, Any] | None,
        *,
        to_exchange: bool,
    ) -> None:
        # What is not bound is unbound already.
        self._must_be_open()
        self._about_to("unbind", destination)
        self._broker.bindings.discard(_binding(source, destination, key, arguments, to_exchange=to_exchange))

    def _about_to(self, verb: str, name: str) -> None:
        self._broker.operations.append(f"{verb} {name}")
        self._broker.before(self._broker.operations[-1])

    def _must_be_open(self) -> None:
        if not (self._is_open and self._connection.is_open):
            raise ChannelWrongStateError("Channel is closed.")

    def _demand(self, condition: bool, code: int, text: str) -> None:  # noqa: FBT001 - reads as "demand that"
        if not condition:
            self._is_open = False
            raise ChannelClosedByBroker(code, text)


def _binding(
    source: str, destination: str, key: str | None, arguments: Mapping[str, Any] | None, *, to_exchange: bool
) -> Binding:
    # pika's default for queues is their name.
    key = destination if key is None else key
    return Binding(source, destination, key, tuple(sorted((arguments or {}).items())), to_exchange)
