"""What operators do with parked events, on both databases: found, looked at, tried again, discarded, and on record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.messaging import parking
from shared.messaging.consumer import Consumer
from shared.messaging.envelope import ENVELOPE_BYTES_MAX, Event, encode
from shared.messaging.inbox import DEFERRED, DISCARDED, DONE, PARKED, inbox
from shared.messaging.parking import DISCARD, REDRIVE, Operator, Outcome, Selection, Wish, operator_actions
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, Kernel, envelope_of, kernel_on, write_down

SOURCE = "urn:lianmeng:alpha"
CLERK = Operator("clerk", "command")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


class Mendable:
    """A reaction that refuses chosen words until it is mended."""

    def __init__(self, **failures: Exception) -> None:
        self.failures: dict[str, Exception] = dict(failures)

    def __call__(self, work: UnitOfWork, event: Event) -> None:
        if event.data["word"] in self.failures:
            raise self.failures[event.data["word"]]
        write_down(work, event)


def body_of(word: str, **changes: Any) -> bytes:
    return encode(envelope_of(word, id=changes.pop("id", word), **changes)).encode()


def act(kernel: Kernel, action: str, which: Any, **wish: Any) -> Outcome:
    """One act by the clerk, in a unit of its own; discarding has a reason unless the test says otherwise."""
    if action == DISCARD:
        wish.setdefault("reason", "no longer needed")
    with kernel.units.begin() as work:
        return parking.act(work, CLERK, Wish(action, which, **wish))  # type: ignore[arg-type]


def key(event_id: str) -> parking.Key:
    return SOURCE, event_id


def states(kernel: Kernel) -> dict[str, str]:
    return {row["event_id"]: row["state"] for row in kernel.rows(inbox)}


def listed(kernel: Kernel, selection: Selection, **page: Any) -> list[str]:
    with kernel.units.reading() as reading:
        return [row.event_id for row in parking.list_events(reading, selection, **{"limit": 100, **page})]


def three_parked(kernel: Kernel, clock: ManualClock) -> tuple[Mendable, Consumer]:
    """Three parked events, each of a subject of its own and a minute later than the one before."""
    reaction = Mendable(one=Conflict("word.impossible"), two=Conflict("word.impossible"), three=Conflict("word.no"))
    consumer = kernel.consumer(reaction=reaction)
    for word in ("one", "two", "three"):
        consumer.accept([body_of(word, subject=f"of-{word}")])
        clock.advance(60)
    return reaction, consumer


# ------------------------------------------------------------ looking
def test_events_are_found_by_each_thing_they_have_in_common(kernel: Kernel, clock: ManualClock) -> None:
    three_parked(kernel, clock)
    kernel.consumer(reaction=Mendable(late=Unavailable("word.not_yet"))).accept([body_of("late", subject="of-late")])
    kernel.consumer().accept([body_of("done", subject="of-done")])

    assert listed(kernel, Selection()) == ["one", "two", "three"]
    assert listed(kernel, Selection(states=(DEFERRED,))) == ["late"]
    assert listed(kernel, Selection(states=parking.STATES)) == ["one", "two", "three", "late"]
    assert listed(kernel, Selection(event_id="two")) == ["two"]
    assert listed(kernel, Selection(subject="of-three")) == ["three"]
    assert listed(kernel, Selection(source=SOURCE, type="alpha.word.said")) == ["one", "two", "three"]
    assert listed(kernel, Selection(source="urn:lianmeng:beta")) == []
    assert listed(kernel, Selection(type="alpha.word.whispered")) == []
    assert listed(kernel, Selection(received_before=START + timedelta(seconds=60))) == ["one"]
    assert listed(kernel, Selection(received_after=START + timedelta(seconds=60))) == ["three"]


def test_a_list_goes_on_after_any_of_its_events(kernel: Kernel, clock: ManualClock) -> None:
    reaction = Mendable(**{f"w{n}": Conflict("word.no") for n in range(7)})
    consumer = kernel.consumer(reaction=reaction)
    for n in range(7):  # pairs arrive at the same instant
        consumer.accept([body_of(f"w{n}", subject=f"s-{n}")])
        clock.advance(float(n % 2))

    found: list[str] = []
    position = None
    while True:
        with kernel.units.reading() as reading:
            rows = parking.list_events(reading, Selection(), limit=2, after=position)
        if not rows:
            break
        found += [row.event_id for row in rows]
        position = (rows[-1].received_at, rows[-1].source, rows[-1].event_id)

    assert found == [f"w{n}" for n in range(7)]


def test_an_event_is_shown_with_what_it_holds_back(kernel: Kernel) -> None:
    consumer = kernel.consumer(reaction=Mendable(first=Conflict("word.no")))
    consumer.accept([body_of("first", subject="s", sequence=1)])
    consumer.accept([body_of(f"n{n:02}", subject="s", sequence=n) for n in range(2, 40)])
    consumer.accept([body_of("other", subject="t", sequence=2)])

    with kernel.units.reading() as reading:
        row = parking.get_event(reading, key("first"))
        count, behind = parking.waiting_behind(reading, row)

    assert "word.no" in row.reason
    assert (count, len(behind), behind[0].event_id) == (38, parking.BEHIND_SHOWN, "n02")
    assert parking.read_body(bytes(row.body)) == (envelope_of("first", id="first", subject="s", sequence=1), None)


def test_an_unknown_event_is_not_found(kernel: Kernel) -> None:
    with kernel.units.reading() as reading, pytest.raises(NotFound) as refused:
        parking.get_event(reading, key("nowhere"))

    assert refused.value.code == "event.unknown"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"\x00\xff{not json\x1b[2J", "\\x00\\xff{not json\\x1b[2J"),
        (b"[1, 2]", "[1, 2]"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"half": "\\ud800"}', '{"half": "\\ud800"}'),
        (b'{"a":' * 40 + b"1" + b"}" * 40, '{"a":' * 40 + "1" + "}" * 40),
        (b"[" * 100_000, "[" * parking.EXCERPT_BYTES),
        (b'{"a":"' + b"x" * ENVELOPE_BYTES_MAX + b'"}', '{"a":"' + "x" * (parking.EXCERPT_BYTES - 6)),
    ],
    ids=["binary", "an array", "not a number", "half a character", "deep", "very deep", "very long"],
)
def test_what_cannot_be_shown_as_an_envelope_is_shown_as_a_harmless_excerpt(body: bytes, shown: str) -> None:
    assert parking.read_body(body) == (None, shown)


@pytest.mark.parametrize("event_id", ["0192-plain", "with/slash", "with%2Fescape", "new\nline", "汉字", "a b?c#d"])
def test_a_key_is_one_word_whatever_the_id_holds(event_id: str) -> None:
    text = parking.key_text(SOURCE, event_id)

    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert parking.parse_key(text) == (SOURCE, event_id)


@pytest.mark.parametrize("text", ["", "no-slash", "/id", "source/"])
def test_a_word_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="key_malformed"):
        parking.parse_key(text)


# ------------------------------------------------------------ redriving
def test_a_redriven_event_has_one_effect_however_often_it_is_redriven_and_delivered(
    kernel: Kernel, clock: ManualClock
) -> None:
    reaction, consumer = three_parked(kernel, clock)
    reaction.failures = {}

    assert [row.event_id for row in act(kernel, REDRIVE, [key("one")]).changed] == ["one"]
    again = act(kernel, REDRIVE, [key("one")])
    assert (list(again.changed), [row.state for row in again.unchanged]) == ([], [DEFERRED])
    assert consumer.retry_due() == 1
    done = act(kernel, REDRIVE, [key("one")])
    assert (list(done.changed), [row.state for row in done.unchanged]) == ([], [DONE])
    consumer.accept([body_of("one", subject="of-one")])
    clock.advance(1_000_000)
    consumer.retry_due()

    assert kernel.words() == ["one"]


def test_a_redriven_event_has_all_its_attempts_again(kernel: Kernel, clock: ManualClock) -> None:
    reaction = Mendable(never=Unavailable("word.not_yet"))
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("never")])
    for planned in EVENT_DELAYS_SECONDS:
        clock.advance(planned)
        consumer.retry_due()
    assert states(kernel) == {"never": PARKED}

    act(kernel, REDRIVE, [key("never")])

    assert consumer.retry_due() == 1
    assert states(kernel) == {"never": DEFERRED}
    reaction.failures = {}
    clock.advance(EVENT_DELAYS_SECONDS[0])
    consumer.retry_due()
    assert kernel.words() == ["never"]


def test_redriving_takes_an_event_that_is_deferred_to_a_later_time(kernel: Kernel) -> None:
    reaction = Mendable(late=Unavailable("word.not_yet"))
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("late")])
    reaction.failures = {}
    assert consumer.retry_due() == 0

    act(kernel, REDRIVE, Selection(states=(DEFERRED,)))

    assert consumer.retry_due() == 1
    assert kernel.words() == ["late"]


def test_what_waited_behind_a_redriven_event_follows_it_in_order(kernel: Kernel) -> None:
    reaction = Mendable(a1=Conflict("word.no"))
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("a1", subject="a", sequence=1)])
    consumer.accept([body_of("a2", subject="a", sequence=2), body_of("a3", subject="a", sequence=3)])
    reaction.failures = {}

    act(kernel, REDRIVE, [key("a1")])
    while consumer.retry_due():
        pass

    assert kernel.words() == ["a1", "a2", "a3"]


# ------------------------------------------------------------ discarding
def test_a_discarded_event_has_no_effect_holds_nothing_back_and_keeps_its_body(kernel: Kernel) -> None:
    consumer = kernel.consumer(reaction=Mendable(a1=Conflict("word.no")))
    body = body_of("a1", subject="a", sequence=1)
    consumer.accept([body])
    consumer.accept([body_of("a2", subject="a", sequence=2)])

    act(kernel, DISCARD, [key("a1")])
    while consumer.retry_due():
        pass
    consumer.accept([body])
    consumer.accept([body_of("a3", subject="a", sequence=3)])

    assert kernel.words() == ["a2", "a3"]
    assert states(kernel) == {"a1": DISCARDED, "a2": DONE, "a3": DONE}
    [row] = [row for row in kernel.rows(inbox) if row["event_id"] == "a1"]
    assert bytes(row["body"]) == body
    assert "word.no" in row["reason"]


def test_an_unreadable_message_that_was_discarded_stays_discarded_when_it_comes_again(kernel: Kernel) -> None:
    consumer = kernel.consumer()
    consumer.accept([b"no event"])
    act(kernel, DISCARD, Selection())

    consumer.accept([b"no event"])

    assert list(states(kernel).values()) == [DISCARDED]


def test_a_discarded_event_may_be_redriven_later_and_says_that_it_was_overtaken(kernel: Kernel) -> None:
    reaction = Mendable(a1=Conflict("word.no"))
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("a1", subject="a", sequence=1)])
    act(kernel, DISCARD, [key("a1")])
    consumer.accept([body_of("a2", subject="a", sequence=2)])
    reaction.failures = {}

    assert [row.overtaken_by for row in act(kernel, REDRIVE, [key("a1")], dry_run=True).changed] == [2]
    act(kernel, REDRIVE, Selection(states=(DISCARDED,)))
    consumer.retry_due()

    assert kernel.words() == ["a2", "a1"]


@pytest.mark.parametrize("reason", [None, "", "   "])
def test_discarding_demands_a_reason(kernel: Kernel, clock: ManualClock, reason: str | None) -> None:
    three_parked(kernel, clock)

    with pytest.raises(Invalid) as refused:
        act(kernel, DISCARD, Selection(), reason=reason)

    assert refused.value.field == "reason"
    assert set(states(kernel).values()) == {PARKED}


# ------------------------------------------------------------ many at once
def test_a_filter_takes_the_oldest_up_to_the_limit_and_says_how_many_remain(kernel: Kernel, clock: ManualClock) -> None:
    three_parked(kernel, clock)

    outcome = act(kernel, DISCARD, Selection(), limit=2)

    assert ([row.event_id for row in outcome.changed], outcome.remaining) == (["one", "two"], 1)
    assert states(kernel) == {"one": DISCARDED, "two": DISCARDED, "three": PARKED}


def test_one_slip_among_the_named_events_and_nothing_is_done(kernel: Kernel, clock: ManualClock) -> None:
    three_parked(kernel, clock)

    with pytest.raises(Invalid) as refused:
        act(kernel, DISCARD, [key("one"), key("oen")])

    assert [fault.field for fault in refused.value.faults] == ["events.1"]
    assert set(states(kernel).values()) == {PARKED}
    assert kernel.rows(operator_actions) == []


@pytest.mark.parametrize("action", [REDRIVE, DISCARD])
def test_a_dry_run_finds_the_same_events_and_changes_nothing(kernel: Kernel, clock: ManualClock, action: str) -> None:
    three_parked(kernel, clock)
    before = kernel.rows(inbox)

    told = act(kernel, action, Selection(), limit=2, dry_run=True)
    assert kernel.rows(inbox) == before
    assert kernel.rows(operator_actions) == []

    done = act(kernel, action, Selection(), limit=2)
    assert list(told.changed) == list(done.changed)
    assert told.remaining == done.remaining == 1


def test_a_thousand_events_are_one_act(kernel: Kernel) -> None:
    with kernel.units.begin() as work:
        row = {
            "source": SOURCE, "type": "alpha.word.said", "sequence": 1, "state": PARKED, "attempts": 1,
            "body": b"", "received_at": work.now, "reason": "for a test",
        }  # fmt: skip
        work.execute(inbox.insert(), [{**row, "event_id": f"e-{n:04}", "subject": f"s-{n}"} for n in range(1_200)])

    by_key = act(kernel, DISCARD, [key(f"e-{n:04}") for n in range(1_000)])
    by_filter = act(kernel, REDRIVE, Selection(states=parking.STATES), limit=5_000)

    assert (len(by_key.changed), len(by_filter.changed), by_filter.remaining) == (1_000, 1_000, 200)
    assert len(kernel.rows(operator_actions)) == 2_000


# ------------------------------------------------------------ the audit
def test_the_audit_says_who_when_by_which_door_which_event_and_why(kernel: Kernel, clock: ManualClock) -> None:
    three_parked(kernel, clock)

    with kernel.units.begin() as work:
        wish = Wish(DISCARD, Selection(type="alpha.word.said"), reason="sent by mistake", limit=1)
        parking.act(work, Operator("account-7", "api"), wish)

    [row] = kernel.rows(operator_actions)
    assert {name: row[name] for name in ("at", "actor", "door", "action", "source", "event_id", "reason")} == {
        "at": clock.now(),
        "actor": "account-7",
        "door": "api",
        "action": "discard",
        "source": SOURCE,
        "event_id": "one",
        "reason": "sent by mistake",
    }
    assert row["details"]["from_state"] == PARKED
    assert "word.impossible" in row["details"]["failure"]
    assert row["details"]["selection"] == {"states": ["parked"], "type": "alpha.word.said"}


@pytest.mark.parametrize("state", parking.STATES)
@pytest.mark.parametrize("way", ["by filter", "by key"])
@pytest.mark.parametrize("action", [REDRIVE, DISCARD])
def test_every_change_of_an_event_has_its_row_in_the_audit(kernel: Kernel, action: str, way: str, state: str) -> None:
    # given an event in each state that an operator meets
    reaction = Mendable(a=Conflict("word.no"), b=Conflict("word.no"), c=Unavailable("word.not_yet"))
    consumer = kernel.consumer(reaction=reaction)
    for word in "abc":
        consumer.accept([body_of(word, subject=word)])
    act(kernel, DISCARD, [key("b")])
    named = {PARKED: "a", DISCARDED: "b", DEFERRED: "c"}[state]
    before, known = states(kernel), {row["id"] for row in kernel.rows(operator_actions)}
    due_before = {row["event_id"]: row["next_attempt_at"] for row in kernel.rows(inbox)}

    # when it is acted on
    outcome = act(kernel, action, Selection(states=(state,)) if way == "by filter" else [key(named)])

    # then what changed, and nothing else, is on record
    changed = {
        row["event_id"]
        for row in kernel.rows(inbox)
        if (row["state"], row["next_attempt_at"]) != (before[row["event_id"]], due_before[row["event_id"]])
    }
    assert changed == {row.event_id for row in outcome.changed}
    assert changed == {row["event_id"] for row in kernel.rows(operator_actions) if row["id"] not in known}
    assert bool(changed) == ((action, state) != (DISCARD, DISCARDED))


def test_without_the_audit_nothing_is_changed(kernel: Kernel, clock: ManualClock) -> None:
    three_parked(kernel, clock)
    operator_actions.drop(kernel.database.engine)

    with pytest.raises(sa.exc.DBAPIError):
        act(kernel, DISCARD, Selection())

    assert set(states(kernel).values()) == {PARKED}


def test_the_audit_is_read_newest_first_and_by_event(kernel: Kernel, clock: ManualClock) -> None:
    three_parked(kernel, clock)
    for word in ("one", "two", "one"):
        clock.advance(1)
        act(kernel, DISCARD if word == "two" or states(kernel)["one"] == PARKED else REDRIVE, [key(word)])

    def told(**page: Any) -> list[Any]:
        with kernel.units.reading() as reading:
            return parking.list_actions(reading, **{"limit": 10, **page})

    assert [(row.event_id, row.action) for row in told()] == [("one", REDRIVE), ("two", DISCARD), ("one", DISCARD)]
    assert [row.action for row in told(key=key("one"))] == [REDRIVE, DISCARD]
    [first] = told(limit=1)
    assert [row.event_id for row in told(after=(first.at, first.id))] == ["two", "one"]


# ------------------------------------------------------------ at the same time
def test_two_operators_who_redrive_the_same_event_leave_one_row_and_one_effect(
    kernel: Kernel, clock: ManualClock
) -> None:
    reaction, consumer = three_parked(kernel, clock)
    reaction.failures = {}
    gate = threading.Barrier(4)

    def redrive() -> None:
        gate.wait()
        act(kernel, REDRIVE, Selection())

    threads = [threading.Thread(target=redrive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while consumer.retry_due():
        pass

    assert sorted(kernel.words()) == ["one", "three", "two"]
    assert len(kernel.rows(operator_actions)) == 3


def test_a_discard_while_the_event_is_being_tried_waits_and_finds_it_done(kernel: Kernel) -> None:
    if not kernel.database.is_postgresql:
        pytest.skip("SQLite has one writer at a time")
    trying, go_on = threading.Event(), threading.Event()
    reaction = Mendable(slow=Unavailable("word.not_yet"))
    kernel.consumer(reaction=reaction).accept([body_of("slow")])
    act(kernel, REDRIVE, Selection(states=(DEFERRED,)))

    def slowly(work: UnitOfWork, event: Event) -> None:
        write_down(work, event)
        trying.set()
        go_on.wait(10)

    attempt = threading.Thread(target=kernel.consumer(reaction=slowly).retry_due)
    attempt.start()
    assert trying.wait(10)
    outcomes: list[Outcome] = []
    discard = threading.Thread(target=lambda: outcomes.append(act(kernel, DISCARD, [key("slow")])))
    discard.start()
    discard.join(0.3)
    assert discard.is_alive(), "it waits for the attempt"
    go_on.set()
    attempt.join()
    discard.join()

    assert (list(outcomes[0].changed), [row.state for row in outcomes[0].unchanged]) == ([], [DONE])
    assert states(kernel) == {"slow": DONE}
    assert [row["action"] for row in kernel.rows(operator_actions)] == [REDRIVE]


def test_after_an_act_the_bell_for_due_events_rings_and_after_a_dry_run_it_does_not(
    kernel: Kernel, clock: ManualClock
) -> None:
    three_parked(kernel, clock)
    bell = kernel.wakeups.listener(of_due=True)
    act(kernel, REDRIVE, Selection(), dry_run=True)
    kernel.say("anything")
    assert not bell.is_set()

    act(kernel, REDRIVE, Selection(), limit=1)
    assert bell.is_set()

    bell.clear()
    act(kernel, DISCARD, Selection(), limit=1)
    assert bell.is_set(), "what waited behind it is due"


def test_a_redrive_wakes_the_worker_of_another_process(empty_database_url: str, clock: ManualClock) -> None:
    if not empty_database_url.startswith("postgresql"):
        pytest.skip("several processes share a database on PostgreSQL only")
    with kernel_on(empty_database_url, clock=clock) as here, kernel_on(empty_database_url, create=False) as there:
        three_parked(here, clock)
        there.wakeups.hear_other_processes()
        bell = there.wakeups.listener(of_due=True)
        bell.wait(5)  # rung once by its own beginning to listen
        bell.clear()

        act(here, REDRIVE, Selection())

        assert bell.wait(5)


def test_the_measurements_count_each_state_and_tell_the_age_of_the_oldest_parked(
    kernel: Kernel, clock: ManualClock
) -> None:
    with kernel.units.reading() as reading:
        assert set(parking.parking_state(reading).values()) == {0.0}
    three_parked(kernel, clock)
    act(kernel, DISCARD, [key("one")])
    kernel.consumer(reaction=Mendable(late=Unavailable("word.not_yet"))).accept([body_of("late", subject="l")])

    with kernel.units.reading() as reading:
        found = parking.parking_state(reading)

    assert found == {"deferred": 1.0, "parked": 2.0, "discarded": 1.0, "oldest_parked_age_seconds": 120.0}
