"""The console commands that every service has. Each takes an assembly and its arguments and returns an exit status."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import BrokerUnavailable, Transport, dead_queue_of, queue_of
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger
from shared.runtime.parked_commands import parked
from shared.runtime.service import ConsoleCommand
from shared.runtime.worker import Worker

#: How often `prepare` asks for a broker that is still starting, and how long it waits between, in seconds.
PREPARE_ATTEMPTS = 60
PREPARE_WAIT_SECONDS = 1.0

log = get_logger(__name__)


def rabbitmq_of(assembly: Assembly) -> Transport:
    """The broker named in the settings."""
    settings = assembly.settings
    return RabbitMQ(
        settings.broker_url,
        heartbeat_seconds=settings.broker_heartbeat_seconds,
        blocked_seconds=settings.broker_blocked_seconds,
        prefetch=2 * settings.consumer_batch,
        partitions=settings.consumer_partitions,
        prefers=settings.preferred_partitions,
        failpoints=assembly.failpoints,
    )


def migrate(assembly: Assembly, _arguments: Sequence[str]) -> int:
    """Bring the database to the expected schema."""
    for revision in assembly.migrate():
        log.info("migrate.applied", revision=revision)
    return 0


def prepare(assembly: Assembly, arguments: Sequence[str]) -> int:
    """Migrate, and lay the queue out. Waits for a broker that is still starting."""
    migrate(assembly, arguments)
    transport, patterns = rabbitmq_of(assembly), assembly.consumer().patterns
    for attempt in range(1, PREPARE_ATTEMPTS + 1):
        try:
            transport.declare(queue_of(assembly.service.name), patterns)
            transport.declare(dead_queue_of(assembly.service.name), [])
        except BrokerUnavailable as error:
            log.warning("prepare.broker_unavailable", attempt=attempt, reason=str(error))
            threading.Event().wait(PREPARE_WAIT_SECONDS)
        else:
            log.info("prepare.declared", queue=queue_of(assembly.service.name))
            return 0
    return 1


def worker(assembly: Assembly, _arguments: Sequence[str]) -> int:
    """Run the background work until SIGTERM or SIGINT."""
    from shared.runtime.worker_http import serve_health  # noqa: PLC0415 - only workers serve it

    missing = assembly.pending_migrations()
    if missing:
        log.error("worker.schema_missing", missing=missing)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = Worker(assembly, rabbitmq_of(assembly))
    running.start()
    log.info("worker.started")
    with serve_health(assembly, running):
        stop.wait()
    log.info("worker.stopping")
    running.stop()
    return 0


COMMANDS: Mapping[str, ConsoleCommand] = {
    "migrate": migrate,
    "prepare": prepare,
    "worker": worker,
    "parked": parked,
}
#: Those that speak to whoever typed them, and so say in a sentence what keeps them from the database.
NEED_SCHEMA = frozenset({"parked"})
