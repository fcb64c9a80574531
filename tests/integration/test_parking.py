"""What operators do with parked events, on both databases: tried again, discarded, and every change on record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from shared.errors import Conflict, Fault, Invalid, Unavailable
from shared.messaging import parking
from shared.messaging.envelope import Event
from shared.messaging.inbox import DEFERRED, DISCARDED, DONE, PARKED, inbox
from shared.messaging.parking import DISCARD, REDRIVE, Operator, Outcome, Selection, Wish, operator_actions
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, Kernel, kernel_on, retry_all, write_down
from tests.builders.parked import SOURCE, Mendable, act, body_of, key, states, three_parked


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


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

    assert [row["reason"] for row in kernel.rows(inbox)] == ["Unavailable: word.not_yet"], "until it has its effect"
    assert consumer.retry_due() == 1
    assert kernel.words() == ["late"]


def test_what_waited_behind_a_redriven_event_follows_it_in_order(kernel: Kernel) -> None:
    reaction = Mendable(a1=Conflict("word.no"))
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of("a1", subject="a", sequence=1)])
    consumer.accept([body_of("a2", subject="a", sequence=2), body_of("a3", subject="a", sequence=3)])
    reaction.failures = {}

    act(kernel, REDRIVE, [key("a1")])
    retry_all(consumer)

    assert kernel.words() == ["a1", "a2", "a3"]


# ------------------------------------------------------------ discarding
def test_a_discarded_event_has_no_effect_holds_nothing_back_and_keeps_its_body(kernel: Kernel) -> None:
    consumer = kernel.consumer(reaction=Mendable(a1=Conflict("word.no")))
    body = body_of("a1", subject="a", sequence=1)
    consumer.accept([body])
    consumer.accept([body_of("a2", subject="a", sequence=2)])

    act(kernel, DISCARD, [key("a1")])
    retry_all(consumer)
    consumer.accept([body])
    consumer.accept([body_of("a3", subject="a", sequence=3)])

    assert kernel.words() == ["a2", "a3"]
    assert states(kernel) == {"a1": DISCARDED, "a2": DONE, "a3": DONE}
    [row] = [row for row in kernel.rows(inbox) if row["event_id"] == "a1"]
    assert bytes(row["body"]) == body
    assert "word.no" in row["reason"]
    assert (row["settled_at"], row["next_attempt_at"]) == (kernel.clock.now(), None)


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


def test_what_was_discarded_while_it_waited_its_turn_is_applied_by_one_redrive(kernel: Kernel) -> None:
    reaction = Mendable(a1=Conflict("word.no"))
    consumer = kernel.consumer(reaction=reaction)
    consumer.accept([body_of(f"a{n}", subject="a", sequence=n) for n in (1, 2, 3)])
    act(kernel, DISCARD, [key("a1"), key("a2")])
    consumer.retry_due()
    assert kernel.words() == ["a3"]

    act(kernel, REDRIVE, [key("a2")])
    consumer.retry_due()

    assert kernel.words() == ["a3", "a2"]


@pytest.mark.parametrize("reason", [None, "", "   "])
def test_discarding_demands_a_reason(kernel: Kernel, clock: ManualClock, reason: str | None) -> None:
    three_parked(kernel, clock)

    with pytest.raises(Invalid) as refused:
        act(kernel, DISCARD, Selection(), reason=reason)

    assert (refused.value.code, refused.value.field) == ("parking.reason_missing", "reason")
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

    assert refused.value.faults == (Fault("event.unknown", "events.1", {"event_id": "oen"}),)
    assert set(states(kernel).values()) == {PARKED}
    assert kernel.rows(operator_actions) == []


@pytest.mark.parametrize("action", [REDRIVE, DISCARD])
def test_a_dry_run_finds_the_same_events_and_changes_nothing(
    kernel: Kernel, clock: ManualClock, action: parking.Action
) -> None:
    three_parked(kernel, clock)
    before = kernel.rows(inbox)

    told = act(kernel, action, Selection(), limit=2, dry_run=True)
    assert kernel.rows(inbox) == before
    assert kernel.rows(operator_actions) == []

    done = act(kernel, action, Selection(), limit=2)
    assert list(told.changed) == list(done.changed)
    assert told.remaining == done.remaining == 1
    assert [(each.action, each.dry_run, each.unchanged) for each in (told, done)] == [
        (action, True, []),
        (action, False, []),
    ]


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
        which = Selection(type="alpha.word.said", received_before=START.replace(minute=3))
        wish = Wish(DISCARD, which, reason="sent by mistake", limit=1)
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
    assert row["details"] == {
        "from_state": PARKED,
        "attempts": 1,
        "failure": "Conflict: word.impossible",
        "type": "alpha.word.said",
        "subject": "of-one",
        "overtaken_by": None,
        "selection": {
            "states": ["parked"], "type": "alpha.word.said", "received_before": "2026-03-02T01:03:00.000000Z",
        },
    }  # fmt: skip


@pytest.mark.parametrize("state", parking.STATES)
@pytest.mark.parametrize("way", ["by filter", "by key"])
@pytest.mark.parametrize("action", [REDRIVE, DISCARD])
def test_every_change_of_an_event_has_its_row_in_the_audit(
    kernel: Kernel, action: parking.Action, way: str, state: str
) -> None:
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
    retry_all(consumer)

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
