"""Who leads has a lock of the database's, and loses it when it is not heard of for too long: its network may have gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from shared.persistence import database as database_module
from shared.persistence.database import Database, Leadership
from tests.servers import PostgreSQL
from tests.waiting import stays, wait_until

pytestmark = [pytest.mark.postgresql]


@pytest.fixture
def two(postgresql: PostgreSQL, counter, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Database]]:
    """The same database, as two processes have it; silence is allowed for a second."""
    monkeypatch.setattr(database_module, "LEADER_SILENCE_SECONDS", 1)
    name = f"leading_{counter()}"
    url = postgresql.create_database(name)
    both = Database(url), Database(url)
    yield both
    for each in both:
        each.dispose()
    postgresql.drop_database(name)


def test_a_leader_that_falls_silent_is_succeeded_and_learns_of_it(two: tuple[Database, Database]) -> None:
    # given a leader and one who stands by
    first, second = (Leadership(each, "relay") for each in two)
    assert first.ensure()
    assert not second.ensure()

    # when the leader is not heard of
    wait_until(second.ensure, "the successor", seconds=10)

    # then it is told when it comes back, and stands by
    with pytest.raises(sa.exc.DBAPIError):
        first.ensure()
    assert not first.ensure()
    second.release()


def test_a_leader_that_is_heard_of_stays(two: tuple[Database, Database]) -> None:
    first, second = (Leadership(each, "relay") for each in two)
    assert first.ensure()

    stays(lambda: first.ensure() and not second.ensure(), "leading", seconds=2.5, every=0.2)
    first.release()


def test_a_leader_that_may_be_silent_keeps_its_lock(two: tuple[Database, Database]) -> None:
    first, second = Leadership(two[0], "relay", may_be_silent=True), Leadership(two[1], "relay")
    assert first.ensure()

    stays(lambda: not second.ensure(), "leading in silence", seconds=2.5, every=0.2)
    first.release()
    assert second.ensure()
    second.release()
