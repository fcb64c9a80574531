"""Shadow tables: empty temporary tables under the names of real ones, on one connection.

Both databases look for a table among a connection's temporary ones first (SQLite: temp before main; PostgreSQL: pg_temp
before everything). So statements that know nothing of it fill the shadow, while the real tables are reached by their
schema. What was filled is then compared with the real rows, and the real ones mended, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from shared.errors import Conflict
from shared.persistence.unit_of_work import UnitOfWork

#: Rows compared in one go.
PAGE = 500

MISSING = "missing"
CHANGED = "changed"
EXTRA = "extra"


@dataclass(frozen=True)
class DerivedTable:
    """A table that holds nothing but what events said.

    Rows are matched by `key` (the primary key unless told otherwise); the columns `apart_from` are not compared, and
    stay as they are in a row that is mended.
    """

    table: sa.Table
    key: str = ""
    apart_from: Sequence[str] = ()

    @property
    def key_name(self) -> str:
        """The column by which rows are matched."""
        if self.key:
            return self.key
        [column] = self.table.primary_key.columns
        return column.name

    @property
    def compared(self) -> list[str]:
        """The columns that must agree."""
        return [each.name for each in self.table.columns if each.name not in (self.key_name, *self.apart_from)]


@dataclass(frozen=True)
class Difference:
    """One row on which the real table and its shadow disagree; `columns` are (name, real value, rebuilt value)."""

    table: str
    kind: str
    key: Any
    columns: tuple[tuple[str, Any, Any], ...] = ()


class Shadows:
    """The shadows of some tables, for the length of one transaction on a connection that is thrown away after it."""

    def __init__(self, work: UnitOfWork, tables: Iterable[sa.Table]) -> None:
        self._work = work
        connection = work.connection
        self._schema = "main"
        if connection.dialect.name == "postgresql":
            self._schema = work.scalar(sa.select(sa.func.current_schema()))
        for table in tables:
            create_temporary(connection, _without_foreign_keys(table))

    def live(self, table: sa.Table) -> sa.Table:
        """The real table."""
        return table.to_metadata(sa.MetaData(), schema=self._schema)

    def differences(self, derived: DerivedTable) -> Iterator[Difference]:
        """Rows that are missing or changed in the real table, then rows it should not have."""
        yield from self._lacking(derived)
        yield from self._extra(derived)

    def mend(self, tables: Sequence[DerivedTable]) -> int:
        """Make the real tables equal to their shadows; returns how many rows were touched.

        `tables` in the order in which rows may be inserted: those that others refer to first. Conflict
        `rebuild.rows_in_use` where a row that should not be there is needed by what is no part of the projection.
        """
        # A row may stand in the way of another by a key, or hold it by a reference: one of the two orders fits.
        try:
            with self._work.connection.begin_nested():
                return self._put_in(tables) + self._take_out(tables)
        except sa.exc.IntegrityError:
            try:
                return self._take_out(tables) + self._put_in(tables)
            except sa.exc.IntegrityError as error:
                raise Conflict("rebuild.rows_in_use", tables=", ".join(each.table.name for each in tables)) from error

    def _put_in(self, tables: Sequence[DerivedTable]) -> int:
        touched = 0
        for derived in tables:
            for found in self._lacking(derived):
                self._mend_row(derived, found)
                touched += 1
        return touched

    def _take_out(self, tables: Sequence[DerivedTable]) -> int:
        touched = 0
        for derived in reversed(tables):
            live = self.live(derived.table)
            for found in self._extra(derived):
                self._work.execute(live.delete().where(live.c[derived.key_name] == found.key))
                touched += 1
        return touched

    def _mend_row(self, derived: DerivedTable, found: Difference) -> None:
        live, shadow = self.live(derived.table), derived.table
        if found.kind == MISSING:
            names = [column.name for column in shadow.columns]
            row = sa.select(*shadow.columns).where(shadow.c[derived.key_name] == found.key)
            self._work.execute(live.insert().from_select(names, row))
        else:
            values = {name: rebuilt for name, _, rebuilt in found.columns}
            self._work.execute(live.update().where(live.c[derived.key_name] == found.key).values(values))

    def _lacking(self, derived: DerivedTable) -> Iterator[Difference]:
        live, names = self.live(derived.table), derived.compared
        for page in self._pages(derived.table, derived.key_name):
            keys = [row[derived.key_name] for row in page]
            found = {
                row[derived.key_name]: row
                for row in self._work.execute(sa.select(live).where(live.c[derived.key_name].in_(keys))).mappings()
            }
            for row in page:
                key = row[derived.key_name]
                if key not in found:
                    yield Difference(derived.table.name, MISSING, key)
                    continue
                columns = tuple((name, found[key][name], row[name]) for name in names if found[key][name] != row[name])
                if columns:
                    yield Difference(derived.table.name, CHANGED, key, columns)

    def _extra(self, derived: DerivedTable) -> Iterator[Difference]:
        live, shadow = self.live(derived.table), derived.table
        expected = sa.exists().where(shadow.c[derived.key_name] == live.c[derived.key_name])
        for page in self._pages(live, derived.key_name, ~expected):
            for row in page:
                yield Difference(derived.table.name, EXTRA, row[derived.key_name])

    def _pages(
        self, table: sa.Table, key_name: str, *conditions: sa.ColumnElement[bool]
    ) -> Iterator[Sequence[sa.RowMapping]]:
        """All rows by their key, some hundred at a time."""
        key = table.c[key_name]
        wanted = sa.select(table).where(*conditions).order_by(key).limit(PAGE)
        page = self._work.execute(wanted).mappings().all()
        while page:
            yield page
            page = self._work.execute(wanted.where(key > page[-1][key_name])).mappings().all()


def create_temporary(connection: sa.Connection, table: sa.Table) -> None:
    """Make a table with its indexes for this connection alone."""
    connection.execute(sa.schema.CreateTable(table))
    for index in table.indexes:
        connection.execute(sa.schema.CreateIndex(index))


def keep_writers_out(work: UnitOfWork, table: sa.Table) -> None:
    """Until the unit ends, nobody else writes this table; reading goes on. On SQLite the unit itself sees to that."""
    if work.connection.dialect.name == "postgresql":
        name = work.connection.dialect.identifier_preparer.quote(table.name)
        work.execute(sa.text(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"))


def take_time(work: UnitOfWork) -> None:
    """Lift the limits that keep requests short: a rebuild may take minutes, and waits for pages in between."""
    if work.connection.dialect.name == "postgresql":
        work.execute(sa.text("SET LOCAL statement_timeout = 0"))
        work.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _without_foreign_keys(table: sa.Table) -> sa.Table:
    """The same columns and unique keys. What a shadow would refer to may have no shadow, or be filled later."""
    assert not any(index.unique for index in table.indexes), f"{table.name}: say unique keys as constraints"
    columns = [
        sa.Column(each.name, each.type, primary_key=each.primary_key, nullable=each.nullable, autoincrement=False)
        for each in table.columns
    ]
    unique = [
        sa.UniqueConstraint(*(column.name for column in each.columns))
        for each in table.constraints
        if isinstance(each, sa.UniqueConstraint)
    ]
    return sa.Table(table.name, sa.MetaData(), *columns, *unique, prefixes=["TEMPORARY"])
