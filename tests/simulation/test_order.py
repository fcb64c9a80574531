"""When the bus breaks its promise of order, or repeats itself: the state of in-order delivery, or waiting; never wrong."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from shared.messaging.envelope import encode
from shared.messaging.inbox import DEFERRED, DONE, PARKED, inbox
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, Kernel, effects, envelope_of, kernel_on, retry_all
from tests.simulation.run import Run

#: Events of one subject that are delivered in every order there is: 120 of them.
EVENTS = 5
#: Seeds with a bus that keeps no order at all.
SEEDS = 20
#: Events that come in two to five copies each, and once more a month later.
COPIED_EVENTS = 250
MONTH_SECONDS = 30 * 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on("sqlite://", clock=clock) as made:
        yield made


@pytest.mark.parametrize("together", [True, False], ids=["one_batch", "one_by_one"])
def test_events_of_a_subject_in_any_order_take_effect_in_order_or_wait(
    kernel: Kernel, clock: ManualClock, *, together: bool
) -> None:
    # given five events of each of 120 subjects, and every order in which five can arrive
    orders = {"".join(map(str, order)): order for order in itertools.permutations(range(1, EVENTS + 1))}
    assert len(orders) == 120
    consumer = kernel.consumer()

    # when each subject's events arrive in an order of its own, and time passes
    for subject, order in orders.items():
        bodies = [_body(subject, number) for number in order]
        for batch in [bodies] if together else [[body] for body in bodies]:
            consumer.accept(batch)
    for _ in range(2 * EVENTS):
        clock.advance(10.0)
        retry_all(consumer)

    # then what had its effect had it in order, and all of it where the order was right
    heard = kernel.rows(effects)
    rows = kernel.rows(inbox)
    assert len(rows) == 120 * EVENTS
    for subject, order in orders.items():
        words = [int(row["word"]) for row in heard if row["subject"] == subject]
        waiting = {row["sequence"]: row for row in rows if row["subject"] == subject and row["state"] != DONE}
        assert words == sorted(set(words))
        assert words[0] == order[0]
        assert sorted([*words, *waiting]) == sorted(order)
        if list(order) == sorted(order):
            assert not waiting
        # and every other event waits where an operator sees it
        for sequence, row in waiting.items():
            if row["state"] == PARKED:
                assert sequence < max(words)
                assert "event.out_of_order" in row["reason"]
            else:
                assert row["state"] == DEFERRED
                assert any(waiting[each]["state"] == PARKED for each in waiting if each < sequence)


def test_no_seed_goes_wrong_silently_on_a_bus_without_order() -> None:
    broken = 0
    for seed in range(SEEDS):
        outcome = Run(seed, keeps_order=False).play()

        lines = "\n".join(outcome.last_lines)
        assert not outcome.violation, f"{lines}\n{outcome.violation}\nagain: make sim SEED={seed} ARGS=--any-order"
        broken += outcome.counts["messages.out_of_order"]
    assert broken > 10 * SEEDS


def test_copies_at_once_later_and_a_month_later_have_one_effect(kernel: Kernel, clock: ManualClock) -> None:
    # given events, each with two to five copies, in an order that chance chose
    chance = random.Random(17)
    events = {f"w{number}": _body(f"s-{number}", 1, f"w{number}") for number in range(COPIED_EVENTS)}
    copies = [word for word in events for _ in range(chance.randint(2, 5))]
    chance.shuffle(copies)
    consumer = kernel.consumer()

    # when all arrive in batches of every size, and each comes once more after a month
    while copies:
        size = chance.randint(1, 40)
        batch, copies = copies[:size], copies[size:]
        consumer.accept([events[word] for word in batch])
    clock.advance(MONTH_SECONDS)
    consumer.accept(list(events.values()))

    # then each had one effect, and the rest is counted
    assert sorted(kernel.words()) == sorted(events)
    assert consumer.counts.done == COPIED_EVENTS
    assert consumer.counts.duplicates >= COPIED_EVENTS / 2


def _body(subject: str, sequence: int, word: str = "") -> bytes:
    return encode(envelope_of(word or str(sequence), subject=subject, sequence=sequence)).encode()
