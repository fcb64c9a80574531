"""Taking a feed in once more: what was had is dropped, and what had waited for something in it has its effect as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from shared.errors import Unavailable
from shared.messaging.contracts import Consumed
from shared.messaging.envelope import Event, encode
from shared.messaging.inbox import DEFERRED, DONE, inbox
from shared.messaging.retry import EVENT_DELAYS_SECONDS
from shared.messaging.sources import catch_up
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import ManualClock
from tests.builders.feeds import FeedInMemory
from tests.builders.kernel import SAID, START, Kernel, WordHeard, envelope_of, kernel_on, write_down

CONSUMES = {SAID: Consumed(WordHeard)}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def test_what_waited_for_something_in_the_feed_has_its_effect_before_catching_up_ends(
    kernel: Kernel, clock: ManualClock
) -> None:
    # given an answer that came without its question, and what was said after it: both are due to be tried again
    def hear(work: UnitOfWork, event: Event) -> None:
        if event.data["word"] == "answer" and "question" not in kernel.words():
            raise Unavailable("word.not_yet")
        write_down(work, event)

    consumer = kernel.consumer(reaction=hear)
    question = envelope_of("question", subject="asked", id="e-1")
    answer = envelope_of("answer", subject="answered", sequence=1, id="e-2")
    thanks = envelope_of("thanks", subject="answered", sequence=2, id="e-3")
    consumer.accept([encode(answer).encode()])
    consumer.accept([encode(thanks).encode()])
    assert [row["state"] for row in kernel.rows(inbox)] == [DEFERRED, DEFERRED]
    clock.advance(EVENT_DELAYS_SECONDS[0])
    reports: list[Mapping[str, int]] = []

    # when it catches up with the feed that has all three
    feed = FeedInMemory("alpha", [question, answer, thanks], window=10)
    numbers = catch_up(
        consumer, CONSUMES, [feed], after={}, batch=2, report=lambda reached: reports.append(dict(reached))
    )

    # then each has had its effect once, in the order of its subject
    assert kernel.words() == ["question", "answer", "thanks"]
    assert {row["state"] for row in kernel.rows(inbox)} == {DONE}
    assert (consumer.counts.done, consumer.counts.duplicates) == (3, 2)
    assert numbers == {"alpha": 3}
    assert reports == [{"alpha": 2}, {"alpha": 3}]


def test_only_feeds_that_the_consumer_hears_are_read_and_from_where_it_was(kernel: Kernel) -> None:
    told = [envelope_of(word, subject=word, id=word) for word in ("one", "two", "three")]
    heard, unheard = FeedInMemory("alpha", told, window=10), FeedInMemory("omega", [], window=10)

    numbers = catch_up(
        kernel.consumer(), CONSUMES, [heard, unheard], after={"alpha": 1}, batch=10, report=lambda _numbers: None
    )

    assert kernel.words() == ["two", "three"]
    assert numbers == {"alpha": 3, "omega": 0}
    assert (heard.asked, unheard.asked) == ([(1, [SAID])], [])


def test_who_hears_everything_takes_in_all_feeds_in_the_order_of_their_events_times(kernel: Kernel) -> None:
    # given two feeds whose events took turns
    feeds = [
        FeedInMemory(
            service,
            [
                envelope_of(
                    f"{service} {minute}",
                    subject=f"{service} {minute}",
                    id=f"{service}-{minute}",
                    type=f"{service}.word.said",
                    source=f"urn:lianmeng:{service}",
                    dataschema=f"urn:lianmeng:schema:{service}.word.said:1",
                    time=f"2026-03-02T01:{minute:02}:00Z",
                )
                for minute in minutes
            ],
            window=2,
        )
        for service, minutes in (("beta", (1, 4, 5)), ("alpha", (2, 3, 6)))
    ]
    reports: list[Mapping[str, int]] = []

    # when they are taken in four at a time
    numbers = catch_up(
        kernel.consumer("#"),
        {"#": Consumed(WordHeard)},
        feeds,
        after={},
        batch=4,
        report=lambda reached: reports.append(dict(reached)),
    )

    # then each event has its effect after all earlier ones, whoever told it
    assert kernel.words() == ["beta 1", "alpha 2", "alpha 3", "beta 4", "beta 5", "alpha 6"]
    assert numbers == {"alpha": 3, "beta": 3}
    assert reports == [{"alpha": 2, "beta": 2}, {"alpha": 3, "beta": 3}]
    assert {tuple(types) for feed in feeds for _, types in feed.asked} == {()}
