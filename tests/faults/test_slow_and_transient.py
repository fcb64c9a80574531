"""Reactions that fail for a while or take too long: tried again on schedule, nobody else waits, the connection is kept."""

from __future__ import annotations

import itertools
import json
import statistics
from datetime import timedelta

import pytest
import sqlalchemy as sa

from shared.errors import Unavailable
from shared.messaging.envelope import Event
from shared.messaging.inbox import inbox
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, envelope_of, kernel_on, write_down
from tests.faults.harness import MakeRig, Rig
from tests.faults.report import Report
from tests.faults.verdict import Effect, Promised, judge
from tests.servers import PostgreSQL
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(600)]

#: A reaction takes so many heartbeats. The heartbeat is 2 s in the quick run, or it would take half a minute.
HEARTBEATS = 3.2
#: Nobody else's events may come so much later than without the fault, in seconds.
DELAY_SECONDS_MAX = 1.0


@pytest.mark.parametrize("failures", range(1, len(EVENT_DELAYS_SECONDS) + 1))
def test_a_reaction_that_fails_some_times_is_tried_again_on_schedule_until_it_works(
    postgresql: PostgreSQL, rounds: range, report: Report, failures: int
) -> None:
    for round_number in rounds:
        clock = ManualClock(START)
        name = f"transient_{failures}_{round_number}"
        calls: list[float] = []

        def fail(work: UnitOfWork, event: Event, calls: list[float] = calls, clock: ManualClock = clock) -> None:
            calls.append(clock.monotonic())
            if len(set(calls)) <= failures:  # the first attempt calls twice, at one instant
                raise Unavailable("server.unavailable")
            write_down(work, event)

        # given an event whose reaction fails so many times
        with kernel_on(postgresql.create_database(name), clock=clock) as kernel:
            consumer = kernel.consumer(reaction=fail)
            consumer.accept([json.dumps(envelope_of("late", id="late-1")).encode()])

            # when time passes to the very moment of each next attempt, and not a moment before
            for _ in range(failures):
                with kernel.units.reading() as reading:
                    due: timedelta = reading.scalar(sa.select(inbox.c.next_attempt_at)) - clock.now()
                clock.advance(due.total_seconds() - 0.001)
                assert consumer.retry_due() == 0
                clock.advance(0.002)
                assert consumer.retry_due() == 1
            words = kernel.words()
        postgresql.drop_database(name)

        # then each wait was between half of the planned one and all of it, and the effect happened once
        waits = [later - earlier for earlier, later in itertools.pairwise(dict.fromkeys(calls))]
        assert all(
            planned / 2 - 0.01 <= wait <= planned + 0.01
            for wait, planned in zip(waits, EVENT_DELAYS_SECONDS, strict=False)
        ), waits
        assert len(waits) == failures
        assert words == ["late"]
        verdict = judge(Promised({1: "s-1"}), [Effect(1, "s-1", 1)], parked=(), waiting=(), recovery_seconds=sum(waits))
        report.add(f"transient failure, {failures} x", verdict, timed=False)


@pytest.mark.faults
@pytest.mark.parametrize("mood", ["unavailable:2", "broken:2", "serialization:2", "deadlock:2"])
def test_failing_reactions_delay_nobody_else(make_rig: MakeRig, rounds: range, report: Report, mood: str) -> None:
    with make_rig() as rig:
        usual = slowest(rig, rig.load(events=100))
        rig.settle()
        for round_number in rounds:
            # given events of some subjects that fail twice each
            ill = f"ill-{round_number}"
            rig.load(events=3, subject=ill, mood=mood)

            # when others are said at once
            with rig.fault():
                others = rig.load(events=150)
            verdict = rig.settle()

            # then these wait for nobody
            report.add(f"reactions failing twice ({mood.partition(':')[0]})", verdict)
            verdict.assert_clean()
            assert slowest(rig, others) <= usual + DELAY_SECONDS_MAX


def slowest(rig: Rig, numbers: range) -> float:
    """From commit to commit: how long the slowest of these took, but for the slowest twentieth, which a busy machine has."""
    rig.wait_for_effects_of(numbers)
    said_at = dict(
        rig.query(
            "alpha",
            "SELECT (envelope::json->'data'->>'number')::bigint, recorded_at FROM outbox WHERE position > 0",
        )
    )
    rows = rig.query("beta", "SELECT number, at FROM effects WHERE number BETWEEN %s AND %s", (numbers[0], numbers[-1]))
    took = [(at - said_at[number]).total_seconds() for number, at in rows]
    return statistics.quantiles(took, n=20)[-1]


@pytest.mark.faults
def test_a_reaction_slower_than_three_heartbeats_keeps_its_connection(
    make_rig: MakeRig, rounds: range, report: Report, *, thorough: bool
) -> None:
    heartbeat = 5 if thorough else 2
    settings = {"LIANMENG_BROKER_HEARTBEAT_SECONDS": str(heartbeat)}
    with make_rig(settings=settings) as rig:
        for round_number in rounds:
            # given a reaction that takes longer than three heartbeats
            before = rig.consumer.log().count("broker.connection_lost")
            [slow] = rig.load(events=1, mood=f"sleeping:{heartbeat * HEARTBEATS}", subject=f"slow-{round_number}")
            rig.load(events=50)
            with rig.fault():
                wait_until(lambda slow=slow: rig.has_effect(slow), "the slow one's end", seconds=60)  # type: ignore[misc]

            # then it had its effect once, over the connection it came by, and everybody behind it had theirs
            verdict = rig.settle()
            report.add(f"reaction slower than {HEARTBEATS:g} heartbeats", verdict)
            verdict.assert_clean()
            assert rig.consumer.log().count("broker.connection_lost") == before
            assert rig.consumer.deaths == []
