"""What a subscriber does with messages it cannot store, and what it shares with nobody: on a real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pika
import pytest

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import Accept, Subscription
from tests.builders.kernel import SAID, Listener, message_of
from tests.servers import VirtualHost
from tests.waiting import stays, wait_until

pytestmark = pytest.mark.rabbitmq

QUEUE = "aloud.inbox"


@pytest.fixture
def bus(virtual_host: VirtualHost) -> RabbitMQ:
    made = RabbitMQ(virtual_host.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=50)
    made.declare(QUEUE, [SAID])
    return made


class Refusing:
    """A subscriber whose database is away: counts the tries."""

    def __init__(self) -> None:
        self.tries = 0

    def __call__(self, _bodies: Sequence[bytes]) -> None:
        self.tries += 1
        raise ConnectionError("the database is away")


def publish(bus: RabbitMQ, *words: str) -> None:
    publisher = bus.publisher()
    messages = [message_of(word, sequence=number) for number, word in enumerate(words, start=1)]
    assert publisher.publish(messages) == [None] * len(words)
    publisher.close()


Subscribe = Callable[[Accept], Subscription]


@pytest.fixture
def subscribe(bus: RabbitMQ) -> Iterator[Subscribe]:
    """Start reading the queue; every reader is stopped at the end."""
    started: list[Subscription] = []

    def start(accept: Accept) -> Subscription:
        started.append(bus.subscribe(QUEUE, [SAID], accept))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def test_what_a_subscriber_could_not_store_goes_to_its_successor(bus: RabbitMQ, subscribe: Subscribe) -> None:
    """Also though it is marked as delivered before: that mark says that somebody had it, not that it had its effect."""
    refusing, successor = Refusing(), Listener()
    publish(bus, "1", "2", "3")

    first = subscribe(refusing)
    wait_until(lambda: refusing.tries, "a try")
    first.stop()
    subscribe(successor)

    wait_until(lambda: successor.words == ["1", "2", "3"], "the three, at the successor", seconds=8)


def test_what_cannot_be_stored_is_held_and_not_thrown_to_and_fro(bus: RabbitMQ, subscribe: Subscribe) -> None:
    """Given back at once it would come back at once: a hot loop, and gone after the broker's limit of deliveries."""
    refusing, successor = Refusing(), Listener()
    publish(bus, "1")

    first = subscribe(refusing)
    wait_until(lambda: refusing.tries, "a try")
    stays(lambda: refusing.tries <= 4, "a handful of tries", seconds=1.5)
    first.stop()
    subscribe(successor)

    wait_until(lambda: successor.words == ["1"], "the message, at the successor")


def test_exchange_and_queue_of_the_first_version_can_still_be_declared(virtual_host: VirtualHost) -> None:
    """A changed argument is refused at every start (406) until somebody deletes the queue with all that is in it."""
    with pika.BlockingConnection(pika.URLParameters(virtual_host.url)) as connection:
        channel = connection.channel()
        channel.exchange_declare("alliance.events", "topic", durable=True)
        arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
        channel.queue_declare(QUEUE, durable=True, arguments=arguments)
    bus = RabbitMQ(virtual_host.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=50)

    bus.declare(QUEUE, [SAID])

    publish(bus, "1")


def test_a_connection_is_used_by_its_own_thread_only(bus: RabbitMQ) -> None:
    """A connection of pika's belongs to one thread; the only door from another is `call`."""
    seen: list[str] = []
    publisher = bus.publisher()
    assert publisher.publish([message_of("1")]) == [None]

    assert publisher.call(lambda: seen.append(threading.current_thread().name))  # type: ignore[attr-defined]

    wait_until(lambda: seen, "the call")
    publisher.close()
    assert seen == ["amqp-publisher"]
