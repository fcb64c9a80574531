"""Dramatiq, as a worker (`dramatiq tests.benchmarks.bus.peer_dramatiq`) and, run as a module, enqueueing."""

from __future__ import annotations

import sys
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from tests.benchmarks.bus import peer

broker = RabbitmqBroker(url=peer.broker_url(), confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="handle", queue_name=peer.queue_name())
def handle(data: dict[str, Any]) -> None:
    """The handler."""
    peer.handle(data)


if __name__ == "__main__":
    peer.enqueue_all(handle.send, int(sys.argv[1]))
    broker.close()
