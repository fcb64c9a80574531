"""One seed from its first step to its end: steps with faults, then no more faults, everything drains, all must agree.

The trace is what the run was: a line per step. Its hash is the run's identity; the same seed has the same hash.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import OperationalError

from shared.errors import Refusal
from shared.messaging.transport import BrokerUnavailable, queue_of
from shared.persistence.unit_of_work import Cause
from tests.simulation import invariants
from tests.simulation.alliance import SERVICES, Alliance, Node
from tests.simulation.faults import Crash, CrashingFailpoints, Faults
from tests.simulation.model import Model
from tests.simulation.settling import settle
from tests.simulation.silence import quietly
from tests.simulation.templates import FOUNDED, templates
from tests.simulation.workload import Command, Workload
from tests.simulation.world import Broken, World

#: Steps of every run before the faults end.
STEPS = 210
#: Lines of the trace shown when a run has failed.
SHOWN = 40
#: When runs begin, after the founding: soon, when a signing key turns, a leap day, the turn of a year.
BEGINNINGS = (
    FOUNDED + timedelta(hours=1),
    FOUNDED + timedelta(days=89, hours=23),
    datetime(2028, 2, 28, 15, 0, tzinfo=UTC),
    datetime(2027, 12, 31, 15, 59, tzinfo=UTC),
)
#: One seed in so many begins with the founding's events still to be delivered.
FRESH_EVERY = 6
#: What a step may be, and how often.
KINDS = {"command": 46, "relay": 20, "deliver": 24, "retry": 4, "timer": 4, "mail": 3, "clock": 3}
#: Share of the clock's turns in which days pass, so that deadlines come.
DAYS_SHARE = 0.15
#: How far the clock moves by itself in a step, in seconds, at most.
TICK_SECONDS = 2.0


@dataclass
class Outcome:
    """How a run ended. `violation` is empty when every promise held."""

    seed: int
    trace_hash: str = ""
    steps: int = 0
    violation: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    last_lines: list[str] = field(default_factory=list)


class Run:
    """Plays one seed."""

    def __init__(self, seed: int, *, keeps_order: bool = True) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.chance = random.Random(seed)
        self.faults = Faults(self.chance, seed, self.counts)
        fresh, settled = templates()
        template = fresh if seed % FRESH_EVERY == 0 else settled
        start = self.chance.choice(BEGINNINGS)
        self.alliance = Alliance(template, self.faults, start, self.counts, keeps_order=keeps_order)
        self.model = Model()
        self.world = World(self.alliance, self.model, keeps_order=keeps_order)
        self.workload = Workload(self.chance, self.alliance, self.model)
        self.steps = 0
        self.lines: deque[str] = deque(maxlen=SHOWN)
        self._hash = hashlib.sha256()
        self._start = start

    def play(self, steps: int = STEPS) -> Outcome:
        """Every step, the end of the faults, and the comparison."""
        violation = ""
        with quietly(complain):
            try:
                invariants.check(self.world)
                for _ in range(steps):
                    self.step(self._choose())
                self.faults.active = False
                settle(self)
                self._count_endings()
            except Broken as broken:
                violation = str(broken)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this seed's finding
                violation = f"{type(error).__name__}: {error}"
                self._note(violation)
        return Outcome(self.seed, self._hash.hexdigest(), self.steps, violation, self.counts, list(self.lines))

    def _count_endings(self) -> None:
        for application in self.model.applications.values():
            self.counts[f"applications.{application.state}"] += 1
        for ballot in self.model.ballots.values():
            self.counts[f"ballots.{ballot.state}"] += 1
        self.counts["notices"] += len(self.model.notices)
        self.counts["mails.taken"] += self.alliance.mail.taken.total()
        self.counts["entries"] += self.model.entries
        self.counts["members.left"] += len(self.model.left)
        self.counts["ballots.with_units_struck"] += sum(1 for each in self.model.ballots.values() if each.struck)

    # ---------------------------------------------------------------- steps

    def step(self, chosen: tuple[str, str, Callable[[], str]]) -> None:
        """Do one thing, note it, and ask every promise."""
        kind, service, action = chosen
        self.steps += 1
        self.alliance.clock.advance(self.chance.random() * TICK_SECONDS)
        try:
            told = action()
        except Crash as crash:
            told = f"CRASH at {crash}"
            self.crash(service)
        except BrokerUnavailable as error:
            told = f"broker: {error}"
        except OperationalError as error:
            told = f"database: {error.orig}"
        self.counts[f"step.{kind}"] += 1
        self._note(f"{kind} {service}: {told}")
        if self.faults.strikes("crash.idle"):
            service = self.chance.choice(SERVICES)
            self._note(f"CRASH of {service}")
            self.crash(service)
        invariants.check(self.world)

    def crash(self, service: str) -> None:
        """A process dies and another one takes its place."""
        self.counts["crashes"] += 1
        self.alliance[service].crash()

    def _choose(self) -> tuple[str, str, Callable[[], str]]:
        (kind,) = self.chance.choices(list(KINDS), list(KINDS.values()))
        if kind == "command":
            return self.command(self.workload.draw())
        if kind == "clock":
            return kind, "-", self.move_clock
        node = self.alliance[self.chance.choice(SERVICES)]
        if kind == "deliver":
            ready = [name for name in SERVICES if self.alliance.bus.is_ready(queue_of(name))]
            if ready:
                node = self.alliance[self.chance.choice(ready)]
        elif kind == "relay":
            # As a woken relay: where something waits.
            waiting = [each for each in self.alliance.nodes.values() if has_unsent(each)]
            node = self.chance.choice(waiting) if waiting else node
        elif kind == "mail":
            node = self.alliance["notifications"]
        return self.work(kind, node)

    def work(self, kind: str, node: Node) -> tuple[str, str, Callable[[], str]]:
        """One turn of one part of a worker."""
        actions: dict[str, Callable[[], str]] = {
            "relay": lambda: self.relay(node),
            "deliver": lambda: self.deliver(node),
            "retry": lambda: f"{node.consumer.retry_due()} tried",
            "timer": lambda: self.timer(node),
            "mail": lambda: f"more: {node.desk.send_batch(node.assembly)}",
        }
        return kind, node.name, actions[kind]

    def command(self, command: Command) -> tuple[str, str, Callable[[], str]]:
        """A wish of somebody."""
        node = self.alliance[command.service]

        def run() -> str:
            before = node.connection.commits
            result: Any = None
            verb = command.name.split()[0]
            try:
                with node.assembly.begin(Cause(node.assembly.ids.new_id())) as work:
                    result = command.run(work)
                return f"{command.name}: granted"
            except Refusal as refusal:
                self.counts[f"refused.{refusal.code}"] += 1
                self.counts["commands.refused"] += 1
                return f"{command.name}: {refusal}"
            finally:
                # Stored is stored, whatever the caller was told.
                if node.connection.commits != before:
                    self.counts[f"stored.{verb}"] += 1
                    command.learn(result)

        return "command", command.service, run

    def relay(self, node: Node) -> str:
        """One batch out; sometimes another process believes itself the leader at the same time."""
        if self.faults.strikes("bus.second_leader"):
            second = node.assembly.relay(self.alliance.bus.publisher())
            self.alliance.bus.in_between = lambda: self._come_between(second.publish_waiting)
        try:
            confirmed, refused = node.relay.publish_waiting(more_waits=self._more_waits)
        finally:
            self.alliance.bus.in_between = _nobody
        self.counts["events.published"] += confirmed
        return f"{confirmed} confirmed, {refused} refused"

    def _more_waits(self) -> bool:
        """A commit's bell, heard or not: the last batch is marked behind the next publishing, or at once."""
        waits = self.chance.random() < 0.5
        self.counts["batches.unmarked"] += waits
        return waits

    def _come_between(self, publish: Callable[[], Any]) -> None:
        self.alliance.bus.in_between = _nobody
        self.counts["relay.overlaps"] += 1
        publish()

    def deliver(self, node: Node) -> str:
        """One batch in."""
        taken = self.alliance.bus.deliver(queue_of(node.name))
        self.counts["events.delivered"] += len(taken)
        CrashingFailpoints(self.faults).reach("consumer.after_acknowledge")
        return " ".join(f"{message.type.partition('.')[2]}/{message.subject[-4:]}" for message in taken) or "nothing"

    def timer(self, node: Node) -> str:
        """One timer of a service."""
        name, run = self.chance.choice(self.alliance.timers(node.name))
        return f"{name}, more: {run(node.assembly)}"

    def move_clock(self) -> str:
        """Time passes, or a clock goes wrong."""
        seconds = self.chance.choice((5.0, 60.0, 600.0))
        if self.chance.random() < DAYS_SHARE:
            seconds = self.chance.uniform(0.5, 9.0) * 86_400
            self.counts["clock.days"] += 1
        if self.faults.strikes("clock.forward"):
            seconds = 3_600.0
        elif self.faults.strikes("clock.back"):
            seconds = -3_600.0
        elif self.faults.strikes("clock.skew"):
            node = self.alliance[self.chance.choice(SERVICES)]
            node.clock.off_seconds = self.chance.uniform(-600.0, 600.0)
            return f"the clock of {node.name} is {node.clock.off_seconds:.0f} s off"
        self.alliance.clock.advance(seconds)
        return f"{seconds:.0f} s pass"

    # ---------------------------------------------------------------- the trace

    def _note(self, text: str) -> None:
        at = (self.alliance.clock.now() - self._start).total_seconds()
        line = f"{self.steps:4} {at:14.3f} {text}"
        self.lines.append(line)
        self._hash.update(line.encode())


def has_unsent(node: Node) -> bool:
    """Whether a relay would find something."""
    return bool(node.rows("SELECT 1 FROM outbox WHERE sent_at IS NULL LIMIT 1"))


def digest_of(alliance: Alliance) -> str:
    """A hash over every row of the four databases, for comparing two runs of a seed."""
    whole = hashlib.sha256()
    for node in alliance.nodes.values():
        for (table,) in node.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
            # Sealing draws its nonce from the operating system, as it must.
            columns = [name for _, name, *_ in node.rows(f"PRAGMA table_info({table})") if name != "sealed_private_key"]
            for row in node.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY rowid"):
                whole.update(repr(row).encode())
    return whole.hexdigest()


def complain(text: str) -> None:
    """What the product logged must not happen here."""
    raise Broken(text)


def _nobody() -> None:
    """Nobody comes in between."""
