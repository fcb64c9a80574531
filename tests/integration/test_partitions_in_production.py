"""Partitions under the rights and the policies that a broker in production is given."""

from __future__ import annotations

import functools
from pathlib import Path

import pika
import pytest

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.rabbitmq.layout import Layouts, queues_of
from shared.messaging.transport import BrokerUnavailable, Message
from tests.servers import Broker, VirtualHost
from tests.servers.definitions import production_room
from tests.waiting import wait_until

pytestmark = pytest.mark.rabbitmq


def has_only(layouts: Layouts, queues: frozenset[str]) -> bool:
    """Whether these are all the queues there are, and no change is under way."""
    found = layouts.look()
    return found.queues == queues and found.under_way is None


def has_limits(room: VirtualHost, queues: frozenset[str]) -> bool:
    """Whether the inbox's policy holds for these queues, and no others."""
    return {each["name"] for each in room.queues() if each.get("policy") == "membership-inbox"} == queues


def test_partitions_work_with_the_rights_and_limits_that_production_gives(broker: Broker, tmp_path: Path) -> None:
    with production_room(broker, tmp_path) as room:
        # given a service with the rights of its own user, on one queue
        patterns = ["finance.invoice.issued"]

        def bus(partitions: int, user: str = "membership") -> RabbitMQ:
            return RabbitMQ(
                room.url_of(user), heartbeat_seconds=20, blocked_seconds=10, prefetch=40, partitions=partitions
            )

        name = "membership.inbox"
        bus(1).declare(name, patterns)
        heard: list[bytes] = []
        subscription = bus(1).subscribe(name, patterns, heard.extend)
        publisher = bus(1, "finance").publisher()
        layouts = Layouts([pika.URLParameters(room.url_of("membership"))], name, patterns)

        # when the number of its partitions changes
        for number, partitions in enumerate((4, 2, 1)):
            bus(partitions).declare(name, patterns)
            queues = frozenset(queues_of(name, partitions))
            wait_until(functools.partial(has_only, layouts, queues), f"{partitions} partitions")
            message = Message(str(number), patterns[0], f"s-{number}", str(number).encode())
            assert publisher.publish([message]) == [None]

            # then each has the limits of the inbox, and nobody else may touch it
            wait_until(functools.partial(has_limits, room, queues), "the policy on every partition")
            with pytest.raises(BrokerUnavailable, match="ACCESS_REFUSED"):
                bus(1, "finance").declare(queues_of(name, partitions)[0], patterns)

        wait_until(lambda: heard == [b"0", b"1", b"2"], "every event")
        subscription.stop()
        publisher.close()
