"""The feed in its table, without HTTP: what a page holds, where it ends, and what pruning leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.errors import Gone, Invalid
from shared.messaging.feed import (
    LIMIT_MAX,
    Bounds,
    Entry,
    Page,
    bounds,
    last_numbered,
    oldest_kept,
    prune,
    raise_above,
    read,
    unknown_here,
)
from shared.messaging.outbox import mark_sent, outbox
from shared.runtime.clock import ManualClock
from tests.builders.kernel import SAID, START, WHISPERED, Kernel, kernel_on, word_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def send(kernel: Kernel) -> None:
    """Mark everything as sent, as the relay does."""
    with kernel.units.begin(quiet=True) as work:
        mark_sent(work, [row["event_id"] for row in kernel.rows(outbox)])


def tell(kernel: Kernel, *words: str, event_type: str = SAID) -> None:
    """Say words, each of a subject of its own, and send them."""
    for word in words:
        kernel.say(word, subject=f"of-{word}", event_type=event_type)
    send(kernel)


def page(kernel: Kernel, after: int, **wanted: object) -> Page:
    with kernel.units.reading() as reading:
        return read(reading, after, **wanted)  # type: ignore[arg-type]  # passed on


def words(found: Page) -> list[str]:
    return [word_of(each.envelope.encode()) for each in found.entries]


def pruned(kernel: Kernel, clock: ManualClock, batch: int = 100) -> int:
    """Remove what was sent before this moment."""
    with kernel.units.begin(quiet=True) as work:
        return prune(work, clock.now(), batch=batch)


# ------------------------------------------------------------ pages
def test_a_feed_of_nothing_has_one_empty_page(kernel: Kernel) -> None:
    assert page(kernel, 0) == Page([], 0, 0, 0)
    with kernel.units.reading() as reading:
        assert (bounds(reading), last_numbered(reading), oldest_kept(reading)) == (Bounds(0, 0), 0, None)


def test_a_page_has_what_was_published_under_its_numbers(kernel: Kernel) -> None:
    tell(kernel, "one")
    tell(kernel, "two", event_type=WHISPERED)

    rows = sorted(kernel.rows(outbox), key=lambda row: row["feed_number"])
    assert page(kernel, 0) == Page(
        [Entry(1, SAID, rows[0]["envelope"]), Entry(2, WHISPERED, rows[1]["envelope"])], 2, 2, 0
    )
    with kernel.units.reading() as reading:
        assert (bounds(reading), last_numbered(reading)) == (Bounds(2, 0), 2)


def test_a_page_is_full_or_the_last(kernel: Kernel) -> None:
    tell(kernel, "1", "2", "3")

    found = [page(kernel, 0, limit=2), page(kernel, 1, limit=2), page(kernel, 1, limit=3), page(kernel, 3, limit=1)]

    assert [words(each) for each in found] == [["1", "2"], ["2", "3"], ["2", "3"], []]
    assert [(each.next, each.is_last) for each in found] == [(2, False), (3, True), (3, True), (3, True)]


def test_a_look_goes_no_further_than_its_window(kernel: Kernel) -> None:
    tell(kernel, "1", "2", "3", "4")

    found = [page(kernel, 0, window=2), page(kernel, 1, window=2), page(kernel, 3, window=2)]

    assert [words(each) for each in found] == [["1", "2"], ["2", "3"], ["4"]]
    assert [(each.next, each.is_last) for each in found] == [(2, False), (3, False), (4, True)]


def test_a_page_of_some_types_passes_over_the_others(kernel: Kernel) -> None:
    tell(kernel, "1", "2")
    tell(kernel, "3", event_type=WHISPERED)
    tell(kernel, "4")

    assert words(page(kernel, 0, types=[WHISPERED])) == ["3"]
    assert words(page(kernel, 0, types=[SAID])) == ["1", "2", "4"]
    assert words(page(kernel, 0, types=[SAID, WHISPERED], limit=3)) == ["1", "2", "3"]
    assert page(kernel, 3, types=[WHISPERED]).next == 4


def test_the_order_of_a_page_is_that_of_sending(kernel: Kernel) -> None:
    for word in ("first", "second"):
        kernel.say(word, subject=word)
    for row in sorted(kernel.rows(outbox), key=lambda row: row["position"], reverse=True):
        with kernel.units.begin() as work:
            mark_sent(work, [row["event_id"]])

    assert words(page(kernel, 0)) == ["second", "first"]


def test_a_reader_ahead_of_the_feed_is_told_where_it_ends(kernel: Kernel) -> None:
    tell(kernel, "1", "2")

    with pytest.raises(Invalid) as refused:
        page(kernel, 3)

    assert (refused.value.code, refused.value.field) == ("feed.beyond_head", "after")
    assert refused.value.params == {"head": 2}


@pytest.mark.parametrize("limit", [0, LIMIT_MAX + 1])
def test_a_page_of_no_or_too_many_events_is_a_bug_of_the_caller(kernel: Kernel, limit: int) -> None:
    with pytest.raises(AssertionError):
        page(kernel, 0, limit=limit)


def test_a_page_of_one_event_and_one_of_the_most_are_allowed(kernel: Kernel) -> None:
    tell(kernel, "1", "2")

    assert (words(page(kernel, 0, limit=1)), words(page(kernel, 0, limit=LIMIT_MAX))) == (["1"], ["1", "2"])


# ------------------------------------------------------------ pruning
def test_what_was_sent_before_an_instant_goes_and_what_was_sent_then_stays(kernel: Kernel, clock: ManualClock) -> None:
    tell(kernel, "1", "2")
    clock.advance(1)
    tell(kernel, "3")

    assert pruned(kernel, clock) == 2
    assert pruned(kernel, clock) == 0

    with kernel.units.reading() as reading:
        assert (bounds(reading), last_numbered(reading)) == (Bounds(3, 2), 3)
    assert page(kernel, 2).pruned_to == 2
    assert words(page(kernel, 2)) == ["3"]


def test_a_reader_behind_what_was_removed_is_told_where_the_feed_begins(kernel: Kernel, clock: ManualClock) -> None:
    tell(kernel, "1", "2", "3")
    clock.advance(1)
    pruned(kernel, clock, batch=2)

    with pytest.raises(Gone) as refused:
        page(kernel, 1)

    assert (refused.value.code, refused.value.field) == ("feed.removed", "after")
    assert refused.value.params == {"first": 3}


def test_pruning_begins_with_what_was_sent_first(kernel: Kernel, clock: ManualClock) -> None:
    for word in ("sent second", "sent first"):
        kernel.say(word, subject=word)
    for row in sorted(kernel.rows(outbox), key=lambda row: row["position"], reverse=True):
        with kernel.units.begin() as work:
            mark_sent(work, [row["event_id"]])
    clock.advance(1)

    assert pruned(kernel, clock, batch=1) == 1

    assert words(page(kernel, 1)) == ["sent second"]


def test_a_feed_whose_every_event_was_removed_keeps_its_numbers(kernel: Kernel, clock: ManualClock) -> None:
    tell(kernel, "1", "2")
    clock.advance(1)
    pruned(kernel, clock)

    with kernel.units.reading() as reading:
        assert (bounds(reading), last_numbered(reading)) == (Bounds(2, 2), 2)
    assert page(kernel, 2) == Page([], 2, 2, 2)
    tell(kernel, "3")
    assert words(page(kernel, 2)) == ["3"]


# ------------------------------------------------------------ after a restore
def test_the_oldest_event_kept_is_named_only_once_some_were_removed(kernel: Kernel, clock: ManualClock) -> None:
    tell(kernel, "1")
    clock.advance(60)
    tell(kernel, "2")
    clock.advance(60)
    tell(kernel, "3")
    with kernel.units.reading() as reading:
        assert oldest_kept(reading) is None

    pruned(kernel, clock, batch=1)

    with kernel.units.reading() as reading:
        assert oldest_kept(reading) == START + timedelta(seconds=60)


def test_the_last_number_an_event_has_is_not_that_to_which_the_feed_was_raised(kernel: Kernel) -> None:
    tell(kernel, "1", "2")
    with kernel.units.begin(quiet=True) as work:
        raise_above(work, head=9, sequences={})

    with kernel.units.reading() as reading:
        assert (bounds(reading), last_numbered(reading)) == (Bounds(9, 0), 2)


def test_events_that_this_service_never_told_are_found(kernel: Kernel) -> None:
    known = [kernel.say("sent"), kernel.say("unsent", subject="s-2")]

    with kernel.units.reading() as reading:
        assert unknown_here(reading, [known[0], "never told"]) == {"never told"}
        assert unknown_here(reading, known) == set()
