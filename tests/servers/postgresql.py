"""A PostgreSQL server of the test session: where it is, and databases made and dropped in it.

Knows nothing of how the server was had; `containers` and `local` make one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

#: Settings for tests whose subject is not durability: a crash of the test machine may lose everything.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "max_connections": "300",
    "autovacuum": "off",
}
#: Settings for measurements and crash tests: what an operator runs.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "max_connections": "300"}


@dataclass(frozen=True)
class PostgreSQL:
    """Address and administrator of one server. `how` says for people what kind of server this is."""

    host: str
    port: int
    user: str
    password: str
    how: str
    stop: Callable[[], None] = field(repr=False, compare=False)
    #: SIGKILL to every process of the server, as a power cut would; and its start at the same address.
    kill: Callable[[], None] = field(repr=False, compare=False)
    revive: Callable[[], None] = field(repr=False, compare=False)

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database, for psycopg 3."""
        return f"postgresql+psycopg://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of its own in autocommit, for looking over the shoulder of the code under test."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def answers(self) -> bool:
        """Whether it takes a query."""
        try:
            return bool(self.query("SELECT 1"))
        except psycopg.Error:
            return False

    def query(self, statement: str, params: Sequence[Any] = (), *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Rows of one statement in its own session."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Make a database, as a copy of `template`; returns its URL."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, cutting whoever is still connected."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
