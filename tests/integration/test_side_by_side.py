"""Processes of one service side by side: one relay leads, and a commit in one wakes the others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from shared.persistence.database import Leadership
from tests.builders.kernel import Kernel, kernel_on
from tests.servers import PostgreSQL
from tests.waiting import wait_until


@pytest.fixture
def postgresql_kernel(postgresql: PostgreSQL, counter) -> Iterator[Kernel]:
    name = f"kernel_{counter()}"
    with kernel_on(postgresql.create_database(name)) as made:
        yield made
    postgresql.drop_database(name)


@pytest.mark.postgresql
def test_of_two_relays_one_leads_and_the_other_takes_over_when_it_dies(
    postgresql: PostgreSQL, postgresql_kernel: Kernel
) -> None:
    url = postgresql_kernel.database.url.render_as_string(hide_password=False)
    with kernel_on(url, create=False) as other:
        first = Leadership(postgresql_kernel.database, "relay")
        second = Leadership(other.database, "relay")

        assert first.ensure()
        assert first.ensure(), "asking again keeps it"
        assert not second.ensure()

        # The first leader's session dies with its process; here the server ends it.
        postgresql.query(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = %s)",
            [postgresql_kernel.database.url.database],
        )
        wait_until(second.ensure, "the second taking over")
        with pytest.raises(sa.exc.DBAPIError):
            first.ensure()
        assert not first.ensure()
        second.release()
        assert first.ensure()
        first.release()


@pytest.mark.postgresql
def test_a_commit_wakes_the_worker_of_another_process_within_milliseconds(postgresql_kernel: Kernel) -> None:
    url = postgresql_kernel.database.url.render_as_string(hide_password=False)
    with kernel_on(url, create=False) as other:
        rung = other.wakeups.listener()
        other.wakeups.hear_other_processes()
        assert rung.wait(10), "rung once on connecting, for what was missed before"
        postgresql_kernel.say("warm up")
        assert rung.wait(10)
        ringer = postgresql_kernel.wakeups._ringer
        assert ringer is not None
        delays = []
        for n in range(20):
            wait_until(lambda: not ringer._is_owed, "the last ring to be out")
            rung.clear()
            said_at = time.monotonic()
            postgresql_kernel.say(f"{n}")
            assert rung.wait(5), "no wake-up"
            delays.append(time.monotonic() - said_at)

        assert sorted(delays)[10] < 0.1, delays


@pytest.mark.postgresql
def test_wake_ups_resume_after_the_database_cut_their_connections(
    postgresql: PostgreSQL, postgresql_kernel: Kernel
) -> None:
    kernel = postgresql_kernel
    url = kernel.database.url.render_as_string(hide_password=False)
    with kernel_on(url, create=False) as other:
        rung = other.wakeups.listener()
        other.wakeups.hear_other_processes()
        kernel.say("before")
        assert rung.wait(10)

        postgresql.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [kernel.database.url.database]
        )

        def woken() -> bool:
            rung.clear()
            kernel.say("after")
            return rung.wait(0.5)

        wait_until(woken, "a wake-up after the cut")
