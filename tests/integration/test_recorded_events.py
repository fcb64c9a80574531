"""What an event says once it is recorded: its cause, its time, its article, its contract's version."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from shared.messaging.contracts import Published
from shared.messaging.envelope import parse
from shared.messaging.outbox import Outbox, outbox
from shared.persistence.unit_of_work import Cause, Units
from shared.runtime.clock import ManualClock
from tests.builders.kernel import SAID, START, Kernel, WordSaid, kernel_on, word_of


@pytest.fixture
def kernel(empty_database_url: str) -> Iterator[Kernel]:
    with kernel_on(empty_database_url) as made:
        yield made


def test_an_event_carries_its_cause_its_time_and_its_article_and_the_row_says_the_same(empty_database_url: str) -> None:
    clock = ManualClock(START)
    with kernel_on(empty_database_url, clock=clock) as kernel:
        cause = Cause("story-7", causation_id="event-6", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
        with kernel.units.begin(cause) as work:
            first = work.record(SAID, subject="s-1", data={"word": "plain"})
            second = work.record(SAID, subject="s-1", data={"word": "cited"}, article="6(2)", correlation_id="story-8")

        rows = sorted(kernel.rows(outbox), key=lambda row: row["position"])

    plain, cited = (parse(row["envelope"].encode()) for row in rows)
    assert (plain.id, cited.id) == (first, second)
    assert (plain.correlation_id, cited.correlation_id) == ("story-7", "story-8")
    assert {plain.causation_id, cited.causation_id} == {"event-6"}
    assert plain.traceparent == cause.traceparent
    assert (plain.article, cited.article) == (None, "6(2)")
    assert (plain.source, plain.major, plain.time) == ("urn:lianmeng:alpha", 1, START)
    for row, event in zip(rows, (plain, cited), strict=True):
        said = (row["event_id"], row["type"], row["subject"], row["sequence"], row["recorded_at"])
        assert said == (event.id, event.type, event.subject, event.sequence, event.time)


def test_the_contracts_article_stands_where_the_event_names_none(kernel: Kernel) -> None:
    contract = {SAID: Published(WordSaid, "a word", article="9(1)", major=3)}
    recorder = Outbox("alpha", contract)
    units = Units(kernel.database, kernel.wakeups, kernel.clock, kernel.ids, recorder)
    with units.begin() as work:
        work.record(SAID, subject="s-1", data={"word": "by contract"})
        work.record(SAID, subject="s-1", data={"word": "by hand"}, article="9(2)")

    events = [parse(row["envelope"].encode()) for row in kernel.rows(outbox)]
    assert [event.article for event in events] == ["9(1)", "9(2)"]
    assert [event.major for event in events] == [3, 3]


def test_instants_in_an_events_data_are_written_in_utc(kernel: Kernel) -> None:
    local = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=8)))
    with kernel.units.begin() as work:
        work.record(SAID, subject="s-1", data={"word": local})

    [row] = kernel.rows(outbox)
    assert word_of(row["envelope"].encode()) == "2026-03-02T01:00:00.000000Z"
