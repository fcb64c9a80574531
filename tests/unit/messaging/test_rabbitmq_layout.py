"""Which slot a subject has, which queues a layout has, and which layout is consumed."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.messaging.rabbitmq.layout import LAYOUTS, SLOTS, Found, queues_of, slot_of
from shared.runtime.clock import ManualClock
from shared.runtime.identifiers import Identifiers
from tests.builders.kernel import START


def found(*queues: str, under_way: int | None = None) -> Found:
    """What the broker has, in short."""
    return Found("q", frozenset(queues), under_way)


def test_a_subject_keeps_its_slot_for_ever() -> None:
    # Written down: another slot after an update would split a subject over two queues.
    assert [slot_of(subject) for subject in ("m-1", "m-2", "章程", "")] == [4, 14, 7, 0]


@pytest.mark.parametrize("partitions", LAYOUTS)
def test_subjects_spread_evenly_over_partitions(partitions: int) -> None:
    ids = Identifiers(ManualClock(START))
    counts = Counter(slot_of(ids.new_id()) % partitions for _ in range(16_000))

    fair = 16_000 / partitions
    assert set(counts) == set(range(partitions))
    assert all(0.85 * fair < count < 1.15 * fair for count in counts.values())


def test_every_layout_has_as_many_queues_as_partitions_and_shares_none_with_another() -> None:
    names = [queue for partitions in LAYOUTS for queue in queues_of("q", partitions)]

    assert len(names) == len(set(names)) == sum(LAYOUTS)
    assert all(SLOTS % partitions == 0 for partitions in LAYOUTS)


def test_where_there_is_nothing_the_wanted_layout_is_consumed() -> None:
    assert found().goal(4) == 4
    assert found().others(4) == []


def test_the_layout_that_is_there_is_consumed_whatever_is_wanted() -> None:
    assert found("q").goal(4) == 1
    assert found("q.4-0", "q.4-2").goal(1) == 4


def test_a_change_under_way_is_followed_and_the_old_queues_come_first() -> None:
    changing = found("q", "q.4-0", "q.4-1", "q.4-2", "q.4-3", under_way=4)

    assert changing.goal(1) == 4
    assert changing.others(4) == ["q"]
    assert found("q.2-0", "q.4-0", under_way=2).others(2) == ["q.4-0"]
