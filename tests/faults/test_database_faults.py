"""What PostgreSQL does to its clients: sessions ended, refusals of every kind, a full disk, a crash. Work goes on by itself."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.harness import MakeRig, Rig
from tests.faults.report import Report
from tests.servers import Broker, PostgreSQL, VirtualHost, containers
from tests.servers.postgresql import DURABLE
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(900)]

#: Statements refused in a row by a storm.
REFUSALS = 12
#: What a database says when it cannot, for the time being; each at every table the kernel writes to.
STATES = {"40001": "serialization failure", "40P01": "deadlock", "53100": "disk full"}
#: In the quick run.
QUICK_STATES, QUICK_TABLES = ("40001",), ("outbox", "inbox")
TABLES = {"said": "alpha", "outbox": "alpha", "inbox": "beta", "effects": "beta"}


@pytest.fixture(scope="module")
def pair_rig(durable_postgresql: PostgreSQL, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One pair for all faults: what one leaves behind, the next one's verdict would show."""
    with (
        broker.virtual_host() as room,
        Rig(durable_postgresql, broker_url=room.url, directory=tmp_path_factory.mktemp("database")) as rig,
    ):
        yield rig


def strike(rig: Rig, report: Report, name: str, fault: Callable[[], object], *, times: int = 1) -> None:
    """Under load, the fault; then a clean verdict, and no process has died of it."""
    deaths = [list(process.deaths) for process in rig.processes]
    with rig.loading(events=150):
        rig.wait_for_more_effects(20)
        with rig.fault():
            fault()
    verdict = rig.settle()
    report.add(name, verdict, times=times)
    verdict.assert_clean()
    assert [process.deaths for process in rig.processes] == deaths, rig.logs()


@pytest.mark.parametrize("service", [pytest.param("alpha", marks=pytest.mark.faults), "beta"])
def test_sessions_ended_by_the_database_are_opened_again(
    pair_rig: Rig, rounds: range, report: Report, service: str
) -> None:
    def end_sessions() -> None:
        for _ in range(3):
            ended = pair_rig.end_sessions(service)
            assert ended > 0, "nobody was connected"
            pair_rig.wait_for_more_effects(10)

    for _ in rounds:
        strike(pair_rig, report, f"database sessions of the {ROLES[service]} ended", end_sessions, times=3)


#: What the two services are here.
ROLES = {"alpha": "publisher", "beta": "consumer"}


@pytest.mark.parametrize(
    "table", [pytest.param(each, marks=[] if each in QUICK_TABLES else pytest.mark.faults) for each in TABLES]
)
def test_statements_refused_for_a_while_are_repeated(
    pair_rig: Rig, rounds: range, report: Report, table: str, *, thorough: bool
) -> None:
    for _ in rounds:
        for state in STATES if thorough else QUICK_STATES:
            with storm(pair_rig, table, state) as is_over:
                strike(
                    pair_rig,
                    report,
                    f"{STATES[state]} ({state}) in {table}",
                    lambda is_over=is_over: wait_until(is_over, "the end of the storm", seconds=60),  # type: ignore[misc]
                )


@contextlib.contextmanager
def storm(rig: Rig, table: str, state: str) -> Iterator[Callable[[], bool]]:
    """The next statements that write to the table are refused. A sequence counts them: it knows no rollback."""
    service = TABLES[table]
    rig.query(service, "CREATE SEQUENCE IF NOT EXISTS storm")
    rig.query(service, "SELECT setval('storm', 1, false)")
    rig.query(
        service,
        f"""
        CREATE OR REPLACE FUNCTION rage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF nextval('storm') <= {REFUSALS} THEN RAISE EXCEPTION 'storm' USING ERRCODE = '{state}'; END IF;
          RETURN NULL;
        END $$
        """,
    )
    rig.query(
        service, f"CREATE TRIGGER storm AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION rage()"
    )
    try:
        yield lambda: rig.query(service, "SELECT last_value > %s FROM storm", (REFUSALS,))[0][0]
    finally:
        rig.query(service, f"DROP TRIGGER storm ON {table}")


@pytest.mark.parametrize("service", ["alpha", pytest.param("beta", marks=pytest.mark.faults)])
def test_a_database_that_turned_read_only_is_written_to_when_it_may_be(
    pair_rig: Rig, rounds: range, report: Report, service: str
) -> None:
    def read_only() -> None:
        # Sessions keep what they began with, like those that a failover left at the standby.
        pair_rig.alter_database(service, "SET default_transaction_read_only = on")
        pair_rig.end_sessions(service)
        wait_until(lambda: is_refused(pair_rig, service), "a refusal", seconds=30)
        pair_rig.alter_database(service, "RESET default_transaction_read_only")

    for _ in rounds:
        strike(pair_rig, report, f"database of the {ROLES[service]} read-only", read_only)


def is_refused(rig: Rig, service: str) -> bool:
    """Somebody was told that nothing can be written."""
    if service == "alpha":
        return bool(rig.promised.unknown)
    return "ReadOnly" in rig.consumer.log()[-2_000:]


@pytest.mark.faults
def test_a_server_without_a_free_session_is_waited_for(pair_rig: Rig, rounds: range, report: Report) -> None:
    def take_every_session() -> None:
        with contextlib.ExitStack() as held:
            [first, *_] = take_all(pair_rig.postgresql, held)
            wait_until(lambda: turned_away(first, held), "a client that is turned away", seconds=40, every=0.1)

    def turned_away(first: psycopg.Connection[Any], held: contextlib.ExitStack) -> bool:
        # The service's sessions are ended as well, and whoever is quicker gets their places.
        first.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'faults_alpha%'")
        take_all(pair_rig.postgresql, held)
        return any("too many clients" in failure for failure in pair_rig.promised.failures)

    for _ in rounds:
        strike(pair_rig, report, "database without a free session", take_every_session)


def take_all(server: PostgreSQL, held: contextlib.ExitStack) -> list[psycopg.Connection[Any]]:
    """Hold every session the server has left."""
    taken = []
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            taken.append(held.enter_context(contextlib.closing(server.connect())))
    return taken


@pytest.mark.faults
def test_a_pool_of_one_is_enough_to_go_on(make_rig: MakeRig, rounds: range, report: Report) -> None:
    with make_rig(settings={"LIANMENG_DATABASE_POOL_SIZE": "1"}) as rig:
        for _ in rounds:
            strike(rig, report, "a pool of one session under load", lambda: rig.wait_for_more_effects(200))


def test_a_killed_database_comes_back_with_everything_it_acknowledged(
    pair_rig: Rig, rounds: range, report: Report
) -> None:
    chance = random.Random(7)

    def kill() -> None:
        pair_rig.wait_for_more_effects(chance.randrange(1, 60))
        pair_rig.postgresql.kill()
        pair_rig.postgresql.revive()

    for _ in rounds:
        strike(pair_rig, report, "database killed and restarted", kill)


@pytest.fixture
def small_disk() -> Iterator[PostgreSQL]:
    """A server with a tablespace on a disk of 32 MB."""
    try:
        server = containers.postgresql(DURABLE, small_disk="32m")
    except containers.NoContainers as error:
        pytest.skip(f"a disk of a size of our own takes a container: {error}")
    server.query(f"CREATE TABLESPACE small LOCATION '{containers.SMALL_DISK}'")
    yield server
    server.stop()


@pytest.mark.faults
@pytest.mark.docker
@pytest.mark.parametrize("service", ["alpha", "beta"])
def test_a_full_disk_is_waited_out(
    small_disk: PostgreSQL, virtual_host: VirtualHost, tmp_path: Path, rounds: range, report: Report, service: str
) -> None:
    # given a service whose tables are on a disk that somebody else fills up
    with Rig(small_disk, broker_url=virtual_host.url, directory=tmp_path) as rig:
        for table in ("said", "outbox") if service == "alpha" else ("inbox", "effects"):
            rig.query(service, f"ALTER TABLE {table} SET TABLESPACE small")
        for _ in rounds:
            strike(rig, report, f"disk of the {ROLES[service]} full", lambda: fill_up(rig, service))


def fill_up(rig: Rig, service: str) -> None:
    """Fill the disk to the last page, until the service has noticed; then make room."""
    rig.query(service, "CREATE TABLE filler (stuff TEXT STORAGE PLAIN) TABLESPACE small")
    try:
        for characters in (1_000_000, 7_000):
            with contextlib.suppress(psycopg.errors.DiskFull):
                while True:
                    rig.query(
                        service,
                        "INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, %s)",
                        (characters // 7_000,),
                    )
        if service == "alpha":
            wait_until(lambda: rig.promised.unknown, "a client that is refused", seconds=60)
        else:
            wait_until(lambda: "DiskFull" in rig.consumer.log(), "a consumer that is refused", seconds=60)
    finally:
        rig.query(service, "DROP TABLE filler")


def test_storms_are_felt(pair_rig: Rig) -> None:
    """The trigger of the storms does refuse: without it, every verdict above would be clean as well."""
    with storm(pair_rig, "effects", "40001") as is_over:
        assert not is_over()
        with pytest.raises(psycopg.errors.SerializationFailure):
            pair_rig.query("beta", "INSERT INTO effects (number, subject, sequence) VALUES (0, 'x', 1)")
