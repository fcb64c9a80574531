"""The servers of one run and what stands on them: databases, queues, and the children that work there."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import queue_of
from shared.persistence.database import Database
from shared.persistence.migrate import migrate
from tests.benchmarks.bus import pair, peer
from tests.benchmarks.bus.peer_pika import CREATE_NAIVE
from tests.benchmarks.bus.processes import Child
from tests.servers import Broker, PostgreSQL, VirtualHost, obtain_broker, obtain_postgresql

BETAS_QUEUE = queue_of("beta")


class Stage:
    """PostgreSQL that keeps what it acknowledged, RabbitMQ with quorum queues, and a room for the children's words."""

    def __init__(self, postgresql: PostgreSQL, broker: Broker, directory: Path) -> None:
        self.postgresql = postgresql
        self.broker = broker
        self._directory = directory
        self._numbers = itertools.count(1)
        for name in ("alpha", "beta"):
            self.make_database(name)
        self.make_peers_database()

    # ------------------------------------------------------------ databases
    def make_database(self, name: str) -> None:
        """A migrated database, for `alpha` or `beta`."""
        url = self.postgresql.create_database(name)
        (self._directory / "migrations" / "versions").mkdir(parents=True, exist_ok=True)
        database = Database(url)
        migrate(database, self._directory)  # the kernel's history, and an empty one of the service's own
        database.dispose()
        self.postgresql.query(pair.CREATE_HANDLED, database=name)

    def make_peers_database(self) -> None:
        self.postgresql.create_database("peers")
        self.postgresql.query(pair.CREATE_HANDLED, database="peers")
        self.postgresql.query(CREATE_NAIVE, database="peers")

    def empty(self, database: str, *tables: str) -> None:
        """Make tables as new, and write what PostgreSQL has put off: no pass pays for the one before."""
        self.postgresql.query(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY", database=database)
        self.postgresql.query("CHECKPOINT")

    @contextmanager
    def count(self, statement: str, database: str) -> Iterator[Callable[[], int]]:
        """A probe: the number that the statement finds, asked on a connection that stays open."""
        with self.postgresql.connect(database) as connection:

            def ask() -> int:
                row = connection.execute(statement).fetchone()
                return int(row[0] or 0) if row else 0

            yield ask

    def handled(self, database: str) -> Any:
        """A probe: rows written by handlers, from their counter, whatever the size of the table."""
        return self.count("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM handled_id_seq", database)

    def sent(self, database: str) -> Any:
        """A probe: events that alpha's relay has sent from now on, from the head of its feed."""
        [(head,)] = self.postgresql.query("SELECT head FROM outbox_feed", database=database)
        return self.count(f"SELECT head - {head} FROM outbox_feed", database)

    def distinct(self, database: str) -> tuple[int, int]:
        """Rows that handlers have committed, and different events among them."""
        [(rows, events)] = self.postgresql.query(
            "SELECT count(*), count(DISTINCT number) FROM handled", database=database
        )
        return rows, events

    # ------------------------------------------------------------ queues
    @contextmanager
    def room(self) -> Iterator[VirtualHost]:
        """A virtual host for one pass. What a peer cannot declare as a quorum queue itself becomes one by default."""
        with self.broker.virtual_host() as room:
            self.broker.api("PUT", f"vhosts/{room.name}", {"default_queue_type": "quorum"})
            yield room

    def declare_betas_queue(self, room: VirtualHost, partitions: int = 1) -> None:
        """As the product's `prepare` does."""
        bus = RabbitMQ(room.url, heartbeat_seconds=20, blocked_seconds=60, prefetch=1, partitions=partitions)
        bus.declare(BETAS_QUEUE, [pair.SAID])

    # ------------------------------------------------------------ children
    def child(
        self, command: list[str], *, database: str, room: VirtualHost | None, queue: str = "", **more: str
    ) -> Child:
        """Start a module of ours or of a peer."""
        url = self.postgresql.url(database)
        is_ours = command[0].endswith(".ours")
        environment = {
            peer.DATABASE: url if is_ours else url.replace("postgresql+psycopg", "postgresql"),
            peer.BROKER: room.url if room else "",
            peer.QUEUE: queue,
            **more,
        }
        return Child(command, environment, self._directory / f"{next(self._numbers)}.log")

    def ours(self, *command: str, database: str, room: VirtualHost | None = None) -> Child:
        """Start one of the product's processes."""
        return self.child(["tests.benchmarks.bus.ours", *command], database=database, room=room)

    def fill_outbox(
        self, database: str, label: str, count: int, *, first: int = 0, subjects: int = pair.SUBJECTS
    ) -> None:
        """Put unsent events into alpha's outbox."""
        with self.postgresql.connect(database) as connection:
            pair.fill_outbox(connection, pair.rows_of_outbox(label, count, first=first, subjects=subjects))

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return self.postgresql.connect(database)


@contextmanager
def staged() -> Iterator[Stage]:
    """Servers for the length of a block. Raises ServerMissing."""
    with ExitStack() as stack:
        postgresql = obtain_postgresql(durable=True, direct=True)
        stack.callback(postgresql.stop)
        broker = obtain_broker(direct=True)
        stack.callback(broker.dispose)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lianmeng-bench-")))
        yield Stage(postgresql, broker, directory)
