"""In-memory databases that outlive the crash of their service and fail when chance says so.

Each service has one connection per process of ours, kept behind the house's own `Database`; a seed begins with a copy
of a founded alliance. Faults are raised where the driver would raise them, so that SQLAlchemy wraps them itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Self

import sqlalchemy as sa

from shared.persistence.database import Database
from tests.simulation.faults import Faults

#: For how many statements a database that is away stays so, at most.
AWAY_STATEMENTS_MAX = 12


class _Cursor(sqlite3.Cursor):
    """A cursor whose statements may fail before they do anything."""

    connection: KeptConnection

    def execute(self, sql: str, parameters: Any = ()) -> Self:
        """Run a statement, or fail as a database does that is locked or away."""
        self.connection.statement(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> Self:
        """The same for many rows."""
        self.connection.statement(sql)
        return super().executemany(sql, parameters)


class KeptConnection(sqlite3.Connection):
    """The one connection to an in-memory database. Closing it rolls back and keeps the database, as a file would."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.faults: Faults | None = None
        #: How many transactions have been stored.
        self.commits = 0
        self.on_commit: Callable[[], None] = lambda: None
        self.on_rollback: Callable[[], None] = lambda: None

    def cursor(self, _factory: Any = None) -> sqlite3.Cursor:  # type: ignore[override]  # a cursor class of our own only
        """A cursor that may fail."""
        return super().cursor(_Cursor)

    def statement(self, sql: str) -> None:
        """Fail here when chance says so."""
        faults = self.faults
        if faults is None or not faults.active or sql.startswith("PRAGMA"):
            return
        if not self._away and faults.strikes("database.away"):
            self._away = faults.chance.randint(2, AWAY_STATEMENTS_MAX)
        if self._away:
            self._away -= 1
            raise sqlite3.OperationalError("simulated: the database is away")
        if faults.strikes("database.statement"):
            raise sqlite3.OperationalError("simulated: database is locked")

    def commit(self) -> None:
        """Store the transaction, or fail before it, or fail to say that it was stored."""
        if self.in_transaction and self.total_changes != self._changes and self.faults is not None:
            if self.faults.strikes("database.commit"):
                raise sqlite3.OperationalError("simulated: disk I/O error")
            if self.faults.strikes("database.commit_unknown"):
                self._store()
                raise sqlite3.OperationalError("simulated: the connection was lost while committing")
        self._store()

    def rollback(self) -> None:
        """Undo the transaction."""
        super().rollback()
        self._changes = self.total_changes
        self.on_rollback()

    def close(self) -> None:
        """Let go: what was not committed is lost, the database stays."""
        self.rollback()

    def end(self) -> None:
        """Close for good."""
        super().close()

    def load(self, template: sqlite3.Connection) -> None:
        """Replace everything by a copy of another database."""
        super().rollback()
        template.backup(self)
        self.commits = 0
        self._away = 0
        self._changes = self.total_changes

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """What a query finds, past SQLAlchemy and past the faults: for whoever watches."""
        return sqlite3.Connection.cursor(self, sqlite3.Cursor).execute(sql, parameters).fetchall()

    _changes = 0
    #: Statements that will still fail because the database is away.
    _away = 0

    def _store(self) -> None:
        super().commit()
        if self.total_changes != self._changes:
            self._changes = self.total_changes
            self.commits += 1
            self.on_commit()


def keep(database: Database) -> KeptConnection:
    """Put the kept connection behind a `Database` on `sqlite://`: every connect gives it anew."""
    kept: KeptConnection = sqlite3.connect(":memory:", check_same_thread=False, factory=KeptConnection)

    def connect(*_: Any) -> KeptConnection:
        return kept

    sa.event.listen(database.engine, "do_connect", connect)
    return kept
