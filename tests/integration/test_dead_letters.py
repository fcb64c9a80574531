"""Dead letters come home: under the policies of deploy/rabbitmq no message disappears at a delivery limit.

On a real broker with the real definitions and the real rights: what was in hand at too many crashes of a service is
parked in that service's inbox, found and redriven like all that failed, and no other service can touch it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
import sqlalchemy as sa
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from services.finance.tables import accounts
from shared.messaging import parking
from shared.messaging.inbox import DEFERRED, DISCARDED, DONE, PARKED, inbox
from shared.messaging.parking import REDRIVE, Operator, Selection, Wish
from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import Message, dead_queue_of, queue_of
from shared.runtime.assembly import Assembly
from shared.runtime.clock import SystemClock
from shared.runtime.worker import Worker
from tests.builders.kernel import Kernel, envelope_of, kernel_on, retry_all
from tests.builders.parked import Mendable, act, body_of, key, states
from tests.contracts.samples import SAMPLES
from tests.fixtures.assemblies import MakeAssembly
from tests.servers import Broker
from tests.servers.definitions import SERVICES, ProductionRoom, production_room
from tests.waiting import wait_until

ADMITTED = "membership.member.admitted"
#: The delivery limit of the policies: it was in hand so often, and once more.
DELIVERIES = 101
#: What the broker limits a queue to that has no policy of its own (RabbitMQ 4).
BROKERS_OWN_LIMIT = 20
DEAD_EXCHANGE = "alliance.dead-letters"


@pytest.fixture
def room(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionRoom]:
    """The virtual host of an alliance, with every service's queue declared by that service."""
    with production_room(broker, tmp_path_factory.mktemp("definitions")) as found:
        yield found


def bus_of(service: str, room: ProductionRoom) -> RabbitMQ:
    return RabbitMQ(room.url_of(service), heartbeat_seconds=20, blocked_seconds=10, prefetch=50)


def admitted() -> Message:
    [sample] = [each for each in SAMPLES if each.name == f"{ADMITTED}.v1.json"]
    envelope = sample.envelope
    return Message(envelope["id"], ADMITTED, envelope["subject"], json.dumps(envelope).encode())


def publish(room: ProductionRoom, message: Message) -> None:
    publisher = bus_of("membership", room).publisher()
    try:
        assert publisher.publish([message]) == [None]
    finally:
        publisher.close()


def crash_with(room: ProductionRoom, service: str, queue: str, times: int) -> int:
    """Be a worker that dies with each message in hand, so many times; returns how often it got one."""
    taken = 0
    for _ in range(times):
        connection = pika.BlockingConnection(pika.URLParameters(room.url_of(service)))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        got = next(channel.consume(queue, inactivity_timeout=3))
        taken += got[0] is not None
        # Closed with the message in hand: to the broker the same as a process that was killed.
        connection.close()
        if got[0] is None:
            break
    return taken


def depth(room: ProductionRoom, queue: str) -> int:
    """Messages in a queue, as the broker counts them at this moment."""
    connection = pika.BlockingConnection(pika.URLParameters(room.url))
    try:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
    finally:
        connection.close()


def inbox_of(assembly: Assembly, event_id: str) -> list[tuple[str, str | None]]:
    with assembly.reading() as reading:
        rows = reading.all(sa.select(inbox.c.state, inbox.c.reason).where(inbox.c.event_id == event_id))
        return [(row.state, row.reason) for row in rows]


def accounts_of(assembly: Assembly) -> list[str]:
    """Codes of all accounts; what finance makes of a member that is admitted."""
    with assembly.reading() as reading:
        return [row.code for row in reading.all(sa.select(accounts.c.code).order_by(accounts.c.code))]


@pytest.mark.rabbitmq
def test_an_event_that_killed_its_consumer_too_often_comes_home_is_redriven_and_has_one_effect(
    room: ProductionRoom, make_assembly: MakeAssembly
) -> None:
    # given finance and notifications, of which finance dies with every message in hand
    finance = make_assembly("finance", clock=SystemClock())
    notifications = make_assembly("notifications", clock=SystemClock())
    buses = {each.service.name: bus_of(each.service.name, room) for each in (finance, notifications)}
    for each in (finance, notifications):
        buses[each.service.name].declare(queue_of(each.service.name), each.consumer().patterns)
    message = admitted()
    publish(room, message)
    assert crash_with(room, "finance", queue_of("finance"), DELIVERIES + 5) == DELIVERIES
    wait_until(lambda: depth(room, dead_queue_of("finance")) == 1, "the dead letter in finance's own queue")
    assert depth(room, queue_of("finance")) == 0
    assert depth(room, dead_queue_of("notifications")) == 0

    # when two workers of a mended finance, and one of notifications, start
    workers = [Worker(finance, buses["finance"]), Worker(finance, buses["finance"])]
    workers.append(Worker(notifications, buses["notifications"]))
    for worker in workers:
        worker.start()
    try:
        # then the event is parked in finance, once, and has had its effect at notifications
        wait_until(lambda: inbox_of(finance, message.event_id), "the dead letter parked")
        [(state, reason)] = inbox_of(finance, message.event_id)
        assert (state, reason) == (PARKED, "event.dead_lettered")
        assert depth(room, dead_queue_of("finance")) == 0
        wait_until(lambda: inbox_of(notifications, message.event_id) == [(DONE, None)], "notifications' effect")
        assert sum(worker.consumer.counts.dead_lettered for worker in workers) == 1

        # and an operator redrives it: one effect, however often it comes again
        before = accounts_of(finance)
        redrive(finance, message.event_id)
        wait_until(lambda: inbox_of(finance, message.event_id) == [(DONE, None)], "the redriven event's effect")
        after = accounts_of(finance)
        assert len(after) > len(before)
        duplicates = sum(worker.consumer.counts.duplicates for worker in workers)
        publish(room, message)
        wait_until(lambda: sum(each.consumer.counts.duplicates for each in workers) >= duplicates + 2, "the copies")
        assert accounts_of(finance) == after
    finally:
        for worker in workers:
            worker.stop()


def redrive(assembly: Assembly, event_id: str) -> None:
    with assembly.begin() as work:
        outcome = parking.act(work, Operator("clerk", "command"), Wish(REDRIVE, Selection(event_id=event_id)))
    assert len(outcome.changed) == 1


@pytest.mark.rabbitmq
def test_the_queue_of_dead_letters_has_no_limit_of_its_own(room: ProductionRoom) -> None:
    bus_of("finance", room).declare(queue_of("finance"), [ADMITTED])
    publish(room, admitted())
    crash_with(room, "finance", queue_of("finance"), DELIVERIES)
    wait_until(lambda: depth(room, dead_queue_of("finance")) == 1, "the dead letter")

    assert crash_with(room, "finance", dead_queue_of("finance"), BROKERS_OWN_LIMIT + 10) == BROKERS_OWN_LIMIT + 10

    wait_until(lambda: depth(room, dead_queue_of("finance")) == 1, "the dead letter still there")


@pytest.mark.rabbitmq
def test_every_inbox_is_guarded_alike_and_has_its_own_queue_of_dead_letters(room: ProductionRoom) -> None:
    for service in SERVICES:
        bus_of(service, room).declare(queue_of(service), [ADMITTED])
        bus_of(service, room).declare(dead_queue_of(service), [])
    columns = ("name", "type", "effective_policy_definition")
    told = room.broker.control("list_queues", "--silent", "--formatter", "json", "-p", room.name, *columns)
    found = {each["name"]: each for each in json.loads(told)}
    bindings = {
        (each["routing_key"], each["destination"])
        for each in room.broker.api("GET", f"bindings/{room.name}")
        if each["source"] == DEAD_EXCHANGE
    }

    assert bindings == {(service, dead_queue_of(service)) for service in SERVICES}
    for service in SERVICES:
        assert dict(found[queue_of(service)]["effective_policy_definition"]) == {
            "delivery-limit": DELIVERIES - 1,
            "dead-letter-exchange": DEAD_EXCHANGE,
            "dead-letter-routing-key": service,
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
            "max-length": 1_000_000,
        }
        assert dict(found[dead_queue_of(service)]["effective_policy_definition"]) == {"delivery-limit": -1}
        assert found[dead_queue_of(service)]["type"] == "quorum"


def _publish_to_default(channel: BlockingChannel, queue: str) -> None:
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"forged")


def _publish_to_dead(channel: BlockingChannel, queue: str) -> None:
    channel.confirm_delivery()
    channel.basic_publish(DEAD_EXCHANGE, queue.partition(".")[0], b"forged")


TRESPASSES: dict[str, Callable[[BlockingChannel, str], Any]] = {
    "consume": lambda channel, queue: channel.basic_consume(queue, lambda *_: None),
    "get": lambda channel, queue: channel.basic_get(queue),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "bind": lambda channel, queue: channel.queue_bind(queue, "alliance.events", "#"),
    "unbind": lambda channel, queue: channel.queue_unbind(queue, DEAD_EXCHANGE, queue.partition(".")[0]),
    "publish to the queue": _publish_to_default,
    "publish to the exchange": _publish_to_dead,
}


@pytest.mark.rabbitmq
def test_no_service_touches_anothers_dead_letters_and_none_forges_any(room: ProductionRoom) -> None:
    for owner in SERVICES:
        bus_of(owner, room).declare(dead_queue_of(owner), [])
    tried = 0
    for stranger in SERVICES:
        for owner in SERVICES:
            own = ("bind", "unbind", "publish to the queue", "publish to the exchange")
            for name in TRESPASSES if stranger != owner else own:
                connection = pika.BlockingConnection(pika.URLParameters(room.url_of(stranger)))
                with pytest.raises(ChannelClosedByBroker) as refused:
                    TRESPASSES[name](connection.channel(), dead_queue_of(owner))
                assert refused.value.reply_code == 403, f"{stranger} may {name} on the dead letters of {owner}"
                connection.close()
                tried += 1

    assert tried == 4 * 3 * len(TRESPASSES) + 4 * 4


@pytest.mark.rabbitmq
def test_a_worker_without_the_policies_runs_all_the_same(virtual_host: Any, make_assembly: MakeAssembly) -> None:
    finance = make_assembly("finance", clock=SystemClock())
    bus = RabbitMQ(virtual_host.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=50)
    worker = Worker(finance, bus)
    worker.start()
    try:
        message = admitted()
        publisher = bus.publisher()
        wait_until(lambda: publisher.publish([message]) == [None], "taken", ignoring=(AMQPError,))
        publisher.close()
        wait_until(lambda: inbox_of(finance, message.event_id) == [(DONE, None)], "its effect")
        assert worker.is_alive()
    finally:
        worker.stop()


# ------------------------------------------------------------ what the consumer does with them
@pytest.fixture
def kernel(empty_database_url: str) -> Iterator[Kernel]:
    with kernel_on(empty_database_url) as made:
        yield made


def test_a_dead_letter_of_an_event_that_had_its_effect_changes_nothing(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    consumer.accept([body_of("done")])
    before = kernel.rows(inbox)

    consumer.accept_dead([body_of("done")])

    assert kernel.rows(inbox) == before
    assert kernel.words() == ["done"]
    assert (consumer.counts.dead_lettered, consumer.counts.parked) == (1, 0)


def test_a_dead_letter_of_a_discarded_event_leaves_it_discarded(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    consumer.accept_dead([body_of("dead")])
    act(kernel, parking.DISCARD, [key("dead")])

    consumer.accept_dead([body_of("dead")])

    assert states(kernel) == {"dead": DISCARDED}


def test_a_dead_letter_of_a_deferred_event_ends_its_attempts(kernel: Kernel) -> None:
    """It was stored and killed the process all the same: to try it by ourselves would be the next crash."""
    consumer = kernel.consumer(reaction=Mendable(dead=ZeroDivisionError()))
    consumer.accept([body_of("dead")])
    assert states(kernel) == {"dead": DEFERRED}

    consumer.accept_dead([body_of("dead")])

    assert states(kernel) == {"dead": PARKED}


def test_dead_letters_of_every_kind_are_parked_with_their_bodies(kernel: Kernel) -> None:
    bodies = [body_of("good"), b"\x00 no event", json.dumps(envelope_of("x", id="odd", data={})).encode()]

    kernel.consumer().accept_dead(bodies)

    rows = kernel.rows(inbox)
    assert {bytes(row["body"]) for row in rows} == set(bodies)
    assert {row["state"] for row in rows} == {PARKED}
    assert all(row["reason"].startswith("event.dead_lettered") for row in rows)
    assert kernel.words() == []


def test_a_dead_letter_holds_back_the_later_events_of_its_subject_until_it_is_redriven(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    consumer.accept_dead([body_of("first", subject="s", sequence=1)])
    consumer.accept([body_of("second", subject="s", sequence=2)])
    assert kernel.words() == []

    act(kernel, REDRIVE, [key("first")])
    retry_all(consumer)

    assert kernel.words() == ["first", "second"]
