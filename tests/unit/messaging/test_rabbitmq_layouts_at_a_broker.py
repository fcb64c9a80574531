"""What a layout is at the broker, and what every call leaves there: exchanges, queues, bindings, markers, connections."""

from __future__ import annotations

from collections.abc import Iterable

import pika
import pytest
from pika.exceptions import AMQPConnectionError

from shared.messaging.rabbitmq import layout as layout_module
from shared.messaging.rabbitmq.layout import LAYOUTS, SLOTS, Found, Layouts, queues_of
from shared.messaging.transport import BrokerUnavailable
from tests.builders.broker import Binding, Kind, MemoryBroker, Stored

QUEUE = "aloud.inbox"
EVENTS = "alliance.events"
PATTERNS = ["alpha.word.said", "alpha.word.whispered"]
BROKERS = [pika.ConnectionParameters("one"), pika.ConnectionParameters("two")]
TOPIC = Kind("topic", True, None)
DEALING = Kind("headers", True, {"alternate-exchange": f"{QUEUE}.rest"})
FANOUT = Kind("fanout", True, None)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    made = MemoryBroker()
    monkeypatch.setattr(layout_module, "BlockingConnection", made.connect)
    return made


def layouts(patterns: Iterable[str] = PATTERNS) -> Layouts:
    return Layouts(BROKERS, QUEUE, list(patterns))


def event(slot: int | None, body: bytes = b"word", event_type: str = PATTERNS[0]) -> Stored:
    return Stored(event_type, body, {} if slot is None else {"slot": slot}, True)


def bound(source: str, destination: str, key: str, *, to_exchange: bool = False) -> Binding:
    return Binding(source, destination, key, (), to_exchange)


def dealt(queue: str, slot: int) -> Binding:
    return Binding(QUEUE, queue, queue, (("slot", slot), ("x-match", "all")), False)


def marked(queue: str) -> Binding:
    return Binding(QUEUE, queue, queue, (("last-of", queue), ("x-match", "all")), False)


def parts(partitions: int) -> set[Binding]:
    """How a layout of several queues is bound."""
    queues = queues_of(QUEUE, partitions)
    return {
        *(bound(EVENTS, QUEUE, pattern, to_exchange=True) for pattern in PATTERNS),
        *(dealt(queues[slot % partitions], slot) for slot in range(16)),
        bound(f"{QUEUE}.rest", queues[0], queues[0]),
    }


SINGLE = {bound(EVENTS, QUEUE, pattern) for pattern in PATTERNS}


def test_one_partition_is_a_queue_bound_to_all_events(broker: MemoryBroker) -> None:
    layouts().establish(1)

    assert broker.exchanges == {EVENTS: TOPIC}
    assert broker.bindings == SINGLE
    assert set(broker.queues) == {QUEUE}


@pytest.mark.parametrize("partitions", [each for each in LAYOUTS if each > 1])
def test_several_partitions_are_dealt_to_by_an_exchange_of_their_own(broker: MemoryBroker, partitions: int) -> None:
    layouts().establish(partitions)

    assert broker.exchanges == {EVENTS: TOPIC, QUEUE: DEALING, f"{QUEUE}.rest": FANOUT}
    assert broker.bindings == parts(partitions)
    assert set(broker.queues) == {f"{QUEUE}.{partitions}-{number}" for number in range(partitions)}


@pytest.mark.parametrize("partitions", LAYOUTS)
def test_every_queue_is_a_durable_quorum_queue_with_one_active_consumer(broker: MemoryBroker, partitions: int) -> None:
    layouts().establish(partitions)

    for queue in broker.queues.values():
        assert queue.durable
        assert queue.arguments == {"x-queue-type": "quorum", "x-single-active-consumer": True}


@pytest.mark.parametrize("partitions", LAYOUTS)
def test_each_event_is_in_the_one_queue_of_its_slot(broker: MemoryBroker, partitions: int) -> None:
    layouts().establish(partitions)
    for slot in range(SLOTS):
        for event_type in PATTERNS:
            assert broker.publish(EVENTS, event(slot, event_type=event_type))

    assert not broker.publish(EVENTS, event(0, event_type="beta.other.thing"))
    for number, queue in enumerate(queues_of(QUEUE, partitions)):
        slots = [message.headers["slot"] for message in broker.queues[queue].messages]
        assert slots == [slot for slot in range(SLOTS) if slot % partitions == number for _ in PATTERNS]


def test_an_event_of_a_publisher_older_than_partitions_is_in_the_first_queue(broker: MemoryBroker) -> None:
    layouts().establish(4)
    broker.publish(EVENTS, event(None, b"old"))

    assert broker.bodies(f"{QUEUE}.4-0") == [b"old"]
    assert not any(broker.bodies(f"{QUEUE}.4-{number}") for number in (1, 2, 3))


def test_no_event_finds_the_exchange_without_its_queues(broker: MemoryBroker) -> None:
    # given a bus with events on it, which nobody takes yet
    layouts([]).establish(1)
    taken: list[bool] = []
    broker.before = lambda _operation: taken.append(broker.publish(EVENTS, event(15)))

    # when partitions are made
    layouts().establish(16)

    # then an event is refused, for its publisher to try again, until there is a queue for it
    waiting = len(broker.bodies(f"{QUEUE}.16-15"))
    assert taken == [False] * (len(taken) - waiting) + [True] * waiting
    assert len(taken) > 16 + 16


@pytest.mark.parametrize("partitions", LAYOUTS)
def test_establishing_what_is_there_changes_nothing(broker: MemoryBroker, partitions: int) -> None:
    layouts().establish(partitions)
    before = broker.shape()
    broker.publish(EVENTS, event(3))

    layouts().establish(partitions)

    assert broker.shape() == before
    assert [body for queue in broker.queues for body in broker.bodies(queue)] == [b"word"]


def test_a_queue_that_no_events_are_dealt_to_is_declared_and_nothing_else(broker: MemoryBroker) -> None:
    # given an exchange of the same name, which only partitions have
    broker.exchanges[QUEUE] = broker.exchanges[f"{QUEUE}.to-4"] = FANOUT
    layouts([]).establish(1)

    assert set(broker.queues) == {QUEUE}
    assert broker.bindings == set()
    assert layouts([]).look() == Found(QUEUE, frozenset([QUEUE]), None)


def test_looking_finds_what_there_is(broker: MemoryBroker) -> None:
    assert layouts().look() == Found(QUEUE, frozenset(), None)
    layouts().establish(1)
    assert layouts().look() == Found(QUEUE, frozenset([QUEUE]), None)
    layouts().establish(2)
    assert layouts().look() == Found(QUEUE, frozenset([QUEUE, f"{QUEUE}.2-0", f"{QUEUE}.2-1"]), 2)
    layouts().finish(2)
    assert layouts().look() == Found(QUEUE, frozenset([QUEUE, f"{QUEUE}.2-0", f"{QUEUE}.2-1"]), None)
    assert layouts().remove_old(QUEUE) is False


def test_looking_changes_nothing(broker: MemoryBroker) -> None:
    layouts().look()
    layouts().establish(4)
    del broker.operations[:]
    layouts().look()

    assert broker.operations == []
    assert layouts().look().queues == frozenset(queues_of(QUEUE, 4))


def test_growing_leaves_the_old_queue_what_it_has_and_a_marker_behind_it(broker: MemoryBroker) -> None:
    layouts().establish(1)
    broker.publish(EVENTS, event(3, b"before"))

    layouts().establish(2)
    broker.publish(EVENTS, event(3, b"after"))

    marker = Stored("layout.changed", b"", {"last-of": QUEUE}, True)
    assert broker.queues[QUEUE].messages == [event(3, b"before"), marker]
    assert broker.bodies(f"{QUEUE}.2-1") == [b"after"]
    assert broker.bodies(f"{QUEUE}.2-0") == []
    assert broker.bindings == {*parts(2), marked(QUEUE)}
    assert broker.exchanges[f"{QUEUE}.to-2"] == FANOUT


def test_shrinking_to_one_queue_marks_each_partition_and_deals_nothing_out_any_more(broker: MemoryBroker) -> None:
    layouts().establish(2)

    layouts().establish(1)
    broker.publish(EVENTS, event(3, b"after"))

    old = queues_of(QUEUE, 2)
    for queue in old:
        assert broker.queues[queue].messages == [Stored("layout.changed", b"", {"last-of": queue}, True)]
    assert broker.bodies(QUEUE) == [b"after"]
    assert broker.bindings == {*SINGLE, *(marked(queue) for queue in old)}
    assert broker.exchanges[f"{QUEUE}.to-1"] == FANOUT


def test_a_change_that_is_over_leaves_the_new_layout_only(broker: MemoryBroker) -> None:
    layouts().establish(2)
    layouts().establish(4)

    assert [layouts().remove_old(queue) for queue in queues_of(QUEUE, 2)] == [True, True]
    layouts().finish(4)

    assert broker.exchanges == {EVENTS: TOPIC, QUEUE: DEALING, f"{QUEUE}.rest": FANOUT}
    assert set(broker.queues) == set(queues_of(QUEUE, 4))
    assert broker.bindings == parts(4)


def test_only_what_a_change_leaves_behind_is_removed(broker: MemoryBroker) -> None:
    layouts().establish(1)
    assert not layouts().remove_old(QUEUE), "no change is under way"
    layouts().establish(2)

    assert not layouts().remove_old(f"{QUEUE}.2-0"), "it belongs to the layout that is changed to"
    assert layouts().remove_old(QUEUE)
    assert not layouts().remove_old(QUEUE), "it is gone"
    assert set(broker.queues) == set(queues_of(QUEUE, 2))


def test_a_change_has_to_wait_for_the_end_of_another_one(broker: MemoryBroker) -> None:
    layouts().establish(1)
    layouts().establish(4)
    before = broker.shape()

    with pytest.raises(BrokerUnavailable, match=rf"^{QUEUE}: the change to 4 partitions is not over"):
        layouts().establish(2)

    assert broker.shape() == before
    layouts().remove_old(QUEUE)
    layouts().finish(4)
    layouts().establish(2)
    assert layouts().look().under_way == 2


def test_an_old_queue_that_takes_no_marker_keeps_getting_events(broker: MemoryBroker) -> None:
    # given a queue that is full
    layouts().establish(1)
    broker.full.add(QUEUE)

    # when the layout is to change
    with pytest.raises(BrokerUnavailable):
        layouts().establish(2)

    # then nothing is missing in it, and later the change goes on
    broker.publish(EVENTS, event(1, b"both"))
    assert broker.bodies(QUEUE) == broker.bodies(f"{QUEUE}.2-1") == [b"both"]
    broker.full.clear()
    layouts().establish(2)
    assert broker.bodies(QUEUE) == [b"both", b""]


def test_an_old_queue_that_vanishes_before_its_marker_is_noticed(broker: MemoryBroker) -> None:
    layouts().establish(1)

    def vanish(operation: str) -> None:
        if operation == f"publish to {QUEUE}":
            broker.drop(QUEUE, is_exchange=False)
            # Nor does anybody else take it.
            broker.drop(f"{QUEUE}.rest", is_exchange=True)

    broker.before = vanish
    with pytest.raises(BrokerUnavailable, match="UnroutableError"):
        layouts().establish(2)


def test_an_exchange_or_a_queue_made_otherwise_is_trouble(broker: MemoryBroker) -> None:
    broker.exchanges[EVENTS] = FANOUT

    with pytest.raises(BrokerUnavailable, match="PRECONDITION_FAILED") as caught:
        layouts().establish(1)
    assert isinstance(caught.value.__cause__, Exception)


@pytest.mark.parametrize("error", [AMQPConnectionError("cut"), OSError("unreachable")])
def test_a_connection_that_fails_is_an_unavailable_broker_and_says_why(broker: MemoryBroker, error: Exception) -> None:
    def fail(_operation: str) -> None:
        raise error

    broker.before = fail
    with pytest.raises(BrokerUnavailable, match=f"^{type(error).__name__}: {error}$"):
        layouts().establish(1)
    assert not broker.connections[-1].is_open


def test_every_call_has_a_connection_of_its_own_to_all_brokers_and_closes_it(broker: MemoryBroker) -> None:
    layouts().establish(1)
    layouts().establish(2)
    layouts().look()
    layouts().remove_old(QUEUE)
    layouts().finish(2)

    assert len(broker.connections) == 5
    for connection in broker.connections:
        assert connection.parameters == BROKERS
        assert not connection.is_open
