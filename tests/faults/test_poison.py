"""Events that can never be had: parked with their reason, at once or after the whole schedule; everybody else goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
import sqlalchemy as sa

from shared.messaging.envelope import Event
from shared.messaging.inbox import inbox
from shared.messaging.parking import REDRIVE, Operator, Selection, Wish, act
from shared.messaging.rabbitmq.link import EXCHANGE
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, envelope_of, kernel_on, write_down
from tests.faults.harness import MakeRig, Rig
from tests.faults.pair import COUNTED, QUEUE
from tests.faults.report import Report
from tests.faults.verdict import Effect, Promised, judge
from tests.servers import Broker, PostgreSQL
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(600)]

OPERATOR = Operator("operator-1", "command")


def poison(number: int) -> dict[str, tuple[bytes, str]]:
    """Every kind: bytes on the wire, and the code that must be the reason."""
    ids = itertools.count(1)

    def envelope(**changes: Any) -> dict[str, Any]:
        schema = "urn:lianmeng:schema:alpha.number.counted:1"
        made = envelope_of("x", subject=f"poison-{number}", type=COUNTED, dataschema=schema)
        return {**made, "id": f"poison-{number}-{next(ids)}", "data": {"number": number, "mood": ""}, **changes}

    def without(name: str) -> dict[str, Any]:
        made = envelope()
        del made[name]
        return made

    def text(value: Any) -> bytes:
        return json.dumps(value).encode()

    return {
        "not JSON": (b"{" + str(number).encode(), "event.not_json"),
        "not UTF-8": (b"\xff\xfe" + str(number).encode(), "event.not_json"),
        "not an object": (text([number]), "event.not_an_object"),
        "without an id": (text(without("id")), "event.bad_attribute"),
        "without a type": (text(without("type")), "event.bad_attribute"),
        "foreign source": (text(envelope(source="urn:lianmeng:beta")), "event.foreign_source"),
        "unknown major": (text(envelope(dataschema=f"urn:lianmeng:schema:{COUNTED}:9")), "event.unknown_major"),
        "breaks the view": (text(envelope(data={"number": "many"})), "event.breaks_view"),
        "NUL in the subject": (text(envelope(subject=f"nul-{number}-\x00")), "event.bad_attribute"),
        "half a surrogate": (text(envelope(subject=f"half-{number}-\ud800")), "event.bad_attribute"),
        "too large": (text(envelope(data={"number": number, "mood": "x" * 1_048_576})), "event.too_large"),
    }


@pytest.fixture(scope="module")
def pair_rig(durable_postgresql: PostgreSQL, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One pair for all poison."""
    with (
        broker.virtual_host() as room,
        Rig(durable_postgresql, broker_url=room.url, directory=tmp_path_factory.mktemp("poison")) as rig,
    ):
        yield rig


def publish(url: str, bodies: list[bytes]) -> None:
    """Put messages on the exchange as anybody with the right could, and wait for the confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish(EXCHANGE, COUNTED, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    connection.close()


@pytest.mark.faults
@pytest.mark.parametrize("kind", list(poison(0)))
def test_poison_is_parked_at_the_first_attempt_and_its_neighbours_go_on(
    pair_rig: Rig, rounds: range, report: Report, kind: str
) -> None:
    for round_number in rounds:
        body, code = poison(1_000_000 + 1_000 * list(poison(0)).index(kind) + round_number)[kind]
        deaths = [list(process.deaths) for process in pair_rig.processes]

        # given load, when the poison comes amidst it
        before = {row[0] for row in parked_rows(pair_rig)}
        with pair_rig.loading(events=60):
            pair_rig.wait_for_more_effects(10)
            with pair_rig.fault():
                publish(pair_rig.broker_url, [body])
        verdict = pair_rig.settle()
        wait_until(lambda before=before: len(parked_rows(pair_rig)) > len(before), "the parking")  # type: ignore[misc]

        # then it is parked, and nobody else knows of it
        [(event_id, attempts, reason)] = [row for row in parked_rows(pair_rig) if row[0] not in before]
        assert attempts == 1
        assert code in reason
        assert [process.deaths for process in pair_rig.processes] == deaths
        report.add(f"poison: {kind}", verdict)
        verdict.assert_clean(parked=verdict.parked)
        assert len(verdict.parked) <= 1

        # and an operator who has it tried again, twice, only gets it back
        for _ in range(2):
            redrive(pair_rig, event_id)
        wait_until(lambda event_id=event_id: [row for row in parked_rows(pair_rig) if row[0] == event_id], "it again")  # type: ignore[misc]
        assert pair_rig.query("beta", "SELECT * FROM effects WHERE starts_with(subject, 'poison-')") == []


def parked_rows(rig: Rig) -> list[tuple[str, int, str]]:
    """Event, attempts and reason of what is parked."""
    rows = rig.query("beta", "SELECT event_id, attempts, reason FROM inbox WHERE state = 'parked'")
    return [(row[0], row[1], row[2]) for row in rows]


def redrive(rig: Rig, event_id: str) -> None:
    """As the operators' command does."""
    with rig.inside("beta") as assembly, assembly.begin() as work:
        act(work, OPERATOR, Wish(REDRIVE, Selection(event_id=event_id)))


def test_a_refused_event_that_is_mended_has_its_effect_once_however_often_it_is_redriven(
    pair_rig: Rig, rounds: range, report: Report
) -> None:
    for round_number in rounds:
        # given an event refused for good, with others behind it
        subject = f"refused-{round_number}"
        first = pair_rig.load(events=1, mood="refusing:2", subject=subject)
        pair_rig.load(events=3, subject=subject)
        wait_until(lambda first=first: first[0] in dict(pair_rig.parked()), "the parking")  # type: ignore[misc]
        [event_id] = [row[0] for row in pair_rig.query("beta", PARKED_OF, (subject,))]

        # when its cause is gone, and two operators have it tried again
        with pair_rig.fault():
            redrive(pair_rig, event_id)
            redrive(pair_rig, event_id)

        # then it and those behind it have their effects, once, in order
        verdict = pair_rig.settle()
        report.add("refused, mended, redriven twice", verdict)
        verdict.assert_clean()


PARKED_OF = "SELECT event_id FROM inbox WHERE state = 'parked' AND subject = %s"


def test_a_reaction_that_always_fails_is_parked_after_exactly_the_schedule(
    postgresql: PostgreSQL, rounds: range, report: Report, tmp_path: Path
) -> None:
    for round_number in rounds:
        url = postgresql.create_database(f"always_failing_{round_number}")
        clock = ManualClock(START)
        calls: list[str] = []

        def fail(work: UnitOfWork, event: Event, calls: list[str] = calls) -> None:
            if event.data["word"] == "bad":
                calls.append(event.id)
                raise RuntimeError("a bug")
            write_down(work, event)

        with kernel_on(url, clock=clock) as kernel:
            consumer = kernel.consumer(reaction=fail)
            consumer.accept([json.dumps(envelope_of("bad", id="bad-1", subject="s-bad")).encode()])
            consumer.accept([json.dumps(envelope_of("good", id="good-1", subject="s-good")).encode()])
            for _ in range(100):
                clock.advance(max(EVENT_DELAYS_SECONDS))
                consumer.retry_due()
            with kernel.units.reading() as reading:
                [row] = reading.all(sa.select(inbox).where(inbox.c.event_id == "bad-1"))
            words = kernel.words()
        postgresql.drop_database(f"always_failing_{round_number}")

        # The first attempt calls the reaction twice: with its batch, and alone.
        assert len(calls) == 2 + len(EVENT_DELAYS_SECONDS)
        assert (row.state, row.attempts) == ("parked", len(EVENT_DELAYS_SECONDS) + 1)
        assert "RuntimeError: a bug" in row.reason
        assert words == ["good"]
        verdict = judge(
            Promised({1: "s-bad", 2: "s-good"}), [Effect(2, "s-good", 1)], parked={1}, waiting=(), recovery_seconds=0.0
        )
        report.add("poison: reaction that always fails", verdict, timed=False)
        verdict.assert_clean(parked={1})


def test_a_poisoned_queue_is_empty_afterwards(make_rig: MakeRig, report: Report, *, thorough: bool) -> None:
    with make_rig() as rig:
        bodies = [body for number in range(20 if thorough else 3) for body, _ in poison(2_000_000 + number).values()]
        with rig.loading(events=100), rig.fault():
            publish(rig.broker_url, bodies)
        verdict = rig.settle()
        wait_until(lambda: len(parked_rows(rig)) >= len(bodies), "all poison parked")
        connection = pika.BlockingConnection(pika.URLParameters(rig.broker_url))
        left = connection.channel().queue_declare(QUEUE, passive=True).method.message_count
        connection.close()

        assert left == 0
        assert rig.consumer.deaths == []
        report.add("poison of every kind at once", verdict, times=len(bodies))
        verdict.assert_clean(parked=verdict.parked)
