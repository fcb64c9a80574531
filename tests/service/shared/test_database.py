"""What a database error may tell, and what an idle process may hold."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from shared.persistence.database import Database


def test_an_error_of_the_database_does_not_quote_the_values(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    ballot = sa.table("no_such_table", sa.column("choice"))

    with pytest.raises(sa.exc.DBAPIError) as failed, database.connect() as connection, connection.begin():
        connection.execute(sa.insert(ballot).values(choice="yes, unit seven"))
    database.dispose()

    assert "unit seven" not in str(failed.value)
    assert "unit seven" not in repr(failed.value)
