"""The bus as services see it, on a broker in memory: how it is told to connect, what it declares, what comes through."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import pytest

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.rabbitmq import following as following_module
from shared.messaging.rabbitmq import layout as layout_module
from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq.layout import queues_of
from shared.messaging.transport import Message, Publisher, Subscription
from tests.builders.broker_io import IoBroker
from tests.builders.failpoints import RecordingFailpoints
from tests.waiting import wait_until

#: In memory everything happens within milliseconds; a test of the tests waits for many things in vain.
soon = functools.partial(wait_until, seconds=5.0)

QUEUE = "aloud.inbox"
SAID = "alpha.word.said"


class Bus:
    """Everything on one broker; ends what it has started."""

    def __init__(self, broker: IoBroker) -> None:
        self.broker = broker
        self.taken: list[bytes] = []
        self.subscriptions: list[Subscription] = []
        self.publishers: list[Publisher] = []

    def at(
        self, url: str = "amqp://one", *, partitions: int = 1, prefers: Sequence[int] = (), prefetch: int = 6
    ) -> RabbitMQ:
        """As a process with these settings has it."""
        return RabbitMQ(
            url, heartbeat_seconds=20, blocked_seconds=10, prefetch=prefetch, partitions=partitions, prefers=prefers
        )

    def subscribe(self, bus: RabbitMQ, patterns: Sequence[str] = (SAID,)) -> Subscription:
        """What comes is written down."""
        self.subscriptions.append(bus.subscribe(QUEUE, patterns, self.taken.extend))
        return self.subscriptions[-1]

    def publish(self, *bodies: bytes) -> list[str | None]:
        """With one subject each."""
        return self.publisher().publish([Message(f"e-{body!r}", SAID, f"s-{body!r}", body) for body in bodies])

    def publisher(self) -> Publisher:
        """A connection for publishing."""
        self.publishers.append(self.at().publisher())
        return self.publishers[-1]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    broker = IoBroker()
    monkeypatch.setattr(layout_module, "BlockingConnection", broker.connect)
    monkeypatch.setattr(link_module, "JoiningConnection", broker.open)
    monkeypatch.setattr(link_module, "RECONNECT_SECONDS", (0.01,))
    # No layout is unknown here, so that a failure ends a test instead of being repeated.
    monkeypatch.setattr(following_module, "RECONNECT_SECONDS", (60.0,))
    monkeypatch.setattr(following_module, "CHANGE_SECONDS", 0.01)
    made = Bus(broker)
    yield made
    for subscription in made.subscriptions:
        subscription.stop()
    for publisher in made.publishers:
        publisher.close()


def test_what_is_published_comes_to_the_subscriber_and_is_acknowledged(bus: Bus) -> None:
    bus.at().declare(QUEUE, [SAID])
    bus.subscribe(bus.at())

    assert bus.publish(b"a", b"b", b"c") == [None] * 3

    soon(lambda: bus.taken == [b"a", b"b", b"c"], "three messages")
    soon(lambda: not bus.broker.consuming(QUEUE)[0].in_hand, "their acknowledgement")


def test_what_no_queue_takes_is_refused(bus: Bus) -> None:
    assert bus.publish(b"a") == ["unroutable: NO_ROUTE"]


def test_every_node_of_a_cluster_is_told_how_long_to_wait(bus: Bus) -> None:
    bus.at("amqp://guest:secret@one:1234/here , amqp://two").declare(QUEUE, [SAID])

    first, second = bus.broker.connections[0].parameters
    assert (first.host, first.port, first.virtual_host) == ("one", 1234, "here")
    assert first.credentials.password == "secret"
    assert second.host == "two"
    for each in (first, second):
        assert each.heartbeat == 20
        assert each.blocked_connection_timeout == 10
        assert each.socket_timeout == 5
        assert each.stack_timeout == 10


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_service_is_declared_in_its_partitions(bus: Bus, partitions: int) -> None:
    bus.at(partitions=partitions).declare(QUEUE, [SAID])

    assert set(bus.broker.queues) == set(queues_of(QUEUE, partitions))


@pytest.mark.parametrize("partitions", [1, 4])
def test_who_subscribes_makes_the_partitions_and_consumes_them(bus: Bus, partitions: int) -> None:
    bus.subscribe(bus.at(partitions=partitions))
    soon(lambda: len(bus.broker.consumers) == partitions, "a consumer of each")
    assert {each.queue for each in bus.broker.consumers} == set(bus.broker.queues) == set(queues_of(QUEUE, partitions))


def test_partitions_that_a_process_prefers_are_those_it_asks_to_be_active_in(bus: Bus) -> None:
    bus.subscribe(bus.at(partitions=2, prefers=[1]))

    soon(lambda: len(bus.broker.consumers) == 2, "a consumer of each")
    assert {each.queue: each.arguments for each in bus.broker.consumers} == {
        f"{QUEUE}.2-0": None,
        f"{QUEUE}.2-1": {"x-priority": 1_000},
    }


def test_who_says_nothing_of_partitions_has_one(bus: Bus) -> None:
    plain = RabbitMQ("amqp://one", heartbeat_seconds=20, blocked_seconds=10, prefetch=6)
    plain.declare(QUEUE, [SAID])
    bus.subscriptions.append(plain.subscribe(QUEUE, [SAID], bus.taken.extend))

    soon(lambda: bus.broker.consumers, "the consumer")
    assert bus.broker.consumers[0].queue == QUEUE
    assert bus.broker.consumers[0].arguments is None
    assert bus.broker.consumers[0].channel.prefetch == 6


def test_a_queue_that_no_events_are_dealt_to_has_one_partition_whatever_is_wanted(bus: Bus) -> None:
    bus.at(partitions=4).declare(QUEUE, [])
    assert set(bus.broker.queues) == {QUEUE}

    bus.subscribe(bus.at(partitions=4), [])
    soon(lambda: [each.queue for each in bus.broker.consumers] == [QUEUE], "its consumer")


def test_a_number_of_partitions_that_subjects_do_not_spread_over_is_a_mistake(bus: Bus) -> None:
    with pytest.raises(AssertionError, match="3 partitions"):
        bus.at(partitions=3)


def test_a_subscription_reaches_the_seams_it_was_given(bus: Bus) -> None:
    failpoints = RecordingFailpoints()
    reaching = RabbitMQ("amqp://one", heartbeat_seconds=20, blocked_seconds=10, prefetch=6, failpoints=failpoints)
    bus.subscriptions.append(reaching.subscribe(QUEUE, [SAID], bus.taken.extend))
    soon(lambda: bus.broker.consumers, "the consumer")
    bus.publish(b"a")

    soon(lambda: failpoints.reached == [("consumer.after_acknowledge", [SAID])], "the seam")


def test_after_a_cut_both_directions_go_on(bus: Bus) -> None:
    bus.subscribe(bus.at())
    soon(lambda: bus.broker.consumers, "the consumer")
    publisher = bus.publisher()
    publisher.publish([Message("e-1", SAID, "s", b"a")])
    soon(lambda: bus.taken and not bus.broker.consumers[0].in_hand, "its acknowledgement")

    bus.broker.cut()
    soon(lambda: bus.broker.consumers, "the consumer again")

    assert publisher.publish([Message("e-2", SAID, "s", b"b")]) == [None]
    soon(lambda: bus.taken == [b"a", b"b"], "both")
