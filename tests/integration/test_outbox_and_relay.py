"""Events on their way out: nothing is skipped, nothing is marked before it is confirmed, one relay at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from shared.messaging.outbox import FEED, mark_sent, outbox, outbox_feed, outbox_state, unsent
from shared.messaging.relay import BATCHES_PER_LOOK, REFUSED_SUBJECTS_MAX, Relay
from shared.messaging.transport import BrokerUnavailable, Message
from shared.runtime.clock import ManualClock
from tests.builders.kernel import SAID, START, WHISPERED, Kernel, kernel_on, word_of
from tests.builders.publisher import FakePublisher, relay_of
from tests.servers import PostgreSQL


@pytest.fixture
def kernel(empty_database_url: str) -> Iterator[Kernel]:
    with kernel_on(empty_database_url) as made:
        yield made


@pytest.fixture
def postgresql_kernel(postgresql: PostgreSQL, counter) -> Iterator[Kernel]:
    name = f"kernel_{counter()}"
    with kernel_on(postgresql.create_database(name)) as made:
        yield made
    postgresql.drop_database(name)


def drain(relay: Relay) -> None:
    rounds = iter(range(200))
    while relay.publish_waiting() != (0, 0):
        assert next(rounds, None) is not None, "the round does not end"


def test_an_event_is_marked_sent_only_after_the_broker_confirmed_it(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher)
    kernel.say("first")

    publisher.away = True
    with pytest.raises(BrokerUnavailable):
        relay.publish_waiting()
    assert [row["sent_at"] for row in kernel.rows(outbox)] == [None]

    publisher.away = False
    assert relay.publish_waiting() == (1, 0)
    assert not publisher.marked_too_early
    assert all(row["sent_at"] for row in kernel.rows(outbox))
    assert relay.publish_waiting() == (0, 0)


def test_commits_go_on_while_the_relay_publishes(kernel: Kernel) -> None:
    """Publishing may take long, and in one process it runs other services' reactions: no transaction is open meanwhile."""

    class Busy(FakePublisher):
        def _take(self, messages: Sequence[Message]) -> list[str | None]:
            self._kernel.say("meanwhile", subject="another")
            return super()._take(messages)

    kernel.say("first")

    assert relay_of(kernel, Busy(kernel)).publish_waiting() == (1, 0)

    assert [bool(row["sent_at"]) for row in sorted(kernel.rows(outbox), key=lambda row: row["position"])] == [
        True,
        False,
    ]


def test_an_unroutable_event_stays_unsent_and_holds_up_only_its_own_subject(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    publisher.refused_types = {WHISPERED}
    relay = relay_of(kernel, publisher)
    kernel.say("psst", subject="a", event_type=WHISPERED)
    kernel.say("later", subject="a")
    kernel.say("other", subject="b")

    drain(relay)
    assert publisher.words == ["other"]
    with kernel.units.reading() as reading:
        assert outbox_state(reading)["pending"] == 2

    publisher.refused_types = set()
    drain(relay)
    assert publisher.words == ["other", "psst", "later"]


def test_a_long_queue_behind_a_refused_event_does_not_starve_other_subjects(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    publisher.refused_types = {WHISPERED}
    kernel.say("stuck", subject="a", event_type=WHISPERED)
    for n in range(20):
        kernel.say(f"behind-{n}", subject="a")
    kernel.say("other", subject="b")

    drain(relay_of(kernel, publisher, batch=10))

    assert publisher.words == ["other"]


def test_with_a_thousand_subjects_refused_the_relay_begins_with_the_oldest_again(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    publisher.refused_types = {SAID}
    relay = relay_of(kernel, publisher, batch=500 // BATCHES_PER_LOOK)
    with kernel.units.begin() as work:
        for n in range(REFUSED_SUBJECTS_MAX + 1):
            work.record(SAID, subject=f"s-{n}", data={"word": f"{n}"})
    assert relay.refusals == 0

    tried = []
    for _ in range(3):
        publisher.messages.clear()
        assert relay.publish_waiting() == (0, 500)
        tried.append(word_of(publisher.messages[0].body))

    assert tried == ["0", "500", "0"]
    assert relay.refusals == 1_500


def test_the_feed_numbers_what_was_sent_without_gaps_in_the_order_of_sending(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher, batch=3)
    for n in range(10):
        kernel.say(f"{n}", subject=f"s-{n % 4}")
        if n % 3 == 0:
            relay.publish_waiting()
    drain(relay)

    rows = sorted(kernel.rows(outbox), key=lambda row: row["feed_number"])
    assert [row["feed_number"] for row in rows] == list(range(1, 11))
    for subject in {row["subject"] for row in rows}:
        sequences = [row["sequence"] for row in rows if row["subject"] == subject]
        assert sequences == sorted(sequences)


def test_an_event_of_a_unit_that_rolls_back_is_never_published(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)

    def fail_after_recording() -> None:
        with kernel.units.begin() as work:
            work.record(SAID, subject="s-1", data={"word": "unsaid"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_recording()
    kernel.say("said")

    drain(relay_of(kernel, publisher))

    assert publisher.words == ["said"]
    assert [row["sequence"] for row in kernel.rows(outbox)] == [1]


@pytest.mark.postgresql
def test_an_event_that_commits_late_is_published_late_and_not_skipped(postgresql_kernel: Kernel) -> None:
    """The commit inversion: the first transaction takes the lower position and commits after the second."""
    kernel = postgresql_kernel
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher)
    begun, may_commit = threading.Event(), threading.Event()

    def commit_late() -> None:
        with kernel.units.begin() as work:
            work.record(SAID, subject="early", data={"word": "recorded first"})
            work.write()
            begun.set()
            assert may_commit.wait(20)

    late = threading.Thread(target=commit_late)
    late.start()
    assert begun.wait(20)
    kernel.say("committed first", subject="other")
    drain(relay)
    assert publisher.words == ["committed first"]

    may_commit.set()
    late.join()
    drain(relay)

    assert publisher.words == ["committed first", "recorded first"]
    positions = {row["subject"]: row["position"] for row in kernel.rows(outbox)}
    assert positions["early"] < positions["other"], "the inversion did happen"


@pytest.mark.postgresql
def test_writers_of_one_subject_are_published_in_the_order_of_their_commits(postgresql_kernel: Kernel) -> None:
    kernel = postgresql_kernel
    writers = [threading.Thread(target=lambda n=n: [kernel.say(f"{n}-{i}") for i in range(10)]) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    publisher = FakePublisher(kernel)
    drain(relay_of(kernel, publisher))

    by_sequence = sorted(kernel.rows(outbox), key=lambda row: row["sequence"])
    assert [row["sequence"] for row in by_sequence] == list(range(1, 81))
    assert publisher.words == [word_of(row["envelope"].encode()) for row in by_sequence]


def test_unsent_gives_the_oldest_of_all_subjects_and_skips_those_named(kernel: Kernel) -> None:
    for word, subject in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "c"), ("5", "b")):
        kernel.say(word, subject=subject)

    with kernel.units.reading() as reading:
        oldest = [word_of(row.envelope.encode()) for row in unsent(reading, 4)]
        others = [word_of(row.envelope.encode()) for row in unsent(reading, 4, without={"b"})]

    assert oldest == ["1", "2", "3", "4"]
    assert others == ["1", "2", "4"]


def test_the_events_of_a_unit_are_numbered_by_subject_in_the_order_they_were_recorded(kernel: Kernel) -> None:
    kernel.say("0", subject="b")
    with kernel.units.begin() as work:
        for word, subject in (("1", "b"), ("2", "a"), ("3", "b"), ("4", "a")):
            work.record(SAID, subject=subject, data={"word": word})

    numbered = [
        (row["subject"], row["sequence"], word_of(row["envelope"].encode()))
        for row in sorted(kernel.rows(outbox), key=lambda row: row["position"])
    ]
    assert numbered == [("b", 1, "0"), ("b", 2, "1"), ("a", 1, "2"), ("b", 3, "3"), ("a", 2, "4")]


def test_an_event_marked_twice_keeps_its_number_and_leaves_no_gap(kernel: Kernel) -> None:
    for n in range(4):
        kernel.say(f"{n}", subject=f"s-{n}")
    ids = [row["event_id"] for row in sorted(kernel.rows(outbox), key=lambda row: row["position"])]
    for marked in ([ids[1], ids[0]], [ids[0], ids[2]], [], [ids[3], ids[2]]):
        with kernel.units.begin() as work:
            mark_sent(work, marked)

    numbers = {row["event_id"]: row["feed_number"] for row in kernel.rows(outbox)}
    assert [numbers[event_id] for event_id in ids] == [1, 2, 3, 4]
    assert [(row["id"], row["head"], row["pruned_to"]) for row in kernel.rows(outbox_feed)] == [(FEED, 4, 0)]


def test_of_unsent_events_count_and_age_of_the_oldest_are_told(empty_database_url: str) -> None:
    clock = ManualClock(START)
    with kernel_on(empty_database_url, clock=clock) as kernel:
        with kernel.units.reading() as reading:
            assert outbox_state(reading) == {"pending": 0.0, "oldest_age_seconds": 0.0}
        kernel.say("sent")
        relay_of(kernel, FakePublisher(kernel)).publish_waiting()
        kernel.say("first")
        clock.advance(30)
        kernel.say("second")
        clock.advance(12)

        with kernel.units.reading() as reading:
            assert outbox_state(reading) == {"pending": 2.0, "oldest_age_seconds": 42.0}
        clock.advance(-100)
        with kernel.units.reading() as reading:
            assert outbox_state(reading)["oldest_age_seconds"] == 0.0, "a clock set back makes no negative age"
