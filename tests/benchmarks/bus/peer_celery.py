"""Celery, as a worker (`celery -A tests.benchmarks.bus.peer_celery worker`) and, run as a module, enqueueing."""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery
from kombu import Queue

from tests.benchmarks.bus import peer

app = Celery("bench", broker=peer.broker_url().replace("amqp://", "pyamqp://"))
app.conf.update(
    task_queues=[Queue(peer.queue_name(), queue_arguments={"x-queue-type": "quorum"}, durable=True)],
    task_default_queue=peer.queue_name(),
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=peer.PREFETCH,
    worker_disable_rate_limits=True,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.handle")
def handle(data: dict[str, Any]) -> None:
    """The handler."""
    peer.handle(data)


if __name__ == "__main__":
    peer.enqueue_all(handle.delay, int(sys.argv[1]))
