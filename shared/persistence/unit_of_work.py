"""The unit of work: the only place that commits.

Everything a request or an event changes, and the events it gives rise to, is one transaction: all of it is stored
or nothing. Commands and reactions receive a unit; they never commit, and never open a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from shared.persistence.database import Database, insert_ignoring_conflicts, insert_many
from shared.persistence.wakeups import Wakeups
from shared.runtime.clock import Clock
from shared.runtime.failpoints import Failpoints
from shared.runtime.identifiers import Identifiers


@dataclass(frozen=True)
class Cause:
    """Why a unit runs: the story it belongs to, and the event or request that started it."""

    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None


class Recorded(Protocol):
    """An event that a unit has recorded and not yet written."""

    @property
    def event_id(self) -> str:
        """The event's id."""
        ...

    @property
    def type(self) -> str:
        """The event's type."""
        ...


class Recorder(Protocol):
    """Writes events into the outbox of a unit's transaction."""

    def note(
        self,
        work: UnitOfWork,
        event_type: str,
        *,
        subject: str,
        data: Mapping[str, Any],
        correlation_id: str,
        article: str | None,
    ) -> Recorded:
        """Check an event against its contract and give it an id; nothing is written yet."""
        ...

    def write(self, connection: sa.Connection, recorded: Sequence[Any]) -> None:
        """Write what was noted, in that order."""
        ...


class Reading:
    """A consistent look at one service's database."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        #: The one instant of this unit: all its rows and events carry the same time.
        self.now = now

    @property
    def connection(self) -> sa.Connection:
        """Where the statements go."""
        return self._connection

    def execute(self, statement: sa.Executable, params: Any = None) -> sa.CursorResult[Any]:
        """Run a statement."""
        return self.connection.execute(statement, params)

    def first(self, statement: sa.Executable) -> sa.Row[Any] | None:
        """The first row, or None."""
        return self.connection.execute(statement).first()

    def one(self, statement: sa.Executable) -> sa.Row[Any]:
        """The only row; anything else is a bug."""
        return self.connection.execute(statement).one()

    def all(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Every row. The caller sets the limit."""
        return self.connection.execute(statement).all()

    def scalar(self, statement: sa.Executable) -> Any:
        """The first column of the first row, or None."""
        return self.connection.execute(statement).scalar()


class UnitOfWork(Reading):
    """A transaction that may change things and record events."""

    def __init__(
        self, connection: sa.Connection, now: datetime, *, ids: Identifiers, cause: Cause, recorder: Recorder
    ) -> None:
        super().__init__(connection, now)
        self.ids = ids
        self.cause = cause
        self._recorder = recorder
        self._unwritten: list[Recorded] = []
        #: Types of the events recorded so far.
        self.recorded_types: list[str] = []
        self._added: dict[sa.Table, list[Mapping[str, Any]]] = {}
        #: Whether this unit has made deferred events fall due: then the consumer has work.
        self.has_made_due = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def connection(self) -> sa.Connection:
        """Where the statements go. Rows added so far are written first, so that every statement sees them."""
        self._write_added()
        return self._connection

    def add(self, table: sa.Table, values: Mapping[str, Any]) -> None:
        """Insert a row, together with the others of its table, before the next statement or the commit.

        For rows that come by the hundred: a batch of events that each add one becomes one statement. All rows added
        to a table in one unit name the same columns. A conflict is an error, and shows when the rows are written.
        """
        self._added.setdefault(table, []).append(values)

    def record(
        self,
        event_type: str,
        *,
        subject: str,
        data: Mapping[str, Any],
        correlation_id: str | None = None,
        article: str | None = None,
    ) -> str:
        """Record an event: it is published if, and only if, this unit commits. Returns the event's id.

        It is written with all others of the unit just before the commit; its sequence is given then.

        `correlation_id` defaults to the cause's; commands on a stored application or ballot pass the one stored
        with it, so that a story told over days keeps one thread.
        """
        recorded = self._recorder.note(
            self,
            event_type,
            subject=subject,
            data=data,
            correlation_id=correlation_id or self.cause.correlation_id,
            article=article,
        )
        self._unwritten.append(recorded)
        self.recorded_types.append(recorded.type)
        return recorded.event_id

    def lock(self, statement: sa.Select[Any]) -> sa.Row[Any] | None:
        """The first row, locked until the unit ends. On SQLite the unit already excludes all other writers."""
        return self.connection.execute(statement.with_for_update()).first()

    def insert_if_absent(self, table: sa.Table, values: Mapping[str, Any]) -> bool:
        """Insert one row unless a unique key already has it; says whether it went in."""
        key = next(iter(table.primary_key.columns))
        return bool(insert_ignoring_conflicts(self.connection, table, [values], key))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the unit is stored. Not called when it rolls back."""
        self._callbacks.append(callback)

    def write(self) -> None:
        """Write what was added and recorded. Called by the factory before the commit.

        Events last, all at once: the counters of their subjects stay locked no longer than they must.
        """
        self._write_added()
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            self._recorder.write(self._connection, unwritten)

    def _write_added(self) -> None:
        added, self._added = self._added, {}
        for table, rows in added.items():
            insert_many(self._connection, table, rows)

    def run_callbacks(self) -> None:
        """Called once by the factory after the commit."""
        for callback in self._callbacks:
            callback()


class Units:
    """Opens units of work on one database."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        clock: Clock,
        ids: Identifiers,
        recorder: Recorder,
        failpoints: Failpoints | None = None,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._clock = clock
        self._ids = ids
        self._recorder = recorder
        self._failpoints = failpoints or Failpoints()

    @contextmanager
    def begin(self, cause: Cause | None = None, *, quiet: bool = False) -> Iterator[UnitOfWork]:
        """A unit that commits when the block ends and rolls back when an exception leaves it.

        `quiet` units wake nobody: for bookkeeping, such as the relay's own, that gives nobody work.
        """
        cause = cause or Cause(correlation_id=self._ids.new_id())
        with self._database.connect() as connection, connection.begin() as transaction:
            work = UnitOfWork(connection, self._clock.now(), ids=self._ids, cause=cause, recorder=self._recorder)
            yield work
            work.write()
            if not quiet:
                self._failpoints.reach("command.before_commit", work.recorded_types)
            try:
                transaction.commit()
            except BaseException:
                # SQLAlchemy takes the transaction for over; SQLite keeps it open (a deferred check failed, the disk is
                # full). Back in the pool, the connection would fail whoever begins next.
                connection.invalidate()
                raise
        if not quiet:
            self._failpoints.reach("command.after_commit", work.recorded_types)
            self._wakeups.ring(events=bool(work.recorded_types), due=work.has_made_due)
        work.run_callbacks()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read-only look."""
        with self._database.connect(read_only=True) as connection, connection.begin():
            yield Reading(connection, self._clock.now())
