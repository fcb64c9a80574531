"""Numbers given first and committed last, copies, permutations: nothing skipped, nothing twice, no subject out of order."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest

from shared.messaging.outbox import outbox
from shared.messaging.rabbitmq.link import EXCHANGE
from shared.messaging.relay import Relay
from shared.messaging.transport import PORTION, Settled, nobody, nothing
from shared.runtime.failpoints import Failpoints
from tests.builders.kernel import Kernel, envelope_of, kernel_on
from tests.faults.harness import MakeRig, Rig
from tests.faults.pair import COUNTED, said
from tests.faults.report import Report
from tests.faults.verdict import Effect, Promised, judge
from tests.servers import PostgreSQL
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(900)]

WRITERS = 16
#: Events of each writer: in `make faults`, and in the quick run.
ROWS, ROWS_QUICK = 2_000, 60
#: Duplicated events, likewise.
EVENTS, EVENTS_QUICK = 10_000, 500
SCHEMA = f"urn:lianmeng:schema:{COUNTED}:1"


class Bus:
    """A publisher that takes everything and remembers it."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def publish(
        self,
        messages: Any,
        *,
        portion: int = PORTION,
        meanwhile: Callable[[], None] = nothing,
        settled: Settled = nobody,
    ) -> list[str | None]:
        """The port's."""
        assert len(messages) <= portion
        meanwhile()
        self.words += [json.loads(message.body)["data"]["word"] for message in messages]
        settled([None] * len(messages))
        return [None] * len(messages)

    def is_alive(self) -> bool:
        """The port's."""
        return True

    def close(self) -> None:
        """The port's."""


# ---------------------------------------------------------------- a number given first, committed last
@contextlib.contextmanager
def late_commit(server: PostgreSQL, kernel: Kernel, word: str, subject: str) -> Iterator[None]:
    """Within the block a session has its place in the outbox and is about to commit; at its end it does."""
    database = str(kernel.database.url.database)
    with server.connect(database) as gate:
        gate.execute("SELECT pg_advisory_lock(7)")
        thread = threading.Thread(target=lambda: kernel.say(word, subject=subject))
        thread.start()
        try:
            wait_until(lambda: waiting_for(server, database, "advisory") == 1, "the session to be about to commit")
            yield
        finally:
            gate.execute("SELECT pg_advisory_unlock(7)")
            thread.join()


def waiting_for(server: PostgreSQL, database: str, *locks: str) -> int:
    """How many sessions wait for locks of these kinds."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = ANY(%s)"
    return int(server.query(statement, (database, list(locks)))[0][0])


#: Commits of the word "first…" wait for a lock that the test holds.
GATE = """
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.envelope LIKE '%"word":"first%' THEN PERFORM pg_advisory_xact_lock(7); END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""


def install_gate(server: PostgreSQL, database: str) -> None:
    """Put the gate before commits."""
    with server.connect(database) as connection:
        connection.execute(GATE.encode())


def test_what_took_its_number_first_and_committed_last_is_published(
    postgresql: PostgreSQL, report: Report, *, thorough: bool
) -> None:
    url = postgresql.create_database("inversion")
    inversions = 50 if thorough else 10
    with kernel_on(url) as kernel:
        install_gate(postgresql, "inversion")
        bus = Bus()
        relay = Relay(kernel.units, bus, Failpoints(), batch=500)
        for number in range(inversions):
            # given a session that has its place in the outbox and has not committed
            with late_commit(postgresql, kernel, f"first-{number}", "first"):
                # when another one comes later, commits, and is published
                kernel.say(f"second-{number}", subject="second")
                publish_all(relay)
                assert bus.words[-1] == f"second-{number}"
            # then the first one is published as soon as it has committed
            publish_all(relay)
            assert bus.words[-1] == f"first-{number}"
        positions = [row["position"] for row in sorted(kernel.rows(outbox), key=lambda row: row["feed_number"])]
    postgresql.drop_database("inversion")

    assert sum(1 for earlier, later in itertools.pairwise(positions) if later < earlier) >= inversions
    numbers = {name: index for index, name in enumerate(bus.words)}
    verdict = judge(
        Promised({number: word.partition("-")[0] for word, number in numbers.items()}),
        [Effect(numbers[word], word.partition("-")[0], index) for index, word in enumerate(bus.words)],
        parked=(),
        waiting=(),
        recovery_seconds=0.0,
    )
    report.add("commit inversion, two sessions", verdict, times=inversions, timed=False)
    verdict.assert_clean()


def publish_all(relay: Relay) -> None:
    """A whole round of the relay."""
    while relay.publish_waiting() != (0, 0):
        pass


def test_a_second_writer_of_a_subject_waits_for_the_first(postgresql: PostgreSQL) -> None:
    with kernel_on(postgresql.create_database("same_subject")) as kernel:
        install_gate(postgresql, "same_subject")
        second = threading.Thread(target=lambda: kernel.say("second", subject="s-1"))
        with late_commit(postgresql, kernel, "first", "s-1"):
            second.start()
            wait_until(
                lambda: waiting_for(postgresql, "same_subject", "transactionid", "tuple") == 1, "the second to wait"
            )
        second.join()
        rows = sorted(kernel.rows(outbox), key=lambda row: row["sequence"])
    postgresql.drop_database("same_subject")

    assert [json.loads(row["envelope"])["data"]["word"] for row in rows] == ["first", "second"]


def test_many_writers_with_long_transactions_skip_nothing(make_rig: MakeRig, report: Report, *, thorough: bool) -> None:
    rows = ROWS if thorough else ROWS_QUICK
    with make_rig() as rig, rig.inside("alpha") as assembly:
        # given a crowd of writers, some of whom hold their place in the outbox for a while before they commit
        rig.query("alpha", LINGER)
        rig.promised.in_order = False
        lock = threading.Lock()

        def write(writer: int) -> None:
            chance = random.Random(writer)
            numbers = iter(range(10_000_000 + writer * rows, 10_000_000 + (writer + 1) * rows))
            while batch := list(itertools.islice(numbers, chance.randrange(1, 8))):
                lines = [(number, f"s-{chance.randrange(200)}") for number in batch]
                with assembly.begin() as work:
                    for number, subject in lines:
                        work.execute(said.insert().values(number=number, subject=subject))
                        work.record(COUNTED, subject=subject, data={"number": number, "mood": ""})
                with lock:
                    rig.promised.acknowledged.update(lines)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
        with rig.fault():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        verdict = rig.settle(within=180 if thorough else 60)

        # then every event is published, none of a subject before an earlier one, and the feed has no gap
        report.add(f"{WRITERS} writers, long transactions", verdict)
        verdict.assert_clean()
        assert verdict.events >= WRITERS * rows
        [(count, first, last)] = rig.query("alpha", "SELECT count(*), min(feed_number), max(feed_number) FROM outbox")
        assert (first, last) == (1, count)
        [(inversions,)] = rig.query("alpha", INVERSIONS)
        assert inversions > 0, "no writer overtook another: the test has shown nothing"


LINGER = """
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (mod(NEW.position, 11) = 0) EXECUTE FUNCTION linger();
"""
INVERSIONS = """
SELECT count(*) FROM (SELECT position, lag(position) OVER (ORDER BY feed_number) AS before FROM outbox) AS sent
WHERE position < before
"""


# ---------------------------------------------------------------- copies and permutations, straight from a publisher
def envelopes(subject: str, numbers: list[int]) -> list[bytes]:
    """Alpha's events of one subject, as its relay would publish them."""
    return [
        json.dumps(
            {
                **envelope_of("x", subject=subject, sequence=sequence, type=COUNTED, dataschema=SCHEMA),
                "id": f"event-{number}",
                "data": {"number": number, "mood": ""},
            }
        ).encode()
        for sequence, number in enumerate(numbers, start=1)
    ]


def publish(rig: Rig, bodies: list[bytes]) -> None:
    """Past the relay, straight onto the exchange."""
    connection = pika.BlockingConnection(pika.URLParameters(rig.broker_url))
    channel = connection.channel()
    for body in bodies:
        channel.basic_publish(EXCHANGE, COUNTED, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    connection.close()


def test_every_event_in_two_to_five_copies_has_one_effect(make_rig: MakeRig, report: Report, *, thorough: bool) -> None:
    chance = random.Random(4)
    events = EVENTS if thorough else EVENTS_QUICK
    subjects = {
        f"copied-{index}": list(range(30_000_000 + index * 10, 30_000_010 + index * 10))
        for index in range(events // 10)
    }
    with make_rig() as rig:
        # given each event's first copy in the order of its subject, and up to four more copies anywhere behind it
        firsts = [envelopes(subject, numbers) for subject, numbers in subjects.items()]
        stream = [body for row in zip(*firsts, strict=True) for body in row]
        copies = 0
        for place in range(len(stream) - 1, -1, -1):
            for _ in range(chance.randrange(1, 5)):
                stream.insert(chance.randrange(place + 1, min(len(stream), place + 2_000) + 1), stream[place])
                copies += 1
        rig.settle()
        rig.promised.acknowledged.update({n: subject for subject, numbers in subjects.items() for n in numbers})
        rig.promised.in_order = False

        # when they are published, and the consumer dies in their midst
        with rig.fault():
            publish(rig, stream)
            rig.consumer.kill()

        # then each has its effect once, in order
        verdict = rig.settle(within=120)
        report.add("2 to 5 copies of every event", verdict, times=copies)
        verdict.assert_clean()
        assert verdict.events >= events


def test_every_permutation_of_a_subject_ends_in_order_or_waits(
    make_rig: MakeRig, rounds: range, report: Report
) -> None:
    with make_rig() as rig:
        rig.settle()
        numbers_from = itertools.count(20_000_000)
        for round_number in rounds:
            # given five events of a subject in every order they could come in
            bodies: list[bytes] = []
            subjects: dict[str, list[int]] = {}
            for index, order in enumerate(itertools.permutations(range(5))):
                subject = f"mixed-{round_number}-{index}"
                subjects[subject] = list(itertools.islice(numbers_from, 5))
                made = envelopes(subject, subjects[subject])
                bodies += [made[place] for place in order]
            rig.promised.acknowledged.update({n: subject for subject, numbers in subjects.items() for n in numbers})
            rig.promised.in_order = False

            # when they come
            with rig.fault():
                publish(rig, bodies)
            verdict = rig.settle()

            # then each has had its effect in order, or waits and says why; none is missing, none is wrong in silence
            report.add("permutations of five", verdict, times=len(subjects))
            verdict.assert_clean(parked=verdict.parked)
            parked = {number for number, _ in rig.parked()}
            reasons = {reason for _, reason in rig.parked()}
            assert all("event.out_of_order" in reason for reason in reasons), reasons
            for index, order in enumerate(itertools.permutations(range(5))):
                numbers = subjects[f"mixed-{round_number}-{index}"]
                here = {number - numbers[0] for number in parked & set(numbers)}
                assert here <= late(order), order
                assert min(here, default=None) == min(late(order), default=None), order


def late(order: tuple[int, ...]) -> set[int]:
    """What comes after a later one has had its effect, so that it may be parked.

    The earliest of them must be. The others may wait behind it instead; that depends on what came in one batch.
    """
    done: list[int] = []
    waiting: list[int] = []
    parked: set[int] = set()
    for each in order:
        if any(earlier < each for earlier in waiting):
            waiting.append(each)
        elif done and each < max(done):
            waiting.append(each)
            parked.add(each)
        else:
            done.append(each)
    return parked
