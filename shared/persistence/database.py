"""One service's database, and all differences between SQLite and PostgreSQL.

Opens connections lazily, so that nothing is shared across a fork. Transactions belong to `unit_of_work`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

#: How long SQLite waits for another writer before it gives up, in milliseconds. A unit of work lasts a few ms.
SQLITE_BUSY_MILLISECONDS = 10_000
#: PostgreSQL session limits: a request must not hang on a lock or a runaway statement, nor hold a transaction open.
POSTGRESQL_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=5s -c statement_timeout=20s -c idle_in_transaction_session_timeout=60s"
)
#: Seconds to wait for a TCP connection to PostgreSQL.
CONNECT_SECONDS = 5


class Database:
    """An engine with the house's settings."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = sa.make_url(url)
        self.is_postgresql = self.url.get_backend_name() == "postgresql"
        # Parameters are hidden: an error's text goes into logs and reasons, and values are votes, hashes, addresses.
        if self.is_postgresql:
            self.engine = sa.create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=pool_size,
                pool_timeout=10,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"options": POSTGRESQL_OPTIONS, "connect_timeout": CONNECT_SECONDS},
            )
        else:
            self._make_folder()
            self.engine = sa.create_engine(
                self.url, hide_parameters=True, connect_args={"check_same_thread": False, "timeout": 10}
            )
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[sa.Connection]:
        """A connection whose next transaction writes, or only reads."""
        options: dict[str, Any] = {"read_only": read_only}
        if self.is_postgresql and read_only:
            options["postgresql_readonly"] = True
        with self.engine.connect() as connection:
            yield connection.execution_options(**options)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _make_folder(self) -> None:
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction control begins deferred transactions behind our back; we begin them ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: what was acknowledged survives a power cut. Costs one fsync per commit.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MILLISECONDS}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # IMMEDIATE takes the write lock at once. A deferred transaction that reads and then writes fails with
    # SQLITE_BUSY at its first write, whatever the time-out, when another writer came between.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def insert_ignoring_conflicts(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], returning: sa.Column[Any]
) -> list[Any]:
    """INSERT … ON CONFLICT DO NOTHING; returns the `returning` values of the rows that really went in."""
    if not rows:
        return []
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing().returning(returning)
    # Rows as parameters: with the rows in it, a statement would be compiled anew each time, at 0.6 ms.
    return list(connection.execute(statement, [dict(row) for row in rows]).scalars())


def count_up(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], column: str) -> int:
    """Add one to a counter row, making it on first use; the row stays locked until the transaction ends."""
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(table)
        .values(**key, **{column: 1})
        .on_conflict_do_update(index_elements=list(key), set_={column: table.c[column] + 1})
        .returning(table.c[column])
    )
    return int(connection.execute(statement).scalar_one())


class Leadership:
    """At most one holder per database and name, given up when the process dies.

    PostgreSQL: a session's advisory lock on a connection of its own. SQLite: a lock within the process; the
    embedded mode locks its data folder, so there is only one process.
    """

    _local: ClassVar[dict[tuple[str, str], threading.Lock]] = {}
    _guard = threading.Lock()

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        self._connection: sa.Connection | None = None
        with self._guard:
            self._lock = self._local.setdefault((str(database.url), name), threading.Lock())
        self._holds_local = False

    def ensure(self) -> bool:
        """Take it, or check that it is still held. False: another process leads; ask again later."""
        if not self._database.is_postgresql:
            self._holds_local = self._holds_local or self._lock.acquire(blocking=False)
            return self._holds_local
        try:
            if self._connection is None:
                connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(self._key))):
                    connection.close()
                    return False
                self._connection = connection
            self._connection.execute(sa.text("SELECT 1"))
        except sa.exc.DBAPIError:
            self._forget()
            raise
        return True

    def release(self) -> None:
        """Let another process lead."""
        if self._holds_local:
            self._holds_local = False
            self._lock.release()
        if self._connection is not None:
            try:
                self._connection.execute(sa.select(sa.func.pg_advisory_unlock(self._key)))
            except sa.exc.DBAPIError:
                pass  # the connection is gone, and the lock with it
            finally:
                self._forget()

    def _forget(self) -> None:
        if self._connection is not None:
            # Invalidate rather than return to the pool: a pooled session would keep the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
