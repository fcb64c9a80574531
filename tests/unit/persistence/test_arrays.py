"""Lists as one parameter: PostgreSQL must read exactly what was put in, however it looks, and refuse what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.persistence.arrays import array_of, compiled_once, literal
from shared.persistence.columns import Utc, new_metadata
from shared.persistence.database import Database, insert_ignoring_conflicts, insert_many
from tests.servers import PostgreSQL

pytestmark = pytest.mark.postgresql

metadata = new_metadata()
things = sa.Table(
    "things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(5)),
    sa.Column("at", Utc),
    sa.Column("details", sa.JSON),
    sa.Column("body", sa.LargeBinary),
)
AT = datetime(2026, 3, 2, 9, 30, 15, 250, tzinfo=timezone(timedelta(hours=8)))


@pytest.fixture
def connection(postgresql: PostgreSQL, counter: Any) -> Iterator[sa.Connection]:
    name = f"arrays_{counter()}"
    database = Database(postgresql.create_database(name))
    metadata.create_all(database.engine)
    with database.connect() as connection, connection.begin():
        yield connection
    database.dispose()
    postgresql.drop_database(name)


def read_back(connection: sa.Connection, kind: sa.types.TypeEngine[Any], values: list[Any]) -> list[Any]:
    """What PostgreSQL understood."""
    statement = sa.select(sa.func.unnest(sa.bindparam("given", type_=array_of(kind)), type_=kind))
    return list(connection.execute(statement, {"given": values}).scalars())


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["NULL", "null", None],
        ['"', '","', "\\", '\\"', "{a,b}", " ", "\n\t", "'", "%s", ":name"],
        ["竹木协会", "🎋", "\u2003", "a\u0301"],
    ],
)
def test_texts_arrive_as_they_are(connection: sa.Connection, values: list[str | None]) -> None:
    assert read_back(connection, sa.Text(), values) == values


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.lists(st.none() | st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_texts_arrive_as_they_are(connection: sa.Connection, values: list[str | None]) -> None:
    assert read_back(connection, sa.Text(), values) == values


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (sa.BigInteger(), [0, -1, 2**62, None]),
        (sa.Boolean(), [True, None, False]),
        (sa.Date(), [date(2026, 3, 2), None]),
        (Utc(), [AT.astimezone(UTC), None]),
    ],
)
def test_other_values_arrive_as_they_are(
    connection: sa.Connection, kind: sa.types.TypeEngine[Any], values: list[Any]
) -> None:
    assert read_back(connection, kind, values) == values


def test_many_rows_keep_their_order_and_every_kind_of_value(connection: sa.Connection) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 3, "name": "c", "at": AT, "details": {"a": ['"']}, "body": b'\x00\\"'},
        {"id": 1, "name": None, "at": None, "details": [1], "body": None},
    ]

    insert_many(connection, things, rows)

    found = [row._asdict() for row in connection.execute(sa.select(things).order_by(things.c.id.desc()))]
    assert found == [{**rows[0], "at": AT.astimezone(UTC)}, rows[1]]


def test_a_text_too_long_for_its_column_is_refused_among_many_as_it_is_alone(connection: sa.Connection) -> None:
    rows = [{"id": 1, "name": "fits"}, {"id": 2, "name": "does not fit"}]

    with pytest.raises(sa.exc.DataError, match="too long"):
        insert_many(connection, things, rows)


def test_an_instant_without_its_zone_is_refused_among_many(connection: sa.Connection) -> None:
    rows = [{"id": number, "at": datetime(2026, 3, 2)} for number in (1, 2)]  # noqa: DTZ001 - the mistake in question

    with pytest.raises(sa.exc.StatementError, match="aware"):
        insert_many(connection, things, rows)


def test_what_is_the_same_in_all_rows_is_given_once(connection: sa.Connection) -> None:
    inserted = insert_ignoring_conflicts(
        connection, things, [{"id": 1}, {"id": 2}, {"id": 1}], things.c.id, {"name": "same", "at": AT}
    )

    assert inserted == [1, 2]
    found = connection.execute(sa.select(things.c.id, things.c.name, things.c.at)).all()
    assert [tuple(row) for row in found] == [(1, "same", AT), (2, "same", AT)]


def test_a_statement_is_built_once_for_a_database(connection: sa.Connection) -> None:
    built: list[int] = []

    def build(number: int) -> Any:
        built.append(number)
        return sa.select(sa.literal(number))

    for number in (1, 1, 2, 1):
        assert connection.execute(compiled_once(connection, build, number)).scalar() == number

    assert built == [1, 2]


def test_a_list_without_values_is_written_as_one() -> None:
    assert literal([]) == "{}"
