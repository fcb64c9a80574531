"""Events on their way in: one effect whatever comes twice, nothing lost whatever fails, poison parked with its reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import Conflict, Unavailable
from shared.messaging.envelope import ENVELOPE_BYTES_MAX, Event, encode
from shared.messaging.inbox import DEFERRED, DONE, PARKED, inbox
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.kernel import SAID, START, WHISPERED, Kernel, envelope_of, kernel_on, retry_all, write_down


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def body_of(word: str, **changes: Any) -> bytes:
    return encode(envelope_of(word, **changes)).encode()


def states(kernel: Kernel) -> dict[str, str]:
    """State of each event in the inbox, by its word where it can be read."""
    return {row["event_id"]: row["state"] for row in kernel.rows(inbox)}


class Failing:
    """A reaction that raises for chosen words until mended, and writes down the rest."""

    def __init__(self, failures: dict[str, Exception]) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self, work: UnitOfWork, event: Event) -> None:
        self.calls += 1
        write_down(work, event)  # first the effect, so that a failure must undo it
        if event.data["word"] in self.failures:
            raise self.failures[event.data["word"]]


def test_an_event_that_comes_twice_has_one_effect(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    body = body_of("once")

    consumer.accept([body])
    consumer.accept([body])
    consumer.accept([body, body, body])

    assert kernel.words() == ["once"]
    assert consumer.counts.duplicates == 4
    assert consumer.counts.done == 1


def test_an_event_that_comes_twice_in_its_first_batch_has_one_effect(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    body = body_of("once")

    consumer.accept([body, body])

    assert kernel.words() == ["once"]
    assert list(states(kernel).values()) == [DONE]
    assert (consumer.counts.done, consumer.counts.duplicates) == (1, 1)


def test_an_event_that_comes_again_in_other_bytes_has_one_effect(kernel: Kernel) -> None:
    """Its id makes it the same event: an archive or a feed may write it in another order, or with a blank more."""
    consumer = kernel.consumer()
    told = envelope_of("once")

    consumer.accept([encode(told).encode()])
    consumer.accept([json.dumps(dict(reversed(told.items())), indent=1).encode()])

    assert kernel.words() == ["once"]
    assert consumer.counts.duplicates == 1


def test_copies_taken_by_two_consumers_at_the_same_time_have_one_effect(kernel: Kernel) -> None:
    consumers = [kernel.consumer() for _ in range(4)]
    bodies = [body_of(f"w{n}", subject=f"s-{n}") for n in range(20)]
    gate = threading.Barrier(len(consumers))

    def take(number: int) -> None:
        gate.wait()
        for body in bodies:
            consumers[number].accept([body])

    threads = [threading.Thread(target=take, args=(number,)) for number in range(len(consumers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(kernel.words()) == sorted(f"w{n}" for n in range(20))


def test_a_batch_with_one_failing_event_costs_its_neighbours_nothing(kernel: Kernel) -> None:
    reaction = Failing({"bad": Conflict("word.impossible")})
    consumer = kernel.consumer(reaction=reaction)

    consumer.accept([body_of("a", subject="1"), body_of("bad", subject="2"), body_of("c", subject="3")])

    assert kernel.words() == ["a", "c"]
    assert sorted(states(kernel).values()) == [DONE, DONE, PARKED]


def test_what_is_not_available_yet_is_deferred_and_tried_again_with_growing_waits(
    kernel: Kernel, clock: ManualClock
) -> None:
    reaction = Failing({"early": Unavailable("word.not_yet")})
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("early")])
    assert kernel.words() == []

    for planned in EVENT_DELAYS_SECONDS[:4]:
        assert consumer.retry_due() == 0, "not before its time"
        clock.advance(planned / 2 - 0.001)
        assert consumer.retry_due() == 0, "never sooner than half of the planned wait"
        clock.advance(planned / 2 + 0.001)
        assert consumer.retry_due() == 1, "at the latest after the planned wait"

    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[4])
    assert consumer.retry_due() == 1
    assert kernel.words() == ["early"]
    assert list(states(kernel).values()) == [DONE]


def test_what_stays_unavailable_is_parked_after_its_last_attempt(kernel: Kernel, clock: ManualClock) -> None:
    reaction = Failing({"never": Unavailable("word.not_yet")})
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("never")])

    for planned in EVENT_DELAYS_SECONDS:
        clock.advance(planned)
        assert consumer.retry_due() == 1
    clock.advance(1_000_000)
    assert consumer.retry_due() == 0

    [row] = kernel.rows(inbox)
    assert row["state"] == PARKED
    assert row["attempts"] == len(EVENT_DELAYS_SECONDS) + 1
    assert "word.not_yet" in row["reason"]
    assert kernel.words() == []


def test_a_failing_event_holds_back_its_own_subject_and_no_other(kernel: Kernel, clock: ManualClock) -> None:
    reaction = Failing({"a1": Unavailable("word.not_yet")})
    consumer = kernel.consumer(reaction=reaction)

    consumer.accept([body_of("a1", subject="a", sequence=1)])
    consumer.accept([body_of("a2", subject="a", sequence=2), body_of("b1", subject="b", sequence=1)])
    consumer.accept([body_of("a3", subject="a", sequence=3)])
    assert kernel.words() == ["b1"]

    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[0])
    retry_all(consumer)
    assert kernel.words() == ["b1", "a1", "a2", "a3"]


def test_a_bug_in_a_reaction_is_deferred_rather_than_lost(kernel: Kernel, clock: ManualClock) -> None:
    reaction = Failing({"bug": ZeroDivisionError("division by zero")})
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("bug")])
    [row] = kernel.rows(inbox)
    assert (row["state"], row["body"] is not None) == (DEFERRED, True)
    assert "division by zero" in row["reason"]

    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[0])
    consumer.retry_due()
    assert kernel.words() == ["bug"]


def _without(name: str) -> bytes:
    complete = envelope_of("poison")
    return encode({key: value for key, value in complete.items() if key != name}).encode()


POISON = {
    "no JSON": (b"\x00\xff{not json", "event.not_json"),
    "an array": (b"[1, 2]", "event.not_an_object"),
    "nothing": (b"", "event.not_json"),
    "deep nesting": (b"[" * 100_000, "event.not_json"),
    "missing id": (_without("id"), "field=id"),
    "missing type": (_without("type"), "field=type"),
    "missing subject": (_without("subject"), "field=subject"),
    "missing correlation": (_without("correlationid"), "field=correlationid"),
    "missing data": (_without("data"), "field=data"),
    "unknown type": (
        body_of("x", type=WHISPERED, dataschema=f"urn:lianmeng:schema:{WHISPERED}:1"),
        "event.unknown_type",
    ),
    "unknown major": (body_of("x", dataschema=f"urn:lianmeng:schema:{SAID}:9"), "event.unknown_major"),
    "foreign source": (body_of("x", source="urn:lianmeng:omega"), "event.foreign_source"),
    "wrong specversion": (body_of("x", specversion="0.3"), "event.wrong_specversion"),
    "naive time": (body_of("x", time="2026-03-02T09:00:00"), "field=time"),
    "no time": (body_of("x", time="yesterday"), "field=time"),
    "negative sequence": (encode({**envelope_of("x"), "sequence": "-1"}).encode(), "field=sequence"),
    "one megabyte": (body_of("x" * 1_000_000), "event.too_large"),
    "not a number": (b'{"specversion":"1.0","data":{"a":NaN}}', "event.not_json"),
    "data breaks the view": (body_of("x", data={"other": 1}), "event.breaks_view"),
    "data is no object": (body_of("x", data=["word"]), "field=data"),
}


@pytest.mark.parametrize("kind", list(POISON), ids=lambda kind: kind.replace(" ", "_"))
def test_poison_is_parked_at_once_with_its_reason_and_the_consumer_goes_on(kernel: Kernel, kind: str) -> None:
    body, reason = POISON[kind]
    consumer = kernel.consumer()

    consumer.accept([body_of("before", subject="1"), body, body_of("after", subject="2")])
    consumer.accept([body])

    assert kernel.words() == ["before", "after"]
    [kept] = [row for row in kernel.rows(inbox) if row["state"] == PARKED]
    assert reason in kept["reason"]
    assert bytes(kept["body"]) == body, "an operator can look at exactly what came"
    assert kept["attempts"] == 1


def test_a_malformed_traceparent_is_dropped_and_the_event_kept(kernel: Kernel) -> None:
    kernel.consumer().accept([body_of("traced", traceparent="00-zz-1")])

    assert kernel.words() == ["traced"]


def test_fields_a_view_does_not_name_are_ignored(kernel: Kernel) -> None:
    kernel.consumer().accept([body_of("x", data={"word": "known", "added_later": [1, {"deep": True}]})])

    assert kernel.words() == ["known"]


def test_events_recorded_by_a_reaction_carry_the_story_and_the_cause(kernel: Kernel) -> None:
    def answer(work: UnitOfWork, event: Event) -> None:
        work.record(WHISPERED, subject=event.subject, data={"word": "echo"})

    kernel.consumer(reaction=answer).accept([body_of("call", id="e-1", correlationid="story-7")])

    from shared.messaging.outbox import outbox

    [row] = kernel.rows(outbox)
    recorded = json.loads(row["envelope"])
    assert recorded["correlationid"] == "story-7"
    assert recorded["causationid"] == "e-1"


def test_an_event_a_little_below_the_size_limit_is_taken(kernel: Kernel) -> None:
    room = ENVELOPE_BYTES_MAX - len(body_of(""))
    kernel.consumer(reaction=lambda work, event: None).accept([body_of("w" * room)])

    assert list(states(kernel).values()) == [DONE]


def test_an_event_behind_a_later_one_that_had_its_effect_is_parked_and_never_applied_in_silence(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    late = body_of("first", sequence=1, id="late")

    consumer.accept([body_of("second", sequence=2)])
    consumer.accept([late])
    consumer.accept([late, body_of("third", sequence=3, id="waits"), body_of("other", subject="s-2")])

    assert kernel.words() == ["second", "other"]
    assert states(kernel)["late"] == PARKED
    assert states(kernel)["waits"] == DEFERRED
    [row] = [row for row in kernel.rows(inbox) if row["event_id"] == "late"]
    assert row["reason"].startswith("event.out_of_order")
    assert row["body"] == late
    assert consumer.counts.parked == 1


def test_an_event_whose_turn_comes_after_a_later_one_had_its_effect_is_parked(kernel: Kernel) -> None:
    # given the third of a subject with its effect, the second parked for its order, and the first waiting
    consumer = kernel.consumer()
    first = body_of("first", sequence=1, id="first")
    consumer.accept([body_of("third", sequence=3, id="third")])
    consumer.accept([body_of("second", sequence=2, id="second")])
    consumer.accept([first])
    assert states(kernel) == {"third": DONE, "second": PARKED, "first": DEFERRED}

    # when its turn comes: nothing before it is open
    assert consumer.retry_due() == 1

    # then it is parked as well, whole, and not applied behind the third
    assert kernel.words() == ["third"]
    [row] = [row for row in kernel.rows(inbox) if row["event_id"] == "first"]
    assert (row["state"], row["attempts"], row["next_attempt_at"]) == (PARKED, 0, None)
    assert row["reason"].startswith("event.out_of_order")
    assert bytes(row["body"]) == first
    assert (consumer.counts.done, consumer.counts.parked) == (1, 2)


def test_the_order_within_a_batch_counts_like_that_between_batches(kernel: Kernel) -> None:
    kernel.consumer().accept([body_of("second", sequence=2, id="b"), body_of("first", sequence=1, id="a")])

    assert kernel.words() == ["second"]
    assert states(kernel) == {"b": DONE, "a": PARKED}


def test_a_gap_in_the_sequence_is_no_disorder(kernel: Kernel) -> None:
    """A consumer hears some types of a subject only, so it cannot expect every number."""
    kernel.consumer().accept([body_of("second", sequence=2), body_of("ninth", sequence=9)])

    assert kernel.words() == ["second", "ninth"]


class Dies(BaseException):
    """What ends a process in the middle; no `except Exception` sees it."""


def test_an_event_that_kills_its_process_at_every_attempt_is_parked_in_the_end(
    kernel: Kernel, clock: ManualClock
) -> None:
    def die(work: UnitOfWork, event: Event) -> None:
        raise Dies

    kernel.consumer(reaction=Failing({"killer": Unavailable("not.yet")})).accept([body_of("killer", id="e-1")])
    deaths = 0
    for _ in range(20):
        clock.advance(max(EVENT_DELAYS_SECONDS))
        try:
            kernel.consumer(reaction=die).retry_due()
        except Dies:
            deaths += 1

    [row] = kernel.rows(inbox)
    assert (row["state"], row["reason"].split(":")[0]) == (PARKED, "event.cut_short")
    assert deaths == len(EVENT_DELAYS_SECONDS), "the first attempt was not the killer's"
    assert row["attempts"] == deaths + 1, "an operator sees how often it was tried"
    assert kernel.words() == []
