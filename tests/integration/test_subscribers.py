"""A program of somebody else on our exchange: its own queue, its own client (aio-pika), the rights of the real definitions."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import AMQPError

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import Message, queue_of
from tests.contracts.samples import SAMPLES
from tests.servers import Broker
from tests.servers.definitions import ProductionRoom, Refused, definitions, production_room
from tests.waiting import wait_until

pytestmark = pytest.mark.rabbitmq
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "subscriber.py"
NAME, PASSWORD = "county-zz", "a-long-password"
EXCHANGE = "alliance.events"
ADMITTED = "membership.member.admitted"
#: How long a subscriber may take to start and read, in seconds.
SECONDS = 30.0


@pytest.fixture(scope="module")
def room(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionRoom]:
    """An alliance's virtual host with membership's queue and two subscribers, one of whom has not come yet."""
    with production_room(
        broker, tmp_path_factory.mktemp("definitions"), subscribers=f"{NAME}:{PASSWORD},press:another"
    ) as found:
        bus_of("membership", found).declare(queue_of("membership"), ["#"])
        yield found


def bus_of(service: str, room: ProductionRoom) -> RabbitMQ:
    """The bus as a service reaches it, with its own user."""
    return RabbitMQ(room.url_of(service), heartbeat_seconds=20, blocked_seconds=10, prefetch=50)


def admitted(number: int) -> Message:
    """A member is admitted: the golden sample with another number and id."""
    [sample] = [each for each in SAMPLES if each.name == f"{ADMITTED}.v1.json"]
    envelope = sample.envelope
    envelope["id"] = f"event-{number}"
    envelope["subject"] = envelope["data"]["member_id"] = f"member-{number}"
    envelope["data"]["number"] = f"ZZ-{number:04}"
    return Message(envelope["id"], ADMITTED, envelope["subject"], json.dumps(envelope).encode())


def publish(room: ProductionRoom, messages: list[Message]) -> list[str | None]:
    """Membership publishes; returns what was refused and why."""
    publisher = bus_of("membership", room).publisher()
    try:
        return publisher.publish(messages)
    finally:
        publisher.close()


def members_in(file: Path) -> list[str]:
    """The numbers on the subscriber's list."""
    if not file.exists():
        return []
    with sqlite3.connect(file) as database:
        return [number for (number,) in database.execute("SELECT number FROM members ORDER BY number")]


class Subscriber:
    """The example of docs/integrating.md, run as it stands there."""

    def __init__(self, room: ProductionRoom, file: Path) -> None:
        self._command = [sys.executable, str(EXAMPLE), room.url_of(NAME, PASSWORD), str(file)]

    def __enter__(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self._process

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()


def has_queue(room: ProductionRoom) -> bool:
    """Whether the subscriber has declared its queue and is bound."""
    found = room.broker.api("GET", f"bindings/{room.name}")
    return any(each["destination"] == f"{NAME}.members" and each["source"] == EXCHANGE for each in found)


def test_the_documented_program_keeps_a_list_of_the_members(room: ProductionRoom, tmp_path: Path) -> None:
    """Each once, also those admitted while it was away, and those that come twice."""
    file = tmp_path / "members.sqlite"
    with Subscriber(room, file):
        wait_until(lambda: has_queue(room), "the subscriber's queue", seconds=SECONDS)
        assert publish(room, [admitted(1), admitted(2)]) == [None, None]
        wait_until(lambda: members_in(file) == ["ZZ-0001", "ZZ-0002"], "two members", seconds=SECONDS)

    assert publish(room, [admitted(3)]) == [None]
    assert publish(room, [admitted(3)]) == [None]  # as after a crash between confirm and mark

    with Subscriber(room, file):
        assert publish(room, [admitted(4)]) == [None]
        wait_until(lambda: "ZZ-0004" in members_in(file), "what was missed, and what came then", seconds=SECONDS)
    assert members_in(file) == ["ZZ-0001", "ZZ-0002", "ZZ-0003", "ZZ-0004"]


def test_the_document_shows_the_program_that_is_tested() -> None:
    page = (ROOT / "docs" / "integrating.md").read_text("utf-8")

    assert f"```python\n{EXAMPLE.read_text('utf-8')}```" in page


# ------------------------------------------------------------------ what a subscriber may not do
def attempt(room: ProductionRoom, action: Callable[[aio_pika.abc.AbstractChannel], Awaitable[Any]]) -> None:
    """One thing done on a channel of the subscriber's; raises what the broker answers."""

    async def act() -> None:
        connection = await aio_pika.connect(room.url_of(NAME, PASSWORD))
        async with connection:
            await action(await connection.channel())

    asyncio.run(act())


async def _publish_to(channel: aio_pika.abc.AbstractChannel, exchange: str, key: str) -> None:
    target = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
    await target.publish(aio_pika.Message(b"{}"), key)


async def _own_queue(channel: aio_pika.abc.AbstractChannel, **arguments: Any) -> aio_pika.abc.AbstractQueue:
    return await channel.declare_queue(f"{NAME}.own", durable=True, arguments={"x-queue-type": "quorum", **arguments})


async def _bind_own_to_dead_letters(channel: aio_pika.abc.AbstractChannel) -> None:
    await (await _own_queue(channel)).bind("alliance.dead-letters", "membership")


async def _bind_a_services_queue(channel: aio_pika.abc.AbstractChannel) -> None:
    queue = await channel.get_queue(queue_of("membership"), ensure=False)
    await queue.bind(EXCHANGE, "finance.entry.posted")


async def _read(channel: aio_pika.abc.AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


FORBIDDEN: dict[str, Callable[[aio_pika.abc.AbstractChannel], Awaitable[Any]]] = {
    "publish an event": lambda channel: _publish_to(channel, EXCHANGE, ADMITTED),
    "publish into a service's queue": lambda channel: _publish_to(channel, "", queue_of("membership")),
    "publish into its own queue": lambda channel: _publish_to(channel, "", f"{NAME}.own"),
    "dead-letter into the exchange": lambda channel: _own_queue(channel, **{"x-dead-letter-exchange": EXCHANGE}),
    "dead-letter into a service's queue": lambda channel: _own_queue(
        channel, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue_of("membership")}
    ),
    "declare a queue of another name": lambda channel: channel.declare_queue("press.own", durable=True),
    "declare a queue without a name": lambda channel: channel.declare_queue(None, exclusive=True),
    "read a service's queue": lambda channel: _read(channel, queue_of("membership")),
    "read a service's dead letters": lambda channel: _read(channel, "membership.dead"),
    "bind a service's queue": _bind_a_services_queue,
    "bind to the dead letters": _bind_own_to_dead_letters,
    "delete a service's queue": lambda channel: channel.queue_delete(queue_of("membership")),
    "delete the exchange": lambda channel: channel.exchange_delete(EXCHANGE),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_subscriber_may_not(room: ProductionRoom, what: str) -> None:
    with pytest.raises(AMQPError, match=r"(?i)access.*refused"):
        attempt(room, FORBIDDEN[what])


@pytest.mark.parametrize("name", ["inbox", "full"])
def test_a_subscriber_that_never_reads_does_not_hold_up_the_alliance(room: ProductionRoom, name: str) -> None:
    """Whatever it declares: a full queue of a subscriber loses its oldest, it refuses nothing."""

    async def declare_a_tiny_queue(channel: aio_pika.abc.AbstractChannel) -> None:
        arguments: Any = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        queue = await channel.declare_queue(f"{NAME}.{name}", durable=True, arguments=arguments)
        await queue.bind(EXCHANGE, "#")

    attempt(room, declare_a_tiny_queue)

    for batch in range(3):
        assert publish(room, [admitted(10 * batch + number) for number in range(10)]) == [None] * 10


@pytest.mark.parametrize(
    "subscribers",
    ["county", "county:", ":password", "membership:x", "alliance:x", "amq:x", "County:x", "a:b,a:c", 'a:b"', "a.*:b"],
)
def test_a_subscriber_that_would_be_more_than_one_is_refused_at_the_start(tmp_path: Path, subscribers: str) -> None:
    with pytest.raises(Refused):
        definitions(tmp_path, subscribers=subscribers)


def test_without_subscribers_there_are_none(tmp_path: Path) -> None:
    assert [user["name"] for user in definitions(tmp_path)["users"]] == [
        "membership",
        "meetings",
        "finance",
        "notifications",
    ]
