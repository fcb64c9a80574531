"""How a service's queue is laid out at the broker: one queue, or several partitions of its subjects; and how that changes.

One partition: a queue bound to the exchange of all events. Several: an exchange of the service's own deals the events
out by their `slot`, a number made of the subject, so that all events of a subject are in one queue. Layouts and slots
are powers of two, so that slots spread evenly.

What the broker has is the truth, not a setting: `prepare` starts a change of layout, and workers follow what they find.
A change loses nothing and keeps the order of every subject:

1. an exchange `<queue>.to-<partitions>` says which change is under way; another one has to wait for its end
2. the new queues are declared and bound, so from now on they get everything
3. each old queue gets a marker; what is behind it is in the new queues as well. Then the old queues are unbound
4. the old queues are consumed on; who comes upon the marker has handled all before it, and removes the queue
5. when the last old queue is gone the change is over, and only now the new ones are consumed

Every step may be repeated, by several processes, and a crash between two is mended by whoever comes next.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker

from shared.messaging.rabbitmq.link import EXCHANGE, QUEUE_ARGUMENTS, is_missing, said
from shared.messaging.transport import BrokerUnavailable
from shared.runtime.logging import get_logger
from shared.runtime.settings import PARTITIONS

#: Numbers that subjects are spread over. More would cost the broker a binding each, fewer would bound the partitions.
SLOTS = 16
#: How many partitions there may be.
LAYOUTS = PARTITIONS
#: The header that says which slot an event's subject has.
SLOT_HEADER = "slot"
#: The header and the type of a marker; the header names the queue it is for.
MARKER_HEADER = "last-of"
MARKER_TYPE = "layout.changed"

log = get_logger(__name__)


def slot_of(subject: str) -> int:
    """The slot of a subject, the same on every machine and for ever."""
    return zlib.crc32(subject.encode("utf-8")) % SLOTS


def queues_of(name: str, partitions: int) -> list[str]:
    """The queues of a layout, in the order of their numbers."""
    return [name] if partitions == 1 else [f"{name}.{partitions}-{number}" for number in range(partitions)]


@dataclass(frozen=True)
class Found:
    """What the broker has of a queue's layouts."""

    name: str
    queues: frozenset[str]
    #: The layout that a change under way leads to.
    under_way: int | None

    def goal(self, wanted: int) -> int:
        """The layout to consume: that of a change under way, else the one there is, else the one wanted."""
        if self.under_way is not None:
            return self.under_way
        there = [each for each in LAYOUTS if self.queues.intersection(queues_of(self.name, each))]
        return wanted if wanted in there or not there else there[-1]

    def others(self, partitions: int) -> list[str]:
        """The queues of other layouts, to be consumed to their end before this one is."""
        return sorted(self.queues.difference(queues_of(self.name, partitions)))


class Layouts:
    """The layouts of one queue. Every call has a connection of its own and raises BrokerUnavailable."""

    def __init__(self, brokers: Sequence[pika.ConnectionParameters], name: str, patterns: Sequence[str]) -> None:
        self._brokers = brokers
        self._name = name
        self._patterns = patterns

    def look(self) -> Found:
        """What there is."""
        with self._connected() as room:
            return self._look(room)

    def establish(self, partitions: int) -> None:
        """Declare and bind this layout, and start the change from another one. Waits for no consumer."""
        with self._connected() as room:
            found = self._look(room)
            if found.under_way not in {None, partitions}:
                raise BrokerUnavailable(
                    f"{self._name}: the change to {found.under_way} partitions is not over; its workers have to finish it"
                )
            room.channel.exchange_declare(EXCHANGE, "topic", durable=True)
            others = found.others(partitions)
            if others:
                self._declare_own_exchange(room.channel)
                room.channel.exchange_declare(self._change_to(partitions), "fanout", durable=True)
                log.info("layout.changing", queue=self._name, partitions=partitions, left=others)
            self._bind(room.channel, partitions)
            for queue in others:
                self._mark(room.channel, queue)
            for queue in others:
                self._unbind(room.channel, queue)
            if partitions == 1 and others:
                for pattern in self._patterns:
                    room.channel.exchange_unbind(self._name, EXCHANGE, pattern)

    def remove_old(self, queue: str) -> bool:
        """Remove a queue whose marker was reached. False: it belongs to the layout in force, and the marker is old."""
        with self._connected() as room:
            found = self._look(room)
            if found.under_way is None or queue not in found.others(found.under_way):
                return False
            room.channel.queue_delete(queue)
            log.info("layout.drained", queue=queue, partitions=found.under_way)
            return True

    def finish(self, partitions: int) -> None:
        """The last old queue is gone: the change is over."""
        with self._connected() as room:
            room.channel.exchange_delete(self._change_to(partitions))
        log.info("layout.changed", queue=self._name, partitions=partitions)

    def _change_to(self, partitions: int) -> str:
        return f"{self._name}.to-{partitions}"

    @property
    def _rest(self) -> str:
        """Where an event without a slot goes: one of a publisher that is older than partitions."""
        return f"{self._name}.rest"

    def _look(self, room: _Room) -> Found:
        if not self._patterns or not room.has_exchange(self._name):
            # Never partitioned.
            return Found(self._name, frozenset([self._name] if room.has_queue(self._name) else []), None)
        under_way = [each for each in LAYOUTS if room.has_exchange(self._change_to(each))]
        queues = [queue for each in LAYOUTS for queue in queues_of(self._name, each) if room.has_queue(queue)]
        return Found(self._name, frozenset(queues), under_way[0] if under_way else None)

    def _declare_own_exchange(self, channel: BlockingChannel) -> None:
        channel.exchange_declare(self._rest, "fanout", durable=True)
        channel.exchange_declare(self._name, "headers", durable=True, arguments={"alternate-exchange": self._rest})

    def _bind(self, channel: BlockingChannel, partitions: int) -> None:
        queues = queues_of(self._name, partitions)
        for queue in queues:
            channel.queue_declare(queue, durable=True, arguments=QUEUE_ARGUMENTS)
        if partitions == 1:
            for pattern in self._patterns:
                channel.queue_bind(self._name, EXCHANGE, pattern)
            return
        self._declare_own_exchange(channel)
        for slot in range(SLOTS):
            channel.queue_bind(queues[slot % partitions], self._name, arguments=_slot_binding(slot))
        channel.queue_bind(queues[0], self._rest)
        # Last, so that no event finds the exchange without its queues.
        for pattern in self._patterns:
            channel.exchange_bind(self._name, EXCHANGE, pattern)

    def _mark(self, channel: BlockingChannel, queue: str) -> None:
        channel.queue_bind(queue, self._name, arguments={"x-match": "all", MARKER_HEADER: queue})
        channel.confirm_delivery()
        properties = pika.BasicProperties(headers={MARKER_HEADER: queue}, delivery_mode=2)
        channel.basic_publish(self._name, MARKER_TYPE, b"", properties, mandatory=True)

    def _unbind(self, channel: BlockingChannel, queue: str) -> None:
        if queue == self._name:
            for pattern in self._patterns:
                channel.queue_unbind(queue, EXCHANGE, pattern)
            return
        for slot in range(SLOTS):
            channel.queue_unbind(queue, self._name, arguments=_slot_binding(slot))
        channel.queue_unbind(queue, self._rest)

    @contextmanager
    def _connected(self) -> Iterator[_Room]:
        try:
            # Of several brokers, pika tries one after the other.
            with BlockingConnection(self._brokers) as connection:
                yield _Room(connection)
        except (AMQPError, OSError) as error:
            raise BrokerUnavailable(said(error)) from error


class _Room:
    """A connection with a channel that survives asking for what does not exist."""

    def __init__(self, connection: BlockingConnection) -> None:
        self._connection = connection
        self.channel: BlockingChannel = connection.channel()

    def has_queue(self, name: str) -> bool:
        try:
            self.channel.queue_declare(name, passive=True)
        except ChannelClosedByBroker as error:
            self._survive(error)
            return False
        return True

    def has_exchange(self, name: str) -> bool:
        try:
            self.channel.exchange_declare(name, passive=True)
        except ChannelClosedByBroker as error:
            self._survive(error)
            return False
        return True

    def _survive(self, error: ChannelClosedByBroker) -> None:
        if not is_missing(error):
            raise error
        self.channel = self._connection.channel()


def _slot_binding(slot: int) -> dict[str, object]:
    return {"x-match": "all", SLOT_HEADER: slot}
