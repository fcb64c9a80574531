"""Puts a service together: manifest and settings in, everything a running service consists of out.

Web processes, workers, the embedded mode, console commands and tests all start here, so they all run the same code.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from shared.messaging.consumer import Consumer
from shared.messaging.outbox import Outbox
from shared.messaging.relay import Relay
from shared.messaging.transport import Publisher
from shared.persistence.database import Database
from shared.persistence.migrate import migrate, pending
from shared.persistence.unit_of_work import Cause, Reading, UnitOfWork, Units
from shared.persistence.wakeups import Wakeups
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.failpoints import Failpoints
from shared.runtime.identifiers import Identifiers, Randomness
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from shared.runtime.texts import Texts

SHARED_TEXTS = Path(__file__).parent.parent / "texts"


@dataclass(frozen=True)
class Assembly:
    """One running service."""

    service: Service
    settings: Settings
    clock: Clock
    ids: Identifiers
    texts: Texts
    database: Database
    wakeups: Wakeups
    units: Units
    failpoints: Failpoints
    #: What a service opened for itself and `close` must close, such as a kept mail connection.
    closing: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def begin(self, cause: Cause | None = None) -> AbstractContextManager[UnitOfWork]:
        """A unit of work."""
        return self.units.begin(cause)

    def reading(self) -> AbstractContextManager[Reading]:
        """A read-only look at the database."""
        return self.units.reading()

    def migrate(self) -> list[str]:
        """Bring the database to the expected schema; returns the revisions applied."""
        return migrate(self.database, self.service.root)

    def pending_migrations(self) -> list[str]:
        """What the database lacks of the expected schema."""
        return pending(self.database, self.service.root)

    def consumer(self) -> Consumer:
        """A consumer that runs this service's reactions."""
        return Consumer(self.units, self.ids, self.service.consumes, self.service.reactions, self.failpoints)

    def relay(self, publisher: Publisher) -> Relay:
        """A relay from this service's outbox to `publisher`."""
        return Relay(self.units, publisher, self.failpoints, self.settings.relay_batch)

    def close(self) -> None:
        """Let go of threads and connections, the service's own first: they may still write down what they did."""
        while self.closing:
            self.closing.pop()()
        self.wakeups.stop()
        self.database.dispose()


def assemble(
    service: Service,
    settings: Settings,
    *,
    clock: Clock | None = None,
    randomness: Randomness | None = None,
    failpoints: Failpoints | None = None,
) -> Assembly:
    """Build a service. Opens no connection yet."""
    clock = clock or SystemClock()
    failpoints = failpoints or Failpoints(settings.failpoint)
    ids = Identifiers(clock, randomness, owner=service.name)
    database = Database(settings.database_url, pool_size=settings.database_pool_size)
    wakeups = Wakeups(database)
    return Assembly(
        service=service,
        settings=settings,
        clock=clock,
        ids=ids,
        texts=Texts.load([SHARED_TEXTS, *folders_of_texts(service.root)]),
        database=database,
        wakeups=wakeups,
        units=Units(database, wakeups, clock, ids, Outbox(service.name, service.publishes), failpoints),
        failpoints=failpoints,
    )


def folders_of_texts(root: Path) -> list[Path]:
    """A service's catalogues: its own, and where they are many, a folder per subject below."""
    folder = root / "texts"
    return [folder, *sorted(each for each in folder.glob("*") if each.is_dir())]


def load_service(name: str) -> Service:
    """The manifest of the service with this name, from `services/<name>/service.py`."""
    module = importlib.import_module(f"services.{name}.service")
    service = module.SERVICE
    assert isinstance(service, Service)
    return service
