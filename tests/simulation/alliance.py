"""The simulated alliance: four services on kept databases and one bus, each with a clock that may be wrong.

Assemblies are made once per process of ours, because preparing SQL costs more than a whole seed; what a process has in
memory (units of work, relay, consumer, desk) is made anew with every seed and after every crash.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from services.notifications.domain.messages import Sender
from services.notifications.timers.mail_desk import MailDesk
from shared.messaging.consumer import Consumer
from shared.messaging.contracts import Reaction
from shared.messaging.envelope import Event
from shared.messaging.outbox import Outbox
from shared.messaging.relay import Relay
from shared.messaging.transport import queue_of
from shared.outbound.smtp import MailFailed
from shared.persistence.unit_of_work import UnitOfWork, Units
from shared.persistence.wakeups import Wakeups
from shared.runtime.assembly import Assembly, assemble, load_service
from shared.runtime.clock import ManualClock
from shared.runtime.identifiers import Identifiers
from shared.runtime.settings import Settings
from tests.simulation.bus import SimulatedBus
from tests.simulation.databases import KeptConnection, keep
from tests.simulation.faults import CrashingFailpoints, Faults

SERVICES = ("membership", "meetings", "finance", "notifications")
#: So few that a look of the relay often finds more than one batch.
RELAY_BATCH = 2
SENDER = Sender("alliance@lianmeng.example", "http://lianmeng.example")


@dataclass
class SkewedClock:
    """A machine's clock: the true one and how far it is off."""

    true: ManualClock
    off_seconds: float = 0.0

    def now(self) -> datetime:
        """What this machine believes."""
        return self.true.now() + timedelta(seconds=self.off_seconds)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.true.monotonic()


@dataclass(frozen=True)
class Effect:
    """One reaction to one event, stored."""

    event_id: str
    type: str
    line: tuple[str, str]
    sequence: int


class Beginning(Protocol):
    """Where a run starts from; see `templates`."""

    @property
    def databases(self) -> Mapping[str, sqlite3.Connection]: ...

    @property
    def effects(self) -> Mapping[str, Sequence[Effect]]: ...

    @property
    def confirmed(self) -> frozenset[str]: ...


@dataclass
class Journal:
    """What the reactions of a service really did: written by watching them, kept only when their unit was stored."""

    pending: list[Effect] = field(default_factory=list)
    stored: list[Effect] = field(default_factory=list)

    def begin_anew(self, effects: Iterable[Effect]) -> None:
        """Another seed, after these effects."""
        self.pending.clear()
        self.stored = list(effects)

    def keep_pending(self) -> None:
        """The unit was stored."""
        self.stored += self.pending
        self.pending.clear()

    def watch(self, reaction: Reaction) -> Reaction:
        """The same reaction, noted."""

        def watched(work: UnitOfWork, event: Event) -> None:
            reaction(work, event)
            self.pending.append(Effect(event.id, event.type, (event.source, event.subject), event.sequence))

        return watched


class MailServer:
    """A mail server that takes, refuses, or breaks off after it has taken."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        #: How often each mail was taken, by its Message-ID.
        self.taken: Counter[str] = Counter()

    def send(self, _sender: str, _recipient: str, message: bytes) -> int:
        """Take one mail."""
        if self._faults.strikes("mail.unreachable"):
            raise MailFailed("unreachable", before_sending=True)
        if self._faults.strikes("mail.refused"):
            raise MailFailed("message_refused", status=451)
        head = message.split(b"Message-ID: <", 1)[1]
        self.taken[head.split(b"@", 1)[0].decode()] += 1
        if self._faults.strikes("mail.broken_off"):
            raise MailFailed("broken_off")
        return 250

    def close(self) -> None:
        """Nothing is kept open."""


@dataclass(frozen=True)
class Built:
    """What of a service is made once per process: assembly, connection, journal."""

    assembly: Assembly
    connection: KeptConnection
    journal: Journal


@lru_cache(maxsize=1)
def built() -> dict[str, Built]:
    """The four services on empty databases."""
    made = {}
    for name in SERVICES:
        journal = Journal()
        service = load_service(name)
        watched = {event_type: journal.watch(reaction) for event_type, reaction in service.reactions.items()}
        settings = Settings(
            service=name, profile="test", database_url="sqlite://", worker_port=0, relay_batch=RELAY_BATCH
        )
        assembly = assemble(replace(service, reactions=watched), settings)
        made[name] = Built(assembly, keep(assembly.database), journal)
    return made


class Node:
    """One running service: everything that a crash takes away, and the database that it does not."""

    def __init__(self, made: Built, world: Alliance, effects: Iterable[Effect]) -> None:
        self.name = made.assembly.service.name
        self.connection = made.connection
        self.journal = made.journal
        self.clock = SkewedClock(world.clock)
        self._made = made
        self._world = world
        self.crashes = 0
        self.journal.begin_anew(effects)
        self.connection.faults = world.faults
        self.connection.on_commit = self.journal.keep_pending
        self.connection.on_rollback = self.journal.pending.clear
        self.start()

    def start(self) -> None:
        """A new process: new memory, the same database."""
        world, assembly = self._world, self._made.assembly
        wakeups = Wakeups(assembly.database)
        ids = Identifiers(self.clock, world.faults.chance)
        failpoints = CrashingFailpoints(world.faults)
        outbox = Outbox(assembly.service.name, assembly.service.publishes)
        self.assembly = replace(
            assembly,
            clock=self.clock,
            ids=ids,
            wakeups=wakeups,
            failpoints=failpoints,
            units=Units(assembly.database, wakeups, self.clock, ids, outbox, failpoints),
            closing=[],
        )
        self.consumer: Consumer = self.assembly.consumer()
        self.relay: Relay = self.assembly.relay(world.bus.publisher())
        world.bus.subscribe(queue_of(self.name), self.consumer.patterns, self.consumer.accept)
        self.desk = MailDesk(world.mail, SENDER)  # type: ignore[arg-type]  # a fake with the same two methods

    def crash(self) -> None:
        """The process is gone; whatever it had not stored never was."""
        self.crashes += 1
        self.connection.rollback()
        self.start()

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """What is stored, for whoever watches."""
        return self.connection.rows(sql, *parameters)


class Alliance:
    """The four nodes, their bus, the mail server and the true time of one run."""

    def __init__(
        self,
        template: Beginning,
        faults: Faults,
        start: datetime,
        counts: Counter[str],
        *,
        keeps_order: bool = True,
    ) -> None:
        self.faults = faults
        self.counts = counts
        self.clock = ManualClock(start)
        self.bus = SimulatedBus(faults, self.clock.monotonic, counts, keeps_order=keeps_order)
        self.mail = MailServer(faults)
        for name, made in built().items():
            made.connection.faults = None
            made.connection.load(template.databases[name])
        self.bus.confirmed.update(template.confirmed)
        self.nodes = {name: Node(made, self, template.effects[name]) for name, made in built().items()}

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def timers(self, name: str) -> list[tuple[str, Callable[[Assembly], bool]]]:
        """The service's timers by name, but for the one that would start threads: its mail desk is run directly."""
        timers = self.nodes[name].assembly.service.timers
        return [(timer.name, timer.run) for timer in timers if timer.name != "deliver_due"]
