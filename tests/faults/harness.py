"""The rig of the fault tests: alpha counts, beta writes down, each in real processes that are started again when they die.

    with Rig(postgresql, broker_url=room.url, directory=tmp_path) as rig:
        with rig.loading(events=600, per_second=200):
            rig.wait_for_effects(100)
            with rig.fault():
                rig.consumer.kill()
        rig.settle().assert_clean()

Nobody restarts anything by hand. The rig looks into the databases; it uses no part of the product to judge it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import psycopg

from shared.runtime.assembly import Assembly, assemble
from shared.runtime.settings import Settings
from tests.deployment.process import base_environment
from tests.faults import pair
from tests.faults.load import Load
from tests.faults.supervision import Supervised
from tests.faults.verdict import Effect, Promised, Verdict, judge
from tests.servers import PostgreSQL
from tests.waiting import Late, wait_until

#: Within this, everything must have drained after a fault has ended, in seconds.
RECOVERY_SECONDS = 60.0
#: How long a load may take beyond its own length before it is given up, in seconds.
LOAD_PATIENCE_SECONDS = 90.0
#: Within this, the last event of a run must come through, in seconds.
FENCE_SECONDS = 20.0
#: Subject of the last event of every run: when it has come through, everything before it has.
FENCE = "fence"

_runs = itertools.count(1)


class Rig:
    """The pair, running inside the block. `settings` are added to every process' environment."""

    def __init__(
        self,
        postgresql: PostgreSQL,
        *,
        broker_url: str,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        consumer_settings: Mapping[str, str] | None = None,
        relay_settings: Mapping[str, str] | None = None,
        database_url: Callable[[str], str] | None = None,
        prepare_broker_url: str | None = None,
        consumers: int = 1,
        relays: int = 1,
    ) -> None:
        """`database_url` and `broker_url` may lead through a proxy; `prepare_broker_url` past it, to declare the queue.

        With more than one consumer or relay, the further ones stand by.
        """
        self.postgresql = postgresql
        self.directory = directory
        run = next(_runs)
        self._databases = {service: f"faults_{service}_{run}" for service in ("alpha", "beta")}
        self._settings = dict(settings or {})
        self.broker_url = broker_url
        self._prepare_broker_url = prepare_broker_url or broker_url
        self._database_url = database_url or postgresql.url
        self.relays = [
            self._supervised(f"relay-{index}", "relay", "alpha", relay_settings) for index in range(1, relays + 1)
        ]
        self.consumers = [
            self._supervised(f"consumer-{index}", "consumer", "beta", consumer_settings)
            for index in range(1, consumers + 1)
        ]
        self.relay, self.consumer = self.relays[0], self.consumers[0]
        self.speaker = self._supervised("speaker", "speaker", "alpha", {})
        self.promised = Promised()
        self._next_number = 1
        self._fault_ended_at: float | None = None
        # What earlier verdicts were about: each judges what happened since the one before.
        self._judged_effects = 0
        self._judged_open: set[int] = set()

    # ------------------------------------------------------------ beginning and end
    def __enter__(self) -> Self:
        for database in self._databases.values():
            self.postgresql.create_database(database)
        try:
            self._prepare()
            for process in self.processes:
                process.start()
            # Only a pair that works can be broken: a fault during start-up would be another test.
            self.load(events=1, per_second=1)
            self.wait_for_effects(1)
        except BaseException as error:
            error.add_note(self.logs())
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def processes(self) -> list[Supervised]:
        """All of them."""
        return [self.speaker, *self.relays, *self.consumers]

    def _prepare(self) -> None:
        environments = {
            service: {
                **self._environment(service),
                "LIANMENG_BROKER_URL": self._prepare_broker_url,
                "LIANMENG_DATABASE_URL": self.postgresql.url(self._databases[service]),
            }
            for service in self._databases
        }
        pair.prepare(self.directory, environments)

    def _end(self) -> None:
        for process in self.processes:
            process.close()
        for database in self._databases.values():
            self.postgresql.drop_database(database)

    def _environment(self, service: str) -> dict[str, str]:
        return {
            **base_environment(),
            "LIANMENG_PROFILE": "test",
            "LIANMENG_LOG_LEVEL": "INFO",
            "LIANMENG_DATABASE_URL": self._database_url(self._databases[service]),
            "LIANMENG_BROKER_URL": self.broker_url,
            "LIANMENG_WORKER_PORT": "0",
            **self._settings,
        }

    def _supervised(self, name: str, role: str, service: str, settings: Mapping[str, str] | None) -> Supervised:
        command = [sys.executable, "-m", "tests.faults.pair", role, str(self.directory)]
        environment = {**self._environment(service), **(settings or {})}
        return Supervised(name, command, environment, self.directory, piped=role == "speaker")

    # ------------------------------------------------------------ load
    @contextlib.contextmanager
    def loading(
        self,
        *,
        events: int = 500,
        per_second: float = 200,
        subjects: int = 40,
        mood: str = "",
        seed: int = 1,
        subject: str = "",
        patience: float = LOAD_PATIENCE_SECONDS,
    ) -> Iterator[Load]:
        """Numbers are said in the background as long as the block lasts, and until there are so many `events`."""
        load = Load(
            self.speaker,
            self.promised,
            first=self._next_number,
            events=events,
            per_second=per_second,
            subjects=subjects,
            mood=mood,
            seed=seed,
            subject=subject,
        )
        load.start()
        try:
            yield load
            load.finish(events / per_second + patience)
        finally:
            load.give_up()
            self._next_number = load.next_number

    def load(self, *, events: int = 500, per_second: float = 200, **options: Any) -> range:
        """Say numbers and wait until all are acknowledged; returns them. Options as for `loading`."""
        first = self._next_number
        with self.loading(events=events, per_second=per_second, **options):
            pass
        return range(first, self._next_number)

    @contextlib.contextmanager
    def fault(self) -> Iterator[None]:
        """The fault lasts as long as the block: from its end on, recovery is measured. The last one counts."""
        try:
            yield
        finally:
            self._fault_ended_at = time.monotonic()

    # ------------------------------------------------------------ looking
    def query(self, service: str, statement: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """Look into `alpha`'s or `beta`'s database past the service."""
        return self.postgresql.query(statement, params, database=self._databases[service])

    def effects(self) -> list[Effect]:
        """What beta did since the last verdict, in the order it did it."""
        rows = self.query(
            "beta", "SELECT number, subject, sequence FROM effects WHERE id > %s ORDER BY id", (self._judged_effects,)
        )
        return [Effect(*row) for row in rows]

    def count_effects(self) -> int:
        """How many things beta has done."""
        return int(self.query("beta", "SELECT count(*) FROM effects")[0][0])

    def unsent(self) -> int:
        """How many events wait in alpha's outbox."""
        return int(self.query("alpha", "SELECT count(*) FROM outbox WHERE sent_at IS NULL")[0][0])

    def wait_for_effects(self, count: int, seconds: float = RECOVERY_SECONDS) -> None:
        """Wait until beta has done so many things."""
        wait_until(
            lambda: self.count_effects() >= count,
            f"{count} effects",
            seconds=seconds,
            ignoring=(psycopg.Error,),
        )

    def wait_for_more_effects(self, count: int, seconds: float = RECOVERY_SECONDS) -> None:
        """Wait until beta has done so many things more: work goes on."""
        self.wait_for_effects(self.count_effects() + count, seconds)

    def has_effect(self, number: int) -> bool:
        """Whether beta has written this number down."""
        return bool(self.query("beta", "SELECT 1 FROM effects WHERE number = %s", (number,)))

    def wait_for_effects_of(self, numbers: range) -> None:
        """Wait until beta has written all of these down."""
        count = "SELECT count(DISTINCT number) FROM effects WHERE number BETWEEN %s AND %s"
        wait_until(
            lambda: self.query("beta", count, (numbers[0], numbers[-1]))[0][0] == len(numbers),
            "their effects",
            seconds=RECOVERY_SECONDS,
            ignoring=(psycopg.Error,),
        )

    def parked(self) -> list[tuple[int, str]]:
        """Numbers parked at beta, with the reason."""
        rows = self.query("beta", "SELECT body, reason FROM inbox WHERE state = 'parked' ORDER BY received_at")
        return [(_number_in(body), reason) for body, reason in rows]

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {each.name}, deaths {each.deaths}\n{each.log()}" for each in self.processes)

    # ------------------------------------------------------------ doing
    def end_sessions(self, service: str) -> int:
        """End every session of the service's database; returns how many there were."""
        rows = self.postgresql.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._databases[service],)
        )
        return len(rows)

    def alter_database(self, service: str, change: str) -> None:
        """`ALTER DATABASE` with this change, which sessions opened from now on see."""
        self.postgresql.query(f"ALTER DATABASE {self._databases[service]} {change}")

    @contextlib.contextmanager
    def inside(self, service: str) -> Iterator[Assembly]:
        """The service's assembly in this process, for what an operator or a crowd of writers does."""
        manifest = {"alpha": pair.alpha, "beta": pair.beta}[service]
        settings = Settings.from_environment(service, self._environment(service))
        assembly = assemble(manifest(self.directory), settings)
        try:
            yield assembly
        finally:
            assembly.close()

    # ------------------------------------------------------------ judging
    def settle(self, *, within: float = RECOVERY_SECONDS) -> Verdict:
        """Wait until everything has drained, then classify what was said since the last verdict.

        A late effect of what an earlier verdict judged counts as unexpected in this one.
        """
        ended_at = self._fault_ended_at or time.monotonic()
        self._fault_ended_at = None
        recovery: float | None
        try:
            wait_until(self._is_drained, "drained", seconds=within, every=0.05, ignoring=(psycopg.Error,))
            recovery = time.monotonic() - ended_at
            self._pass_the_fence()
        except Late:
            recovery = None
        if recovery is not None and recovery > within:
            recovery = None
        verdict = self._judged(recovery)
        self._begin_anew(verdict)
        return verdict

    def _judged(self, recovery: float | None) -> Verdict:
        deferred, held, parked = (self._numbers("beta", which) for which in (DEFERRED, HELD_BACK, PARKED))
        unsent = self._numbers("alpha", UNSENT)
        return judge(
            self.promised,
            self.effects(),
            parked=(parked | held) - self._judged_open,
            waiting=((deferred - held) | unsent) - self._judged_open,
            recovery_seconds=recovery,
        )

    def _begin_anew(self, verdict: Verdict) -> None:
        self.promised = Promised()
        self._judged_effects = int(self.query("beta", "SELECT coalesce(max(id), 0) FROM effects")[0][0])
        self._judged_open |= {*verdict.parked, *verdict.stuck}

    def _is_drained(self) -> bool:
        if self.unsent():
            return False
        deferred, held, parked = (self._numbers("beta", which) for which in (DEFERRED, HELD_BACK, PARKED))
        if deferred - held:
            return False
        had = {effect.number for effect in self.effects()}
        return all(number in had or number in held or number in parked for number in self.promised.acknowledged)

    def _numbers(self, service: str, statement: str) -> set[int]:
        return {_number_in(body) for (body,) in self.query(service, statement)}

    def _pass_the_fence(self) -> None:
        number = self._next_number
        with self.loading(events=1, subject=FENCE, patience=FENCE_SECONDS):
            pass
        wait_until(
            lambda: self.has_effect(number),
            "the fence",
            seconds=FENCE_SECONDS,
            ignoring=(psycopg.Error,),
        )


#: Makes a rig on the session's servers; keywords are `Rig`'s own. The fixture `make_rig` is one.
MakeRig = Callable[..., Rig]

UNSENT = "SELECT envelope FROM outbox WHERE sent_at IS NULL"
DEFERRED = "SELECT body FROM inbox WHERE state = 'deferred'"
PARKED = "SELECT body FROM inbox WHERE state = 'parked'"
#: Deferred only because an earlier event of their subject is parked.
HELD_BACK = """
SELECT d.body FROM inbox d WHERE d.state = 'deferred' AND EXISTS (
  SELECT 1 FROM inbox p
  WHERE p.state = 'parked' AND p.source = d.source AND p.subject = d.subject AND p.sequence < d.sequence)
"""


def _number_in(body: bytes | str) -> int:
    """The number an envelope carries; 0 where it carries none."""
    try:
        return int(json.loads(body if isinstance(body, str) else bytes(body))["data"]["number"])
    except (ValueError, KeyError, TypeError):
        return 0
