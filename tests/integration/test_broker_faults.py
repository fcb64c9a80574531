"""What RabbitMQ does to its clients, and that relay and consumer live through it by themselves.

Cut connections, restarts, a broker-sent cancel, alarms, a full queue, handlers slower than the heartbeat. Every test
ends by showing that work goes on: safety alone also holds for a client that hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import BrokerUnavailable, Message, Publisher
from tests.builders.kernel import SAID, Listener, held_by, message_of
from tests.servers import Broker, VirtualHost
from tests.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

QUEUE = "aloud.inbox"
#: How soon both sides must be back after the broker is, in seconds.
BACK_SECONDS = 20.0


class Link:
    """A publisher and a subscriber through one virtual host."""

    def __init__(self, room: VirtualHost, *, heartbeat_seconds: int = 20, blocked_seconds: int = 2) -> None:
        self.bus = RabbitMQ(room.url, heartbeat_seconds=heartbeat_seconds, blocked_seconds=blocked_seconds, prefetch=50)
        self.heard = Listener()
        self.bus.declare(QUEUE, [SAID])
        self.subscription = self.bus.subscribe(QUEUE, [SAID], self.heard)
        self.publisher: Publisher = self.bus.publisher()
        self._sent = 0

    def next_message(self) -> Message:
        """The next in a numbered series."""
        self._sent += 1
        return message_of(f"{self._sent:04}", sequence=self._sent)

    def send(self, message: Message, seconds: float = BACK_SECONDS) -> None:
        """Publish until confirmed, as the relay does."""
        wait_until(
            lambda: self.publisher.publish([message]) == [None],
            "a confirm",
            seconds=seconds,
            ignoring=(BrokerUnavailable,),
        )

    def expect_everything(self) -> None:
        """All numbers sent so far arrive, and first arrivals are in order."""
        wanted = [f"{n:04}" for n in range(1, self._sent + 1)]
        wait_until(lambda: set(self.heard.words) >= set(wanted), "everything confirmed", seconds=BACK_SECONDS)
        assert list(dict.fromkeys(self.heard.words)) == wanted

    def close(self) -> None:
        """Let go of both."""
        self.subscription.stop()
        self.publisher.close()


@pytest.fixture
def link(virtual_host: VirtualHost) -> Iterator[Link]:
    made = Link(virtual_host)
    yield made
    made.close()


def test_both_sides_reconnect_by_themselves_when_their_connections_are_cut(
    link: Link, virtual_host: VirtualHost
) -> None:
    for _ in range(5):
        link.send(link.next_message())
    stop = threading.Event()

    def keep_publishing() -> None:
        while not stop.is_set():
            link.send(link.next_message())

    stream = threading.Thread(target=keep_publishing)
    stream.start()
    for _ in range(3):
        virtual_host.close_connections()
    stop.set()
    stream.join()
    link.send(link.next_message())

    link.expect_everything()


def test_a_broker_restart_loses_nothing_and_both_sides_come_back(link: Link, broker: Broker) -> None:
    for _ in range(5):
        link.send(link.next_message())

    with broker.stopped():
        with pytest.raises(BrokerUnavailable):
            link.publisher.publish([message_of("not-now", subject="s-2")])
        assert link.subscription.is_alive()

    link.send(link.next_message())
    link.expect_everything()


@pytest.mark.slow
def test_what_was_confirmed_survives_a_power_cut_of_the_broker(link: Link, broker: Broker) -> None:
    blocked = threading.Event()
    link.heard.before = held_by(blocked, 30)
    messages = [link.next_message() for _ in range(20)]
    assert link.publisher.publish(messages) == [None] * 20

    broker.kill()
    broker.revive()
    blocked.set()

    link.send(link.next_message())
    link.expect_everything()


def test_a_consumer_cancelled_by_the_broker_subscribes_again(link: Link, virtual_host: VirtualHost) -> None:
    link.send(link.next_message())
    wait_until(lambda: link.heard.words, "the first")

    virtual_host.delete_queue(QUEUE)

    # Until the queue is there again the message is unroutable, is reported so, and stays the publisher's.
    link.send(link.next_message())
    link.expect_everything()


def test_under_an_alarm_publishing_gives_up_in_time_and_resumes_when_it_is_over(link: Link, broker: Broker) -> None:
    link.send(link.next_message())
    delayed = link.next_message()

    with broker.memory_alarm():
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            link.publisher.publish([delayed])
        assert time.monotonic() - started < 10, "blocked_connection_timeout is 2 s here"

    link.send(delayed)
    link.expect_everything()


def test_a_full_queue_is_reported_as_refused_and_takes_the_message_later(
    link: Link, virtual_host: VirtualHost, broker: Broker
) -> None:
    room = threading.Event()
    link.heard.before = held_by(room, 30)
    broker.api(
        "PUT",
        f"policies/{virtual_host.name}/full",
        {"pattern": ".*", "definition": {"max-length": 1, "overflow": "reject-publish"}, "apply-to": "queues"},
    )

    def refused() -> bool:
        message = link.next_message()
        [reason] = link.publisher.publish([message])
        if reason is not None:
            refused_messages.append(message)
        return reason is not None

    refused_messages: list[Message] = []
    wait_until(refused, "a refusal by the full queue")

    room.set()
    link.send(refused_messages[0])
    link.expect_everything()


def test_a_handler_slower_than_the_heartbeat_keeps_its_connection(virtual_host: VirtualHost) -> None:
    link = Link(virtual_host, heartbeat_seconds=1)
    pause = threading.Event()
    link.heard.before = held_by(pause, 5)

    link.send(link.next_message())
    wait_until(lambda: link.heard.words, "the slow handler's end")
    link.heard.before = lambda _words: None
    link.send(link.next_message())
    link.expect_everything()

    assert link.heard.words == ["0001", "0002"], "delivered once: the connection was kept"
    link.close()


def test_stopping_gives_back_what_was_not_handled(virtual_host: VirtualHost) -> None:
    link = Link(virtual_host)
    entered = threading.Event()
    leave = threading.Event()

    def block(_words: list[str]) -> None:
        entered.set()
        leave.wait(30)

    link.heard.before = block
    link.send(link.next_message())
    assert entered.wait(10)
    assert link.publisher.publish([link.next_message() for _ in range(10)]) == [None] * 10
    stopper = threading.Thread(target=link.subscription.stop)
    stopper.start()
    leave.set()
    stopper.join()

    successor = Listener()
    subscription = link.bus.subscribe(QUEUE, [SAID], successor)
    wait_until(lambda: len(set(link.heard.words) | set(successor.words)) == 11, "the rest, at the successor")
    subscription.stop()
    link.publisher.close()

    assert link.heard.words[0] == "0001"


def test_a_publisher_left_idle_beyond_the_heartbeat_still_publishes(virtual_host: VirtualHost) -> None:
    link = Link(virtual_host, heartbeat_seconds=1)
    link.send(link.next_message())
    threading.Event().wait(4)  # the time itself is the subject: four missed heartbeats

    assert link.publisher.publish([link.next_message()]) == [None]
    link.expect_everything()
    link.close()


def test_a_broker_that_is_not_there_yet_is_waited_for(broker: Broker, virtual_host: VirtualHost) -> None:
    broker.stop()
    bus = RabbitMQ(virtual_host.url, heartbeat_seconds=20, blocked_seconds=2, prefetch=50)
    heard = Listener()
    subscription = bus.subscribe(QUEUE, [SAID], heard)
    publisher = bus.publisher()
    try:
        with pytest.raises(BrokerUnavailable):
            publisher.publish([message_of("early")])
        with pytest.raises(BrokerUnavailable):
            bus.declare("other.inbox", [SAID])
    finally:
        broker.start()

    wait_until(
        lambda: publisher.publish([message_of("late", subject="s-2")]) == [None],
        "a confirm",
        ignoring=(BrokerUnavailable,),
    )
    wait_until(lambda: "late" in heard.words, "the message")
    subscription.stop()
    publisher.close()


def test_a_second_worker_stands_by_and_takes_over(virtual_host: VirtualHost) -> None:
    # given two workers of one service
    bus = RabbitMQ(virtual_host.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=50)
    bus.declare("twin.inbox", [SAID])
    first, second = Listener(), Listener()
    active = bus.subscribe("twin.inbox", [SAID], first)
    publisher = bus.publisher()
    assert publisher.publish([message_of("begin")]) == [None]
    wait_until(lambda: first.words == ["begin"], "the first to be at work")
    standby = bus.subscribe("twin.inbox", [SAID], second)
    wait_until(lambda: virtual_host.consumers_of("twin.inbox") == 2, "both to be registered")

    # when events come, the second gets none of them: no two of a subject are ever handled side by side
    assert publisher.publish([message_of(f"w{n}", subject=f"s-{n}") for n in range(20)]) == [None] * 20
    wait_until(lambda: len(first.words) == 21, "the first to hear them all")
    assert second.words == []

    # and when the first goes, the second goes on
    active.stop()
    assert publisher.publish([message_of("after")]) == [None]
    wait_until(lambda: "after" in second.words, "the second to take over")
    assert "after" not in first.words
    standby.stop()
    publisher.close()


def test_a_worker_that_stops_with_messages_in_hand_hands_them_over_in_order(virtual_host: VirtualHost) -> None:
    # given a worker with messages in hand, handled one batch at a time, and a second one that stands by
    bus = RabbitMQ(virtual_host.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=20)
    bus.declare("twin.inbox", [SAID])
    first, second = Listener(), Listener()
    busy, leave = threading.Event(), threading.Event()

    def hold(_words: list[str]) -> None:
        busy.set()
        leave.wait(30)

    first.before = hold
    active = bus.subscribe("twin.inbox", [SAID], first)
    publisher = bus.publisher()
    words = [f"w{n:03}" for n in range(100)]
    for start in range(0, 100, 20):
        batch = [message_of(word, subject=f"s-{word}") for word in words[start : start + 20]]
        assert publisher.publish(batch) == [None] * 20
    assert busy.wait(10)
    standby = bus.subscribe("twin.inbox", [SAID], second)
    # In the air until then: a stand-by that is not registered yet would be given everything later, and prove nothing.
    wait_until(lambda: virtual_host.consumers_of("twin.inbox") == 2, "both to be registered")

    # when the first is told to stop and finishes what it has begun
    stopper = threading.Thread(target=active.stop)
    stopper.start()
    leave.set()
    stopper.join()

    # then the second goes on exactly where it ended
    wait_until(lambda: len(set(first.words) | set(second.words)) == 100, "the rest, at the second")
    assert first.words + second.words == words
    standby.stop()
    publisher.close()
