"""The inbox by itself: what a row says in each state, whose turn it is, and how far a subject has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.messaging.inbox import (
    BEHIND,
    DEFERRED,
    DISCARDED,
    DONE,
    PARKED,
    REASON_CHARACTERS_MAX,
    Arrival,
    Standing,
    after,
    count_attempt,
    due,
    hold,
    inbox,
    lock_deferred,
    note_done,
    put_aside,
    settle,
    standings,
)
from shared.runtime.clock import ManualClock
from tests.builders.kernel import SAID, START, Kernel, kernel_on

ALPHA = "urn:lianmeng:alpha"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def arrival_of(event_id: str, sequence: int = 1, *, subject: str = "s-1", source: str = ALPHA) -> Arrival:
    return Arrival(source, event_id, SAID, subject, sequence, event_id.encode())


def put(kernel: Kernel, arrival: Arrival, state: str, *, seconds: float | None = None) -> None:
    """A row in a state; `seconds` from now it falls due."""
    with kernel.units.begin() as work:
        next_attempt_at = None if seconds is None else after(work, seconds)
        if state in (DONE, DISCARDED):
            note_done(work, [arrival])
            work.execute(inbox.update().where(inbox.c.event_id == arrival.event_id).values(state=state))
        else:
            put_aside(work, arrival, state, "because", attempts=1, next_attempt_at=next_attempt_at)


def row_of(kernel: Kernel, event_id: str) -> dict[str, Any]:
    [row] = [row for row in kernel.rows(inbox) if row["event_id"] == event_id]
    return row


def due_ids(kernel: Kernel, limit: int = 50) -> list[str]:
    with kernel.units.reading() as reading:
        return [event_id for _, event_id in due(reading, limit)]


def test_a_done_row_names_the_event_and_keeps_no_body(kernel: Kernel) -> None:
    with kernel.units.begin() as work:
        assert note_done(work, [arrival_of("e-1", 7)]) == {(ALPHA, "e-1")}
        assert note_done(work, [arrival_of("e-1", 7), arrival_of("e-2", 8)]) == {(ALPHA, "e-2")}

    assert row_of(kernel, "e-1") == {
        "source": ALPHA,
        "event_id": "e-1",
        "type": SAID,
        "subject": "s-1",
        "sequence": 7,
        "state": DONE,
        "attempts": 1,
        "next_attempt_at": None,
        "reason": None,
        "body": None,
        "received_at": START,
        "settled_at": START,
    }


def test_ids_are_told_apart_by_their_source(kernel: Kernel) -> None:
    with kernel.units.begin() as work:
        both = [arrival_of("e-1"), arrival_of("e-1", source="urn:lianmeng:beta")]
        assert note_done(work, both) == {(ALPHA, "e-1"), ("urn:lianmeng:beta", "e-1")}


def test_an_id_may_hold_blanks(kernel: Kernel) -> None:
    with kernel.units.begin() as work:
        assert note_done(work, [arrival_of("an id of three")]) == {(ALPHA, "an id of three")}


@pytest.mark.parametrize(("state", "due_at"), [(DEFERRED, START), (PARKED, None)])
def test_a_held_row_has_its_body_no_attempt_and_says_why(kernel: Kernel, state: str, due_at: Any) -> None:
    with kernel.units.begin() as work:
        note_done(work, [arrival_of("e-1"), arrival_of("e-2", subject="s-2")])
        hold(work, arrival_of("e-1"), state, BEHIND)

    held = row_of(kernel, "e-1")
    assert (held["state"], held["attempts"], held["reason"]) == (state, 0, BEHIND)
    assert (held["next_attempt_at"], held["settled_at"]) == (due_at, None)
    assert held["body"] == b"e-1"
    assert row_of(kernel, "e-2")["state"] == DONE


def test_a_settled_row_is_done_without_body_after_the_attempt_that_was_counted(
    kernel: Kernel, clock: ManualClock
) -> None:
    put(kernel, arrival_of("e-1"), DEFERRED, seconds=5)
    put(kernel, arrival_of("e-2", subject="s-2"), DEFERRED, seconds=5)
    clock.advance(60)
    with kernel.units.begin() as work:
        count_attempt(work, (ALPHA, "e-1"), after(work, 30))
    counted = row_of(kernel, "e-1")
    assert (counted["state"], counted["attempts"]) == (DEFERRED, 2)
    assert counted["next_attempt_at"] == START + timedelta(seconds=90)
    with kernel.units.begin() as work:
        settle(work, (ALPHA, "e-1"))

    settled = row_of(kernel, "e-1")
    assert (settled["state"], settled["attempts"]) == (DONE, 2)
    assert settled["received_at"] == START
    assert settled["settled_at"] == START + timedelta(seconds=60)
    assert [settled[name] for name in ("next_attempt_at", "reason", "body")] == [None, None, None]
    assert (row_of(kernel, "e-2")["state"], row_of(kernel, "e-2")["attempts"]) == (DEFERRED, 1)


def test_a_row_put_aside_again_says_what_the_last_attempt_said(kernel: Kernel, clock: ManualClock) -> None:
    put(kernel, arrival_of("e-1"), DEFERRED, seconds=5)
    clock.advance(60)
    with kernel.units.begin() as work:
        assert put_aside(work, arrival_of("e-2", 2), PARKED, "another", attempts=1, next_attempt_at=None)
        assert put_aside(work, arrival_of("e-1"), PARKED, "spent", attempts=9, next_attempt_at=None)

    row = row_of(kernel, "e-1")
    assert (row["state"], row["attempts"], row["reason"], row["next_attempt_at"]) == (PARKED, 9, "spent", None)
    assert row["received_at"] == START, "when it first came"
    assert (row_of(kernel, "e-2")["attempts"], row_of(kernel, "e-2")["reason"]) == (1, "another")


@pytest.mark.parametrize("state", [DONE, DISCARDED])
def test_a_late_copy_that_fails_does_not_open_what_is_closed(kernel: Kernel, state: str) -> None:
    put(kernel, arrival_of("e-1"), state)
    with kernel.units.begin() as work:
        assert not put_aside(work, arrival_of("e-1"), PARKED, "late", attempts=1, next_attempt_at=None)

    assert row_of(kernel, "e-1")["state"] == state


def test_a_reason_is_kept_within_its_length_and_storable(kernel: Kernel) -> None:
    with kernel.units.begin() as work:
        reason = "half \ud83d and none \x00" + "x" * REASON_CHARACTERS_MAX
        put_aside(work, arrival_of("e-1"), PARKED, reason, attempts=1, next_attempt_at=None)

    kept = row_of(kernel, "e-1")["reason"]
    assert kept.startswith("half \\ud83d and none \\x00x")
    assert len(kept) == REASON_CHARACTERS_MAX


def test_what_is_due_comes_in_the_order_it_fell_due_and_not_before(kernel: Kernel, clock: ManualClock) -> None:
    for event_id, seconds in (("later", 30), ("first", 10), ("second", 20), ("far", 31)):
        put(kernel, arrival_of(event_id, subject=event_id), DEFERRED, seconds=seconds)
    put(kernel, arrival_of("parked", subject="p"), PARKED, seconds=0)
    put(kernel, arrival_of("done", subject="d"), DONE)

    assert due_ids(kernel) == []
    clock.advance(30)
    assert due_ids(kernel) == ["first", "second", "later"]
    assert due_ids(kernel, limit=2) == ["first", "second"]


@pytest.mark.parametrize("state", [PARKED, DEFERRED])
def test_an_open_event_holds_back_the_later_ones_of_its_subject_and_source_only(kernel: Kernel, state: str) -> None:
    put(kernel, arrival_of("open", 1), state, seconds=3_600)
    put(kernel, arrival_of("behind", 2), DEFERRED, seconds=0)
    put(kernel, arrival_of("elsewhere", 2, subject="s-2"), DEFERRED, seconds=0)
    put(kernel, arrival_of("namesake", 2, source="urn:lianmeng:beta"), DEFERRED, seconds=0)

    assert sorted(due_ids(kernel)) == ["elsewhere", "namesake"]


@pytest.mark.parametrize("state", [DONE, DISCARDED])
def test_a_closed_event_holds_back_nothing(kernel: Kernel, state: str) -> None:
    put(kernel, arrival_of("closed", 1), state)
    put(kernel, arrival_of("next", 2), DEFERRED, seconds=0)

    assert due_ids(kernel) == ["next"]


def test_of_two_with_the_same_number_one_goes_first(kernel: Kernel) -> None:
    put(kernel, arrival_of("b", 1), DEFERRED, seconds=0)
    put(kernel, arrival_of("a", 1), DEFERRED, seconds=0)

    assert due_ids(kernel) == ["a"]


def test_a_later_event_holds_back_no_earlier_one_however_their_ids_sort(kernel: Kernel) -> None:
    put(kernel, arrival_of("z", 1), DEFERRED, seconds=0)
    put(kernel, arrival_of("a", 2), DEFERRED, seconds=0)

    assert due_ids(kernel) == ["z"]


def test_only_a_deferred_row_is_taken_in_hand(kernel: Kernel) -> None:
    put(kernel, arrival_of("deferred"), DEFERRED, seconds=0)
    put(kernel, arrival_of("parked", 2), PARKED)
    with kernel.units.begin() as work:
        taken = lock_deferred(work, (ALPHA, "deferred"))
        assert taken is not None
        assert taken.event_id == "deferred"
        assert lock_deferred(work, (ALPHA, "parked")) is None
        assert lock_deferred(work, ("urn:lianmeng:beta", "deferred")) is None


def test_how_far_a_subject_has_come_counts_what_had_its_effect_and_what_is_open(kernel: Kernel) -> None:
    put(kernel, arrival_of("s1-2", 2), DONE)
    put(kernel, arrival_of("s1-9", 9), DONE)
    put(kernel, arrival_of("s1-11", 11), DISCARDED)
    put(kernel, arrival_of("s2-3", 3, subject="s-2"), DONE)
    put(kernel, arrival_of("s2-4", 4, subject="s-2"), PARKED)
    asked = [
        arrival_of("x", subject="s-1"),
        arrival_of("y", subject="s-1"),
        arrival_of("z", subject="s-2"),
        arrival_of("n", subject="new"),
        arrival_of("o", subject="s-1", source="urn:lianmeng:beta"),
    ]
    with kernel.units.reading() as reading:
        found = standings(reading, asked)

    assert found == {
        (ALPHA, "s-1"): Standing(is_open=False, done_to=9),
        (ALPHA, "s-2"): Standing(is_open=True, done_to=3),
        (ALPHA, "new"): Standing(is_open=False, done_to=-1),
        ("urn:lianmeng:beta", "s-1"): Standing(is_open=False, done_to=-1),
    }
