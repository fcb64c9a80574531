"""What a consumer keeps of what it did: its counts, the seams it passes, and the row of whatever had no effect."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from shared.errors import Conflict, Unavailable
from shared.messaging.consumer import Consumer, Counts
from shared.messaging.contracts import AnyData, Consumed
from shared.messaging.envelope import Event, parse, schema_of
from shared.messaging.inbox import BEHIND, DEFERRED, DONE, PARKED, Arrival, inbox, put_aside
from shared.messaging.outbox import Outbox
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import Cause, UnitOfWork, Units
from shared.runtime.clock import ManualClock
from shared.runtime.failpoints import Failpoints
from tests.builders.failpoints import RecordingFailpoints
from tests.builders.kernel import PUBLISHES, SAID, START, WHISPERED, Kernel, WordHeard, kernel_on
from tests.builders.parked import SOURCE, Mendable, body_of, states


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def row_of(kernel: Kernel, event_id: str) -> dict[str, Any]:
    [row] = [row for row in kernel.rows(inbox) if row["event_id"] == event_id]
    return row


def defer(
    kernel: Kernel, word: str, *, subject: str, attempts: int, reason: str = "weather", sequence: int = 1
) -> None:
    """Put an event into the inbox as deferred and due, so many attempts behind it."""
    arrival = Arrival(SOURCE, word, SAID, subject, sequence, body_of(word, subject=subject, sequence=sequence))
    with kernel.units.begin() as work:
        put_aside(work, arrival, DEFERRED, reason, attempts=attempts, next_attempt_at=work.now)


# ------------------------------------------------------------ counts
def test_the_counts_add_up_over_batches_and_over_every_way_an_event_may_go(kernel: Kernel, clock: ManualClock) -> None:
    refused = {f"bad{n}": Conflict("word.no") for n in (1, 2, 3, 4)}
    early = {f"early{n}": Unavailable("word.not_yet") for n in (1, 2)}
    reaction = Mendable(**refused, **early)
    consumer = kernel.consumer(reaction=reaction)

    for n in (1, 2):
        said = body_of(f"a{n}", subject=f"a{n}", sequence=5)
        consumer.accept([said, said, said, body_of(f"b{n}", subject=f"b{n}")])
        consumer.accept([body_of(f"c{n}", subject=f"c{n}"), body_of(f"bad{n}", subject=f"bad{n}")])
        consumer.accept([body_of(f"bad{n + 2}", subject=f"bad{n + 2}")])
        consumer.accept([body_of(f"early{n}", subject=f"early{n}", sequence=1)])
        consumer.accept([body_of(f"next{n}", subject=f"early{n}", sequence=2)])
        consumer.accept([f"no event {n}".encode()])
        consumer.accept([body_of(f"late{n}", subject=f"a{n}", sequence=4)])
    assert consumer.counts == Counts(done=6, duplicates=4, deferred=4, parked=8)

    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[0])
    assert (consumer.retry_due(), consumer.retry_due(), consumer.retry_due()) == (2, 2, 0)
    assert consumer.counts == Counts(done=10, duplicates=4, deferred=4, parked=8)


def test_what_comes_behind_a_copy_in_its_batch_has_its_effect(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    consumer.accept([body_of("old", subject="1")])

    consumer.accept([body_of("old", subject="1"), body_of("new", subject="2"), body_of("newer", subject="3")])

    assert kernel.words() == ["old", "new", "newer"]


def test_what_the_broker_set_aside_is_parked_unless_it_is_done_and_says_so(kernel: Kernel) -> None:
    # given one that is done and one that waits
    consumer = kernel.consumer(reaction=Mendable(waits=Unavailable("word.not_yet")))
    consumer.accept([body_of("done", subject="1"), body_of("waits", subject="2")])
    before = consumer.counts.parked

    # when the broker gives them back with one that never came and one that cannot be read
    consumer.accept_dead([body_of("done", subject="1"), body_of("waits", subject="2"), body_of("new", subject="3")])
    consumer.accept_dead([b"no event"])

    # then what is not done is parked, whole, and none of it is tried
    digest = hashlib.sha256(b"no event").hexdigest()
    assert states(kernel) == {"done": DONE, "waits": PARKED, "new": PARKED, digest: PARKED}
    for event_id, body in (("waits", body_of("waits", subject="2")), ("new", body_of("new", subject="3"))):
        row = row_of(kernel, event_id)
        assert (row["reason"], row["attempts"], row["next_attempt_at"]) == ("event.dead_lettered", 0, None)
        assert bytes(row["body"]) == body
    assert row_of(kernel, digest)["reason"] == "event.dead_lettered event.not_json"
    assert kernel.words() == ["done"]
    assert (consumer.counts.dead_lettered, consumer.counts.parked) == (4, before)


def test_a_type_without_a_reaction_is_a_bug(kernel: Kernel) -> None:
    with pytest.raises(AssertionError, match="needs a reaction"):
        Consumer(kernel.units, kernel.ids, {SAID: Consumed(WordHeard)}, {}, Failpoints())


# ------------------------------------------------------------ seams
def recorded(kernel: Kernel, reaction: Mendable) -> tuple[Consumer, RecordingFailpoints]:
    """A consumer of both types, and the seams that it and its units pass."""
    seams = RecordingFailpoints()
    units = Units(
        kernel.database, kernel.wakeups, kernel.clock, kernel.ids, Outbox("alpha", PUBLISHES), failpoints=seams
    )
    types = (SAID, WHISPERED)
    consumes = {each: Consumed(WordHeard) for each in types}
    return Consumer(units, kernel.ids, consumes, dict.fromkeys(types, reaction), seams), seams


def whispered(word: str, **changes: Any) -> bytes:
    return body_of(word, type=WHISPERED, dataschema=schema_of(WHISPERED, 1), **changes)


def test_a_batch_passes_the_seams_of_its_consumer_once_with_all_its_types(kernel: Kernel) -> None:
    consumer, seams = recorded(kernel, Mendable())

    consumer.accept([body_of("aloud", subject="1"), whispered("psst", subject="2")])

    assert seams.reached == [
        ("consumer.before_commit", [SAID, WHISPERED]),
        ("command.before_commit", []),
        ("command.after_commit", []),
        ("consumer.after_commit", [SAID, WHISPERED]),
    ]


def test_in_a_batch_that_fails_each_event_passes_the_seams_alone(kernel: Kernel, clock: ManualClock) -> None:
    reaction = Mendable(bad=Unavailable("word.not_yet"))
    consumer, seams = recorded(kernel, reaction)

    consumer.accept([body_of("bad", subject="1"), whispered("good", subject="2")])

    alone = [
        ("consumer.before_commit", [WHISPERED]),
        ("command.before_commit", []),
        ("command.after_commit", []),
        ("consumer.after_commit", [WHISPERED]),
    ]
    assert seams.reached == alone

    # and so does one that is tried again, which nobody waits to hear of
    seams.reached.clear()
    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[0])
    consumer.retry_due()
    assert seams.reached == [
        ("consumer.before_commit", [SAID]),
        ("command.before_commit", []),
        ("command.after_commit", []),
    ]


def test_what_is_put_aside_is_bookkeeping_that_gives_nobody_work(kernel: Kernel, clock: ManualClock) -> None:
    consumer, seams = recorded(kernel, Mendable(bad=Conflict("word.no"), early=Unavailable("word.not_yet")))

    consumer.accept([b"no event"])
    consumer.accept([body_of("bad", subject="1")])
    consumer.accept([body_of("early", subject="2")])
    consumer.accept_dead([body_of("dead", subject="3")])
    clock.advance(EVENT_DELAYS_SECONDS[0])
    assert consumer.retry_due() == 1

    assert sorted(states(kernel).values()) == [DEFERRED, PARKED, PARKED, PARKED]
    assert seams.reached == []


# ------------------------------------------------------------ what a row says
def test_what_cannot_be_read_is_kept_under_its_digest_and_holds_nothing_back(kernel: Kernel) -> None:
    kernel.consumer().accept([b"no event"])

    digest = hashlib.sha256(b"no event").hexdigest()
    assert kernel.rows(inbox) == [
        {
            "source": "unreadable",
            "event_id": digest,
            "type": "unreadable",
            "subject": digest,
            "sequence": 0,
            "state": PARKED,
            "attempts": 1,
            "next_attempt_at": None,
            "reason": "event.not_json",
            "body": b"no event",
            "received_at": START,
            "settled_at": None,
        }
    ]


def test_what_a_view_refuses_is_kept_as_what_it_says_it_is(kernel: Kernel) -> None:
    body = body_of("e-1", subject="s-9", sequence=7, data={"other": 1})

    kernel.consumer().accept([body])

    row = row_of(kernel, "e-1")
    told = [row[name] for name in ("source", "type", "subject", "sequence", "state", "reason")]
    assert told == [SOURCE, SAID, "s-9", 7, PARKED, "event.breaks_view word: event.breaks_view"]
    assert bytes(row["body"]) == body


def test_a_failure_is_named_by_its_kind_and_its_words(kernel: Kernel) -> None:
    consumer = kernel.consumer(reaction=Mendable(bad=Conflict("word.no"), bug=ZeroDivisionError("by zero")))

    consumer.accept([body_of("bad", subject="1"), body_of("bug", subject="2")])

    assert (row_of(kernel, "bad")["reason"], row_of(kernel, "bad")["attempts"]) == ("Conflict: word.no", 1)
    assert (row_of(kernel, "bug")["reason"], row_of(kernel, "bug")["attempts"]) == ("ZeroDivisionError: by zero", 1)


def test_a_bug_is_told_aloud_with_its_stack_and_what_was_to_be_expected_quietly(kernel: Kernel) -> None:
    failures = {
        "bug": ZeroDivisionError("by zero"),
        "early": Unavailable("word.not_yet"),
        "locked": OperationalError("UPDATE", None, Exception("locked")),
    }
    consumer = kernel.consumer(reaction=Mendable(**failures))

    with capture_logs() as told:
        for word in failures:
            consumer.accept([body_of(word, subject=word)])

    lines = {line["event_id"]: line for line in told if line["event"] == "consumer.deferred"}
    assert {word: (line["log_level"], line["exc_info"]) for word, line in lines.items()} == {
        "bug": ("error", failures["bug"]),
        "early": ("info", None),
        "locked": ("info", None),
    }
    assert (lines["early"]["reason"], lines["early"]["type"]) == ("Unavailable: word.not_yet", SAID)
    assert lines["early"]["attempts"] == 1
    waits = (row_of(kernel, "early")["next_attempt_at"] - START).total_seconds()
    assert lines["early"]["seconds"] == pytest.approx(waits, abs=1e-5)


# ------------------------------------------------------------ order
@pytest.mark.parametrize("sequence", [1, 2], ids=["an earlier one", "another of the same number"])
def test_what_comes_behind_an_effect_is_parked_and_says_how_far_its_subject_was(kernel: Kernel, sequence: int) -> None:
    consumer = kernel.consumer()
    consumer.accept([body_of("second", sequence=2)])

    consumer.accept([body_of("behind", sequence=sequence)])

    row = row_of(kernel, "behind")
    assert (row["state"], row["attempts"], row["reason"]) == (PARKED, 0, "event.out_of_order done_to=2")
    assert kernel.words() == ["second"]


@pytest.mark.parametrize("sequence", [1, 2], ids=["an earlier one", "another of the same number"])
@pytest.mark.parametrize(
    ("attempts", "reason", "is_tried"),
    [(0, "Conflict: word.no", True), (0, BEHIND, False), (1, "weather", False), (1, BEHIND, False)],
    ids=["decided by an operator", "waited its turn", "failed once", "waited and failed"],
)
def test_of_what_was_overtaken_while_deferred_only_what_an_operator_wanted_is_tried(
    kernel: Kernel, *, attempts: int, reason: str, is_tried: bool, sequence: int
) -> None:
    consumer = kernel.consumer()
    subjects = ("s-1", "s-2")
    for subject in subjects:
        consumer.accept([body_of(f"second of {subject}", subject=subject, sequence=2)])
        defer(kernel, f"of {subject}", subject=subject, sequence=sequence, attempts=attempts, reason=reason)

    assert consumer.retry_due() == 2

    rows = [row_of(kernel, f"of {subject}") for subject in subjects]
    expected = (DONE, None) if is_tried else (PARKED, "event.out_of_order done_to=2")
    assert [(row["state"], row["reason"]) for row in rows] == [expected, expected]
    assert consumer.counts == (Counts(done=4) if is_tried else Counts(done=2, parked=2))


def test_behind_one_parked_for_its_order_the_rest_of_its_subject_waits_within_the_batch_too(kernel: Kernel) -> None:
    consumer = kernel.consumer()

    consumer.accept([body_of(f"{each}{n}", subject=each, sequence=n) for each in "ab" for n in (2, 1, 3, 4)])

    assert kernel.words() == ["a2", "b2"]
    for each in "ab":
        assert [row_of(kernel, f"{each}{n}")["state"] for n in (1, 2, 3, 4)] == [PARKED, DONE, DEFERRED, DEFERRED]
    assert consumer.counts == Counts(done=2, parked=2, deferred=4)


# ------------------------------------------------------------ attempts
def test_what_had_all_its_attempts_and_no_verdict_is_parked_without_another(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    for word in ("one", "two"):
        defer(kernel, word, subject=word, attempts=len(EVENT_DELAYS_SECONDS) + 1)
    defer(kernel, "three", subject="three", attempts=len(EVENT_DELAYS_SECONDS))

    assert consumer.retry_due() == 3

    assert kernel.words() == ["three"]
    for word in ("one", "two"):
        row = row_of(kernel, word)
        assert (row["state"], row["reason"]) == (PARKED, "event.cut_short")
        assert (row["attempts"], row["next_attempt_at"]) == (len(EVENT_DELAYS_SECONDS) + 1, None)
        assert bytes(row["body"]) == body_of(word, subject=word)
    assert consumer.counts == Counts(done=1, parked=2)


class Dies(BaseException):
    """What ends a process in the middle."""


@pytest.mark.parametrize("attempts", [0, 1, 7, 8])
def test_an_attempt_that_ends_with_its_process_is_counted_and_followed_by_the_usual_wait(
    kernel: Kernel, attempts: int
) -> None:
    def die(work: UnitOfWork, event: Event) -> None:
        raise Dies

    defer(kernel, "killer", subject="s-1", attempts=attempts)

    with pytest.raises(Dies):
        kernel.consumer(reaction=die).retry_due()

    row = row_of(kernel, "killer")
    planned = EVENT_DELAYS_SECONDS[min(attempts, 7)]
    assert (row["state"], row["attempts"]) == (DEFERRED, attempts + 1)
    assert planned / 2 <= (row["next_attempt_at"] - START).total_seconds() <= planned


@pytest.mark.parametrize("attempts", [1, 7])
def test_an_attempt_that_fails_is_followed_by_the_wait_of_its_number(kernel: Kernel, attempts: int) -> None:
    defer(kernel, "early", subject="s-1", attempts=attempts)

    kernel.consumer(reaction=Mendable(early=Unavailable("word.not_yet"))).retry_due()

    row = row_of(kernel, "early")
    planned = EVENT_DELAYS_SECONDS[attempts]
    assert (row["attempts"], row["reason"]) == (attempts + 1, "Unavailable: word.not_yet")
    assert planned / 2 <= (row["next_attempt_at"] - START).total_seconds() <= planned


# ------------------------------------------------------------ what a reaction is given
def test_a_reaction_works_for_the_events_cause_with_ids_that_follow_from_it(kernel: Kernel) -> None:
    given: list[tuple[Cause, str]] = []

    def look(work: UnitOfWork, event: Event) -> None:
        given.append((work.cause, work.ids.new_id("a name")))

    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    body = body_of("e-1", correlationid="story-7", traceparent=trace)
    kernel.consumer(reaction=look).accept([body])
    with kernel.units.begin() as work:
        kernel.consumer(reaction=look).replay(work, body)

    expected = kernel.ids.derived_from(f"{SOURCE} e-1", parse(body).time).new_id("a name")
    assert given == [(Cause("story-7", causation_id="e-1", traceparent=trace), expected)] * 2


def test_a_consumer_of_everything_hears_what_no_other_reaction_is_for(kernel: Kernel) -> None:
    heard: list[tuple[str, str]] = []
    consumes = {"#": Consumed(AnyData), SAID: Consumed(WordHeard)}
    reactions = {
        "#": lambda _work, event: heard.append(("any", event.type)),
        SAID: lambda _work, event: heard.append(("said", event.type)),
    }
    consumer = Consumer(kernel.units, kernel.ids, consumes, reactions, Failpoints())

    consumer.accept([body_of("one", subject="1"), whispered("two", subject="2")])

    assert heard == [("said", SAID), ("any", WHISPERED)]
    assert consumer.patterns == ["#"]
    assert kernel.consumer(WHISPERED, SAID).patterns == [SAID, WHISPERED]


def test_of_many_due_events_fifty_are_tried_at_a_time(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    for n in range(51):
        defer(kernel, f"w{n}", subject=f"s-{n}", attempts=1)

    assert (consumer.retry_due(), consumer.retry_due(), consumer.retry_due()) == (50, 1, 0)
