"""One service's database, and all differences between SQLite and PostgreSQL.

Opens connections lazily, so that nothing is shared across a fork. Transactions belong to `unit_of_work`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from shared.persistence.arrays import array_of, compiled_once

#: How long SQLite waits for another writer before it gives up, in milliseconds. A unit of work lasts a few ms.
SQLITE_BUSY_MILLISECONDS = 10_000
#: PostgreSQL session limits: a request must not hang on a lock or a runaway statement, nor hold a transaction open. The
#: server must notice a client that the network has forgotten, or that one's locks would stay for hours.
POSTGRESQL_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=5s -c statement_timeout=20s -c idle_in_transaction_session_timeout=20s"
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
)
#: Seconds to wait for a TCP connection to PostgreSQL.
CONNECT_SECONDS = 5
#: How libpq notices a server that has vanished, in seconds and probes, and in milliseconds for what it has sent: without
#: these a thread would wait for an answer for hours.
TCP_WATCH: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
#: After so long without a word from the leader, in seconds, the server ends its session: the process may be cut off, and
#: its successor waits for the lock. Longer than a relay takes to publish a batch; it says so before each.
LEADER_SILENCE_SECONDS = 30
#: SQLSTATE of a statement that would write where nothing may be written.
READ_ONLY_STATE = "25006"


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
                # The connection used last first: its session has the statements planned and the catalogue at hand.
                pool_use_lifo=True,
                hide_parameters=True,
                connect_args={"options": POSTGRESQL_OPTIONS, "connect_timeout": CONNECT_SECONDS, **TCP_WATCH},
            )
            sa.event.listen(self.engine, "handle_error", _leave_read_only_session)
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


def _leave_read_only_session(context: sa.engine.ExceptionContext) -> None:
    # A session keeps what it began with: read-only, or a standby that a failover has left behind. Kept in the pool, it
    # would refuse every later unit too, long after the database takes writes again.
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY_STATE:
        context.is_disconnect = True


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


def insert_many(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name the same columns, in their order."""
    if len(rows) > 1 and connection.dialect.name == "postgresql":
        names = tuple(rows[0])
        connection.execute(compiled_once(connection, _insert_listed, table, names), _as_arrays(names, rows))
    elif rows:
        connection.execute(table.insert(), [dict(row) for row in rows])


def insert_ignoring_conflicts(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    returning: sa.ColumnElement[Any],
    same: Mapping[str, Any] | None = None,
) -> list[Any]:
    """INSERT … ON CONFLICT DO NOTHING; returns the `returning` values of the rows that really went in.

    `same`: columns that have the same value in all rows.
    """
    same = same or {}
    if not rows:
        return []
    if connection.dialect.name == "postgresql":
        names = tuple(rows[0])
        statement = compiled_once(connection, _insert_listed_ignoring, table, names, tuple(same), returning)
        params = _as_arrays(names, rows) | {f"same_{name}": value for name, value in same.items()}
        return list(connection.execute(statement, params).scalars())
    if len(rows) == 1:
        values = {**rows[0], **same}
        statement = compiled_once(connection, _insert_one_ignoring, table, tuple(values), returning)
        params = {f"the_{name}": value for name, value in values.items()}
        return list(connection.execute(statement, params).scalars())
    inserted = sqlite.insert(table).on_conflict_do_nothing().returning(returning)
    # Rows as parameters: with the rows in it, a statement would be compiled anew each time, at 0.6 ms.
    return list(connection.execute(inserted, [{**row, **same} for row in rows]).scalars())


def _insert_listed(table: sa.Table, names: tuple[str, ...], same: tuple[str, ...] = ()) -> postgresql.Insert:
    """INSERT … SELECT … FROM unnest(…): one text however many rows, so nothing is planned or compiled anew.

    The rows go in in their order: identity columns count up along it.
    """
    arrays = [sa.bindparam(f"all_{name}", type_=array_of(table.c[name].type)) for name in names]
    listed = (
        sa.func.unnest(*arrays)
        .table_valued(*(sa.column(name, table.c[name].type) for name in names), name="listed")
        .render_derived()
    )
    alike = [sa.bindparam(f"same_{name}", type_=table.c[name].type) for name in same]
    return postgresql.insert(table).from_select([*names, *same], sa.select(*(listed.c[name] for name in names), *alike))


def _insert_listed_ignoring(
    table: sa.Table, names: tuple[str, ...], same: tuple[str, ...], returning: sa.ColumnElement[Any]
) -> Any:
    return _insert_listed(table, names, same).on_conflict_do_nothing().returning(returning)


def _insert_one_ignoring(table: sa.Table, names: tuple[str, ...], returning: sa.ColumnElement[Any]) -> Any:
    values = {name: sa.bindparam(f"the_{name}", type_=table.c[name].type) for name in names}
    return sqlite.insert(table).values(values).on_conflict_do_nothing().returning(returning)


def _as_arrays(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"all_{name}": [row[name] for row in rows] for name in names}


def listing(connection: sa.Connection, **columns: Sequence[str]) -> tuple[sa.Subquery, dict[str, Any]]:
    """Texts as a table of these columns, to join with, and the parameters that fill it: one statement for any length."""
    names = tuple(columns)
    if connection.dialect.name == "postgresql":
        return _listing_postgresql(names), {name: list(values) for name, values in columns.items()}
    return _listing_sqlite(names), {"listed": json.dumps(list(zip(*columns.values(), strict=True)))}


@lru_cache(maxsize=32)
def _listing_postgresql(names: tuple[str, ...]) -> sa.Subquery:
    arrays = [sa.bindparam(name, type_=array_of(sa.Text())) for name in names]
    listed = (
        sa.func.unnest(*arrays)
        .table_valued(*(sa.column(name, sa.Text) for name in names), name="listed")
        .render_derived()
    )
    return sa.select(*(listed.c[name] for name in names)).subquery("given")


@lru_cache(maxsize=32)
def _listing_sqlite(names: tuple[str, ...]) -> sa.Subquery:
    listed = sa.func.json_each(sa.bindparam("listed", type_=sa.Text)).table_valued("value", name="listed")
    texts = [sa.func.json_extract(listed.c.value, f"$[{n}]", type_=sa.Text).label(name) for n, name in enumerate(names)]
    return sa.select(*texts).subquery("given")


def is_among(connection: sa.Connection, column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether the column's value is in the list given as parameter `name`: one statement for any length."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.bindparam(name, type_=array_of(column.type)))
    return column.in_(sa.bindparam(name, expanding=True))


def count_up(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], column: str, by: int = 1) -> int:
    """Add to a counter row, making it on first use; the row stays locked until the transaction ends."""
    params = {f"key_{name}": value for name, value in key.items()}
    statement = compiled_once(connection, _count_up, connection.dialect.name, table, tuple(key), column)
    return int(connection.execute(statement, params | {"by": by}).scalar_one())


def _count_up(dialect: str, table: sa.Table, key: tuple[str, ...], column: str) -> Any:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    by = sa.bindparam("by", type_=table.c[column].type)
    values = {name: sa.bindparam(f"key_{name}", type_=table.c[name].type) for name in key}
    return (
        insert(table)
        .values({**values, column: by})
        .on_conflict_do_update(index_elements=key, set_={column: table.c[column] + by})
        .returning(table.c[column])
    )


def count_up_each(
    connection: sa.Connection, table: sa.Table, key: str, column: str, counts: Mapping[str, int]
) -> dict[str, int]:
    """`count_up` for many keys of one text column, each by its count.

    Always in the same order: two transactions with the same keys wait for one another, and never in a circle.
    """
    ordered = sorted(counts)
    if len(ordered) > 1 and connection.dialect.name == "postgresql":
        params = _as_arrays((key, column), [{key: name, column: counts[name]} for name in ordered])
        statement = compiled_once(connection, _count_up_listed, table, key, column)
        return {row[0]: row[1] for row in connection.execute(statement, params)}
    return {name: count_up(connection, table, {key: name}, column, counts[name]) for name in ordered}


def _count_up_listed(table: sa.Table, key: str, column: str) -> Any:
    statement = _insert_listed(table, (key, column))
    return statement.on_conflict_do_update(
        index_elements=[key], set_={column: table.c[column] + statement.excluded[column]}
    ).returning(table.c[key], table.c[column])


class Leadership:
    """At most one holder per database and name, given up when the process dies.

    PostgreSQL: a session's advisory lock on a connection of its own. SQLite: a lock within the process; the
    embedded mode locks its data folder, so there is only one process.
    """

    _local: ClassVar[dict[tuple[str, str], threading.Lock]] = {}
    _guard = threading.Lock()

    def __init__(self, database: Database, name: str, *, may_be_silent: bool = False) -> None:
        """`may_be_silent`: for who does something long under it and does not call `ensure` meanwhile."""
        self._database = database
        self._may_be_silent = may_be_silent
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
                if not self._may_be_silent:
                    # Not a setting of every session: those in the pool may be idle for as long as they like.
                    connection.exec_driver_sql(f"SET idle_session_timeout = '{LEADER_SILENCE_SECONDS}s'")
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
