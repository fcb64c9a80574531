"""A running worker and its operator: what is redriven is tried at once, and the worker's measurements tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from shared.messaging import parking
from shared.messaging.in_process import InProcess
from shared.messaging.inbox import DEFERRED, DONE, PARKED, inbox
from shared.messaging.parking import REDRIVE, Operator, Selection, Wish
from shared.runtime.assembly import Assembly, assemble, load_service
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from shared.runtime.worker import Worker
from shared.runtime.worker_http import serve_health
from tests.contracts.samples import SAMPLES
from tests.fixtures.assemblies import MakeAssembly
from tests.servers.ports import HOST, free_ports
from tests.waiting import wait_until

#: So long that nothing in these tests is found by looking without being woken, in seconds.
NEVER = 3_600.0


def admitted() -> bytes:
    [sample] = [each for each in SAMPLES if each.name == "membership.member.admitted.v1.json"]
    return json.dumps(sample.envelope).encode()


def states(assembly: Assembly) -> list[str]:
    with assembly.reading() as reading:
        return [row.state for row in reading.all(sa.select(inbox.c.state))]


@contextmanager
def working(assembly: Assembly) -> Iterator[Worker]:
    worker = Worker(assembly, InProcess())
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def redrive(assembly: Assembly) -> None:
    with assembly.begin() as work:
        parking.act(work, Operator("clerk", "command"), Wish(REDRIVE, Selection(states=(PARKED, DEFERRED))))


def test_what_is_redriven_is_tried_at_once(make_assembly: MakeAssembly) -> None:
    assembly = make_assembly("finance", clock=SystemClock(), poll_seconds=NEVER)
    with working(assembly) as worker:
        worker.consumer.accept_dead([admitted()])
        assert states(assembly) == [PARKED]

        redrive(assembly)

        wait_until(lambda: states(assembly) == [DONE], "the redriven event's effect", seconds=10)


def test_what_is_redriven_in_another_process_is_tried_at_once(make_assembly: MakeAssembly, database: str) -> None:
    if database != "postgresql":
        pytest.skip("several processes share a database on PostgreSQL only")
    assembly = make_assembly("finance", clock=SystemClock(), poll_seconds=NEVER)
    settings = Settings(service="finance", profile="test", database_url=assembly.settings.database_url)
    elsewhere = assemble(load_service("finance"), settings)
    try:
        with working(assembly) as worker:
            wait_until(lambda: _listens(assembly), "the worker listening")
            worker.consumer.accept_dead([admitted()])

            redrive(elsewhere)

            wait_until(lambda: states(assembly) == [DONE], "the redriven event's effect", seconds=10)
    finally:
        elsewhere.close()


def _listens(assembly: Assembly) -> bool:
    looking = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    with assembly.reading() as reading:
        return bool(reading.scalar(looking))


def test_the_workers_measurements_tell_of_dead_letters_parked_events_and_refusals(make_assembly: MakeAssembly) -> None:
    [port] = free_ports(1)
    assembly = make_assembly("finance", clock=SystemClock(), worker_port=port, poll_seconds=NEVER)
    with working(assembly) as worker, serve_health(assembly, worker):
        worker.consumer.accept_dead([admitted()])
        with assembly.begin() as work:  # no queue takes it: there is nobody else on this bus
            entry = {"entry_id": "e-1", "total_fen": 1, "currency": "CNY", "posted_on": "2026-03-02"}
            work.record("finance.entry.posted", subject="e-1", data=entry)
        wait_until(lambda: worker.relay.refusals, "the refusal")

        text = httpx.get(f"http://{HOST}:{port}/metrics").text

    found = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["lianmeng_consumed_events_total", "dead_lettered"] == 1
    assert found["lianmeng_consumed_events_total", "duplicates"] == 0
    assert found["lianmeng_relay_refusals_total", None] >= 1
    assert found["lianmeng_outbox_pending", None] == 1
    assert found["lianmeng_inbox_parked", None] == 1
    assert found["lianmeng_inbox_discarded", None] == 0
    assert found["lianmeng_inbox_oldest_parked_age_seconds", None] >= 0
    assert found["lianmeng_outbox_oldest_age_seconds", None] > 0
