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

from shared.persistence.database import Database, insert_ignoring_conflicts
from shared.persistence.wakeups import Wakeups
from shared.runtime.clock import Clock
from shared.runtime.identifiers import Identifiers


@dataclass(frozen=True)
class Cause:
    """Why a unit runs: the story it belongs to, and the event or request that started it."""

    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None


class Recorder(Protocol):
    """Writes an event into the outbox of the unit's transaction."""

    def __call__(
        self,
        work: UnitOfWork,
        event_type: str,
        *,
        subject: str,
        data: Mapping[str, Any],
        correlation_id: str,
        article: str | None,
    ) -> str:
        """Returns the event's id."""
        ...


class Reading:
    """A consistent look at one service's database."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self.connection = connection
        #: The one instant of this unit: all its rows and events carry the same time.
        self.now = now

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
        #: Whether this unit has recorded an event: then the relay has work.
        self.has_recorded = False
        self._callbacks: list[Callable[[], None]] = []

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

        `correlation_id` defaults to the cause's; commands on a stored application or ballot pass the one stored
        with it, so that a story told over days keeps one thread.
        """
        self.has_recorded = True
        return self._recorder(
            self,
            event_type,
            subject=subject,
            data=data,
            correlation_id=correlation_id or self.cause.correlation_id,
            article=article,
        )

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

    def run_callbacks(self) -> None:
        """Called once by the factory after the commit."""
        for callback in self._callbacks:
            callback()


class Units:
    """Opens units of work on one database."""

    def __init__(
        self, database: Database, wakeups: Wakeups, clock: Clock, ids: Identifiers, recorder: Recorder
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._clock = clock
        self._ids = ids
        self._recorder = recorder

    @contextmanager
    def begin(self, cause: Cause | None = None, *, quiet: bool = False) -> Iterator[UnitOfWork]:
        """A unit that commits when the block ends and rolls back when an exception leaves it.

        `quiet` units wake nobody: for bookkeeping, such as the relay's own, that gives nobody work.
        """
        cause = cause or Cause(correlation_id=self._ids.new_id())
        with self._database.connect() as connection, connection.begin() as transaction:
            work = UnitOfWork(connection, self._clock.now(), ids=self._ids, cause=cause, recorder=self._recorder)
            yield work
            try:
                transaction.commit()
            except BaseException:
                # SQLAlchemy takes the transaction for over; SQLite keeps it open (a deferred check failed, the disk is
                # full). Back in the pool, the connection would fail whoever begins next.
                connection.invalidate()
                raise
        if not quiet:
            self._wakeups.ring(events=work.has_recorded)
        work.run_callbacks()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read-only look."""
        with self._database.connect(read_only=True) as connection, connection.begin():
            yield Reading(connection, self._clock.now())
