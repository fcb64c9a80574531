"""The bus on RabbitMQ. The only package that knows pika; its errors end here.

One topic exchange; one quorum queue per service, or several partitions (`layout`). Publishing with confirms and `mandatory`; consuming with explicit
acknowledgements. Each direction has a connection with an I/O thread of its own that does nothing but I/O, so that
heartbeats go on however long a handler takes, and that connects again, for ever, after every loss. Queue limits, dead
letters and delivery limits are the broker's policies (`deploy/rabbitmq`), not arguments here: a changed argument
would refuse to declare at boot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pika

from shared.messaging.rabbitmq.following import FollowingSubscription
from shared.messaging.rabbitmq.layout import LAYOUTS, Layouts
from shared.messaging.rabbitmq.publishing import CONNECT_WAIT_SECONDS, RabbitPublisher
from shared.messaging.transport import Accept, Publisher, Subscription
from shared.runtime.failpoints import Failpoints


class RabbitMQ:
    """The broker at one URL, or the nodes of one cluster, their URLs separated by commas.

    `prefetch`: messages a subscription has in hand at most, twice what it hands over at a time. `partitions`: how many
    queues `declare` lays a service's out as. `prefers`: the numbers of those that subscriptions here want to be the
    active consumer of.
    """

    def __init__(
        self,
        url: str,
        *,
        heartbeat_seconds: int,
        blocked_seconds: int,
        prefetch: int,
        partitions: int = 1,
        prefers: Collection[int] = (),
        failpoints: Failpoints | None = None,
    ) -> None:
        assert partitions in LAYOUTS, f"{partitions} partitions: must be one of {LAYOUTS}"
        self._brokers = [
            _parameters(each.strip(), heartbeat_seconds=heartbeat_seconds, blocked_seconds=blocked_seconds)
            for each in url.split(",")
        ]
        self._prefetch = prefetch
        self._partitions = partitions
        self._prefers = prefers
        self._failpoints = failpoints or Failpoints()

    def declare(self, queue: str, patterns: Sequence[str]) -> None:
        """Lay the queue out and bind it, on a connection of its own. Raises BrokerUnavailable."""
        Layouts(self._brokers, queue, patterns).establish(self._partitions_of(patterns))

    def publisher(self) -> Publisher:
        """A connection for publishing."""
        return RabbitPublisher(self._brokers)

    def subscribe(self, queue: str, patterns: Sequence[str], accept: Accept) -> Subscription:
        """Connections for consuming; they start at once and keep trying while the broker is away."""
        return FollowingSubscription(
            self._brokers,
            queue,
            patterns,
            accept,
            partitions=self._partitions_of(patterns),
            prefers=self._prefers,
            prefetch=self._prefetch,
            failpoints=self._failpoints,
        )

    def _partitions_of(self, patterns: Sequence[str]) -> int:
        # A queue that no events are dealt out to has nothing to be partitioned by.
        return self._partitions if patterns else 1


def _parameters(url: str, *, heartbeat_seconds: int, blocked_seconds: int) -> pika.ConnectionParameters:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = heartbeat_seconds
    # Under a memory or disk alarm the broker stops reading; without a limit a publisher would hang for ever.
    parameters.blocked_connection_timeout = blocked_seconds
    parameters.socket_timeout = CONNECT_WAIT_SECONDS
    parameters.stack_timeout = CONNECT_WAIT_SECONDS * 2
    return parameters
