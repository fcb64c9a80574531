"""What a database error may tell, and what an idle process may hold."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.persistence.database import Database
from shared.runtime.assembly import assemble, load_service
from shared.runtime.settings import Settings
from shared.web.app_factory import create_app


def test_an_error_of_the_database_does_not_quote_the_values(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    ballot = sa.table("no_such_table", sa.column("choice"))

    with pytest.raises(sa.exc.DBAPIError) as failed, database.connect() as connection, connection.begin():
        connection.execute(sa.insert(ballot).values(choice="yes, unit seven"))
    database.dispose()

    assert "unit seven" not in str(failed.value)
    assert "unit seven" not in repr(failed.value)


def test_a_service_that_is_made_has_no_connection_yet(tmp_path: Path) -> None:
    """A web server may make it once and fork: a connection shared by two processes mixes up their transactions."""
    file = tmp_path / "service.sqlite"
    settings = Settings(service="finance", profile="test", database_url=f"sqlite:///{file}")

    assembly = assemble(load_service("finance"), settings)
    create_app(assembly)

    assert not file.exists()
    assembly.close()


def test_two_who_look_and_then_write_both_get_through(tmp_path: Path) -> None:
    """On SQLite a look that turns into a write fails at once where somebody wrote in between, whatever the time-out."""
    database = Database(f"sqlite:///{tmp_path / 'counter.sqlite'}")
    with database.connect() as connection, connection.begin():
        connection.execute(sa.text("CREATE TABLE counter AS SELECT 0 AS value"))
    both_have_looked = threading.Barrier(2)
    failures: list[Exception] = []

    def add_one() -> None:
        try:
            with database.connect() as connection, connection.begin():
                value = connection.scalar(sa.text("SELECT value FROM counter"))
                with contextlib.suppress(threading.BrokenBarrierError):  # as it should be: the other is not let in yet
                    both_have_looked.wait(0.5)
                connection.execute(sa.text("UPDATE counter SET value = :value"), {"value": value + 1})
        except sa.exc.DBAPIError as error:
            failures.append(error)

    threads = [threading.Thread(target=add_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.connect(read_only=True) as connection:
        value = connection.scalar(sa.text("SELECT value FROM counter"))
    database.dispose()

    assert failures == []
    assert value == 2
