"""The bus on RabbitMQ. The only package that knows pika; its errors end here.

One topic exchange; one quorum queue per service. Publishing with confirms and `mandatory`; consuming with explicit
acknowledgements. Each direction has a connection with an I/O thread of its own that does nothing but I/O, so that
heartbeats go on however long a handler takes, and that connects again, for ever, after every loss. Queue limits, dead
letters and delivery limits are the broker's policies (`deploy/rabbitmq`), not arguments here: a changed argument
would refuse to declare at boot.
"""

from __future__ import annotations

from collections.abc import Sequence

import pika
from pika.exceptions import AMQPError

from shared.messaging.rabbitmq.consuming import RabbitSubscription
from shared.messaging.rabbitmq.link import EXCHANGE, QUEUE_ARGUMENTS, said
from shared.messaging.rabbitmq.publishing import CONNECT_WAIT_SECONDS, RabbitPublisher
from shared.messaging.transport import Accept, BrokerUnavailable, Publisher, Subscription
from shared.runtime.failpoints import Failpoints


class RabbitMQ:
    """The broker at one URL, or the nodes of one cluster, their URLs separated by commas.

    `prefetch`: messages a subscription has in hand at most, twice what it hands over at a time.
    """

    def __init__(
        self,
        url: str,
        *,
        heartbeat_seconds: int,
        blocked_seconds: int,
        prefetch: int,
        failpoints: Failpoints | None = None,
    ) -> None:
        self._brokers = [
            _parameters(each.strip(), heartbeat_seconds=heartbeat_seconds, blocked_seconds=blocked_seconds)
            for each in url.split(",")
        ]
        self._prefetch = prefetch
        self._failpoints = failpoints

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """Declare exchange, queue and bindings on a connection of their own. Raises BrokerUnavailable."""
        try:
            # Of several, pika tries one after the other.
            connection = pika.BlockingConnection(self._brokers)
            channel = connection.channel()
            channel.exchange_declare(EXCHANGE, "topic", durable=True)
            channel.queue_declare(queue, durable=True, arguments=QUEUE_ARGUMENTS)
            for pattern in patterns:
                channel.queue_bind(queue, EXCHANGE, pattern)
            connection.close()
        except (AMQPError, OSError) as error:
            raise BrokerUnavailable(said(error)) from error

    def publisher(self) -> Publisher:
        """A connection for publishing."""
        return RabbitPublisher(self._brokers)

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        """A connection for consuming; it starts at once and keeps trying while the broker is away."""
        return RabbitSubscription(self._brokers, queue, patterns, accept, self._prefetch, self._failpoints)


def _parameters(url: str, *, heartbeat_seconds: int, blocked_seconds: int) -> pika.ConnectionParameters:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = heartbeat_seconds
    # Under a memory or disk alarm the broker stops reading; without a limit a publisher would hang for ever.
    parameters.blocked_connection_timeout = blocked_seconds
    parameters.socket_timeout = CONNECT_WAIT_SECONDS
    parameters.stack_timeout = CONNECT_WAIT_SECONDS * 2
    return parameters
