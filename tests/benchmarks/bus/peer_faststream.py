"""FastStream on RabbitMQ: `drain` runs the application, `enqueue COUNT` publishes."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from tests.benchmarks.bus import peer
from tests.benchmarks.bus.pair import data_of

broker = RabbitBroker(peer.broker_url(), default_channel=Channel(prefetch_count=peer.PREFETCH), logger=None)
queue = RabbitQueue(peer.queue_name(), durable=True, queue_type=QueueType.QUORUM)


@broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)
async def handle(data: dict[str, Any]) -> None:
    """The handler. It calls psycopg directly: messages are handled one by one, and a thread in between costs more."""
    peer.handle(data)


async def enqueue(count: int) -> None:
    """Publish one by one, each confirmed."""
    await broker.connect()
    await broker.declare_queue(queue)
    warm_up = max(1, count // 10)
    started = cpu = 0.0
    for number in range(count):
        if number == warm_up:
            started, cpu = time.monotonic(), time.process_time()
        await broker.publish(data_of(number), queue=queue, persist=True)
    peer.report(count - warm_up, time.monotonic() - started, time.process_time() - cpu)
    await broker.stop()


if __name__ == "__main__":
    logging.disable(logging.INFO)
    asyncio.run(enqueue(int(sys.argv[2])) if sys.argv[1] == "enqueue" else FastStream(broker, logger=None).run())
