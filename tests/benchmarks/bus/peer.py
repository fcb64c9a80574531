"""What all peers share: where they work, the row their handlers commit, and how they report on enqueueing.

A peer is used as its documents say it is used reliably: durable queue, persistent messages, publisher confirms,
acknowledged after the handler, prefetch 100; the handler commits one row. No peer has an outbox or an inbox.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from tests.benchmarks.bus.pair import INSERT_HANDLED, data_of

DATABASE = "LIANMENG_BENCH_DATABASE"
BROKER = "LIANMENG_BENCH_BROKER"
QUEUE = "LIANMENG_BENCH_QUEUE"
PREFETCH = 100

_local = threading.local()


def database_url() -> str:
    return os.environ[DATABASE]


def broker_url() -> str:
    return os.environ[BROKER]


def queue_name() -> str:
    return os.environ[QUEUE]


def handle(data: dict[str, Any]) -> None:
    """The handler of every peer: one row, one commit, on a connection of the thread."""
    connection: psycopg.Connection[Any] | None = getattr(_local, "connection", None)
    if connection is None:
        connection = _local.connection = psycopg.connect(database_url())
    connection.execute(INSERT_HANDLED, (data["number"], data["unit_name"], data["members"]))
    connection.commit()


def enqueue_all(enqueue: Callable[[dict[str, Any]], object], count: int) -> None:
    """Enqueue events one by one, as an application does, and report."""
    warm_up = max(1, count // 10)
    for number in range(warm_up):
        enqueue(data_of(number))
    started, cpu = time.monotonic(), time.process_time()
    for number in range(warm_up, count):
        enqueue(data_of(number))
    report(count - warm_up, time.monotonic() - started, time.process_time() - cpu)


def report(count: int, seconds: float, cpu_seconds: float) -> None:
    """One line for whoever started this process."""
    print(json.dumps({"count": count, "seconds": seconds, "cpu_seconds": cpu_seconds}), flush=True)
