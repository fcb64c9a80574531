"""Nothing of ours uses what RabbitMQ is about to remove: its own check says so, after the whole topology was in use."""

from __future__ import annotations

import pika
import pytest

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import dead_queue_of, queue_of
from tests.builders.kernel import SAID, Listener, message_of
from tests.servers import Broker, VirtualHost
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq]

CHECK = "check_if_any_deprecated_features_are_used"
#: The oldest broker that has the check in the form used here.
MAJOR_MIN = 4


@pytest.fixture
def modern_broker(broker: Broker) -> Broker:
    version: str = broker.api("GET", "overview")["rabbitmq_version"]
    if int(version.partition(".")[0]) < MAJOR_MIN:
        pytest.skip(f"RabbitMQ {version} does not know deprecated features")
    return broker


@pytest.mark.parametrize("partitions", [1, 4])
def test_the_whole_topology_uses_no_deprecated_feature(
    modern_broker: Broker, virtual_host: VirtualHost, partitions: int
) -> None:
    # given queues in every layout, with an event through each of them
    bus = RabbitMQ(
        virtual_host.url, heartbeat_seconds=10, blocked_seconds=10, prefetch=50, partitions=partitions, prefers=[0]
    )
    heard = Listener()
    for service in ("aloud", "beside"):
        bus.declare(queue_of(service), [SAID])
        bus.declare(dead_queue_of(service), [])
    subscriptions = [
        bus.subscribe(queue_of("aloud"), [SAID], heard),
        bus.subscribe(dead_queue_of("aloud"), [], Listener()),
    ]
    publisher = bus.publisher()
    words = [f"word-{number}" for number in range(10)]
    try:
        assert publisher.publish([message_of(word, subject=word) for word in words]) == [None] * len(words)
        wait_until(lambda: set(heard.words) == set(words), "every word")

        # when the broker is asked while all of it is in use
        status, said = modern_broker.diagnose(CHECK)
    finally:
        for subscription in subscriptions:
            subscription.stop()
        publisher.close()

    # then it has nothing to say
    assert status == 0, said


def test_the_check_names_a_deprecated_feature_that_is_used(modern_broker: Broker, virtual_host: VirtualHost) -> None:
    # given a queue that neither lasts nor is anybody's own
    connection = pika.BlockingConnection(pika.URLParameters(virtual_host.url))
    connection.channel().queue_declare(
        "fleeting", durable=False, exclusive=False, arguments={"x-queue-type": "classic"}
    )
    try:
        status, said = modern_broker.diagnose(CHECK)
    finally:
        connection.close()

    assert status != 0
    assert "transient_nonexcl_queues" in said
