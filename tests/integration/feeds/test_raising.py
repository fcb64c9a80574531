"""After a restore to an earlier point: no number of the feed is given twice, no sequence of a subject either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.messaging.feed import raise_above
from shared.messaging.outbox import mark_sent, outbox
from tests.builders.kernel import Kernel, kernel_on


@pytest.fixture
def kernel(empty_database_url: str) -> Iterator[Kernel]:
    """One that said two things of `known` and one of `ahead`, all sent; others remember more."""
    with kernel_on(empty_database_url) as made:
        for subject in ("known", "known", "ahead"):
            made.say("before", subject=subject)
        send(made)
        yield made


def send(kernel: Kernel) -> None:
    """Mark everything as sent."""
    with kernel.units.begin(quiet=True) as work:
        mark_sent(work, [row["event_id"] for row in kernel.rows(outbox)])


def raised(kernel: Kernel, head: int, **sequences: int) -> int:
    """Raise above what others remember; returns how much was raised."""
    with kernel.units.begin(quiet=True) as work:
        return raise_above(work, head=head, sequences=sequences)


def test_what_is_told_next_goes_on_after_what_others_remember(kernel: Kernel) -> None:
    assert raised(kernel, 10, known=7, lost=3, ahead=1) == 3, "the feed and two subjects"

    for subject in ("known", "lost", "ahead"):
        kernel.say("after", subject=subject)
    send(kernel)

    told = sorted(kernel.rows(outbox), key=lambda row: row["position"])[-3:]
    assert [(row["subject"], row["sequence"]) for row in told] == [("known", 8), ("lost", 4), ("ahead", 2)]
    assert [row["feed_number"] for row in told] == [11, 12, 13]


def test_what_is_ahead_of_all_memories_stays_as_it_is(kernel: Kernel) -> None:
    assert raised(kernel, 2, known=1, ahead=1) == 0

    kernel.say("after", subject="known")
    send(kernel)

    [told] = sorted(kernel.rows(outbox), key=lambda row: row["position"])[-1:]
    assert (told["sequence"], told["feed_number"]) == (3, 4)


def test_raising_again_raises_nothing(kernel: Kernel) -> None:
    assert raised(kernel, 10, known=7) == 2
    assert raised(kernel, 10, known=7) == 0
