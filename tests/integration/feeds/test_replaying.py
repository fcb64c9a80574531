"""A rebuild by itself: what is played, in which order and at which times, and what is told of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shared.errors import Conflict, Unavailable
from shared.messaging.consumer import Consumer
from shared.messaging.contracts import AnyData, Consumed
from shared.messaging.envelope import Event, encode, schema_of
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.messaging.parking import DISCARD
from shared.messaging.rebuilding import PAGE, SHOWN_MAX, Projection, Rebuilt, Silent, rebuild
from shared.persistence.columns import Utc, new_metadata
from shared.persistence.database import Database
from shared.persistence.shadow import DerivedTable
from shared.persistence.unit_of_work import UnitOfWork, Units
from shared.runtime.clock import ManualClock
from shared.runtime.failpoints import Failpoints
from tests.builders.feeds import FeedInMemory
from tests.builders.kernel import SAID, START, WHISPERED, Kernel, envelope_of, kernel_on
from tests.builders.parked import act, key, states

BETA_SAID = "beta.word.said"
TYPES = (SAID, WHISPERED, BETA_SAID)

metadata = new_metadata()


def _words(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("event_id", sa.String(40), primary_key=True),
        sa.Column("word", sa.String(40), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("made", sa.String(36), nullable=False),
    )


heard, overheard = _words("heard"), _words("overheard")
HEARD = Projection("heard", (SAID, BETA_SAID), (DerivedTable(heard),))
OVERHEARD = Projection("overheard", (WHISPERED,), (DerivedTable(overheard),))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        metadata.create_all(made.database.engine)
        yield made


class WritesDown:
    """A reaction whose rows tell the place, the time and the ids it was given; refuses chosen words after writing."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        self.prerequisites: dict[str, str] = {}

    def __call__(self, work: UnitOfWork, event: Event) -> None:
        table = overheard if event.type == WHISPERED else heard
        word = str(event.data["word"])
        known = [row.word for row in work.all(sa.select(table.c.word))]
        row = {"event_id": event.id, "word": word, "place": len(known), "at": work.now, "made": work.ids.new_id("row")}
        work.execute(table.insert().values(row))
        work.record(SAID, subject=event.subject, data={"word": f"echo of {word}"})
        if word in self.failures:
            raise self.failures[word]
        if self.prerequisites.get(word, word) not in (word, *known):
            raise Unavailable("word.not_yet")


class Hearer:
    """A service on the kernel that hears three types; with the feeds of those who tell them."""

    def __init__(self, kernel: Kernel, *, everything: bool = False) -> None:
        self.kernel = kernel
        self.reaction = WritesDown()
        types = ("#",) if everything else TYPES
        self.consumer = Consumer(
            kernel.units,
            kernel.ids,
            {each: Consumed(AnyData) for each in types},
            dict.fromkeys(types, self.reaction),
            Failpoints(),
        )
        self.told: dict[str, list[dict[str, Any]]] = {"alpha": [], "beta": []}

    def tell(self, *words: str, event_type: str = SAID, event_id: str | None = None) -> list[bytes]:
        """Put words into the feed of whoever tells this type; returns the bodies for the bus."""
        service = event_type.partition(".")[0]
        made = [
            envelope_of(
                word,
                id=event_id or word,
                subject=f"of-{word}",
                type=event_type,
                source=f"urn:lianmeng:{service}",
                dataschema=schema_of(event_type, 1),
            )
            for word in words
        ]
        self.told[service] += made
        return [encode(each).encode() for each in made]

    def forget(self, service: str, event_id: str) -> None:
        """The service's feed lost an event."""
        self.told[service] = [each for each in self.told[service] if each["id"] != event_id]

    def rebuilt(
        self,
        *projections: Projection,
        swap: bool = False,
        report: Callable[[Mapping[str, int]], object] = lambda _numbers: None,
        **options: Any,
    ) -> Rebuilt:
        """A rebuild on a connection of its own, as the command makes it."""
        kernel = self.kernel
        database = Database(kernel.database.engine.url.render_as_string(hide_password=False), pool_size=1)
        units = Units(database, kernel.wakeups, kernel.clock, kernel.ids, Silent())
        feeds = [FeedInMemory(name, told, window=10_000) for name, told in self.told.items()]
        try:
            with units.begin() as work:
                return rebuild(
                    work,
                    self.consumer,
                    projections or (HEARD, OVERHEARD),
                    feeds,
                    all_tables=[heard, overheard],
                    swap=swap,
                    report=report,
                    **options,
                )
        finally:
            database.dispose()

    def spoil(self, *event_ids: str, table: sa.Table = heard) -> None:
        """Change rows that no event changed."""
        with self.kernel.units.begin() as work:
            work.execute(table.update().where(table.c.event_id.in_(event_ids)).values(word="spoilt"))


@pytest.fixture
def hearer(kernel: Kernel) -> Hearer:
    return Hearer(kernel)


def keys(found: Rebuilt) -> list[tuple[str, str, Any]]:
    return [(each.table, each.kind, each.key) for each in found.differences]


# ------------------------------------------------------------ playing
def test_events_are_played_in_the_order_and_at_the_times_of_their_effects_and_tell_nothing(
    hearer: Hearer, kernel: Kernel, clock: ManualClock
) -> None:
    # given effects in another order than that of the feeds, some of them at the same instant
    first, second, third = hearer.tell("first"), hearer.tell("second"), hearer.tell("third")
    beta = hearer.tell("beta", event_type=BETA_SAID)
    hearer.consumer.accept(third)
    clock.advance(60)
    hearer.consumer.accept([*first, *second, *beta])
    clock.advance(60)
    before = {table: kernel.rows(table) for table in (heard, outbox)}

    # when they are played again
    found = hearer.rebuilt(swap=True)

    # then place, time and ids of every row are the same, and nobody is told anything
    assert (found.played, found.waiting, found.differences, found.counts) == (4, 0, [], {"heard": 0, "overheard": 0})
    assert found.is_whole
    assert {table: kernel.rows(table) for table in (heard, outbox)} == before


def test_what_was_spoilt_is_counted_by_projection_and_mended_in_all_of_them(hearer: Hearer) -> None:
    hearer.consumer.accept([*hearer.tell("a", "b", "c"), *hearer.tell("psst", event_type=WHISPERED)])
    hearer.spoil("a", "b")
    hearer.spoil("psst", table=overheard)

    named = hearer.rebuilt()
    mended = hearer.rebuilt(swap=True)

    assert (named.counts, named.differ, named.mended) == ({"heard": 2, "overheard": 1}, 3, 0)
    assert keys(named) == [("heard", "changed", "a"), ("heard", "changed", "b"), ("overheard", "changed", "psst")]
    assert mended.mended == 3
    assert hearer.rebuilt().differ == 0


def test_only_the_events_of_a_projection_are_played(hearer: Hearer) -> None:
    hearer.consumer.accept([*hearer.tell("a", "b"), *hearer.tell("psst", event_type=WHISPERED)])

    assert (hearer.rebuilt(OVERHEARD).played, hearer.rebuilt(HEARD).played, hearer.rebuilt().played) == (1, 2, 3)
    assert hearer.rebuilt(OVERHEARD).is_whole, "what it does not follow from is not missed"


def test_many_events_are_played_page_by_page_and_told_of(hearer: Hearer) -> None:
    hearer.consumer.accept(hearer.tell(*(f"w{n:03}" for n in range(PAGE + 1))))
    reports: list[dict[str, int]] = []

    found = hearer.rebuilt(HEARD, report=lambda numbers: reports.append(dict(numbers)))

    assert (found.played, found.differ) == (PAGE + 1, 0)
    assert reports == [{"alpha": PAGE}, {"alpha": PAGE + 1}, {"": PAGE}]


# ------------------------------------------------------------ what cannot be played
def test_what_has_had_no_effect_here_is_waited_for_and_not_played(hearer: Hearer, kernel: Kernel) -> None:
    # given one that is done, one of each that is not, and one that has not come yet
    hearer.reaction.failures = {
        "early": Unavailable("word.not_yet"), "parked": Conflict("word.no"), "closed": Conflict("word.no"),
    }  # fmt: skip
    for word in ("done", "early", "parked", "closed"):
        hearer.consumer.accept(hearer.tell(word))
    hearer.tell("to come")
    act(kernel, DISCARD, [key("closed")])
    assert states(kernel) == {"done": "done", "early": "deferred", "parked": "parked", "closed": "discarded"}
    hearer.reaction.failures = {}

    found = hearer.rebuilt()

    assert (found.played, found.waiting, found.differ, found.is_whole) == (1, 4, 0, True)


def test_an_event_is_not_taken_for_that_of_another_source_with_its_id(hearer: Hearer) -> None:
    # given two of one id of which one had its effect
    hearer.tell("alpha's", event_id="e-1")
    hearer.consumer.accept(hearer.tell("beta's", event_id="e-1", event_type=BETA_SAID))

    found = hearer.rebuilt()

    assert (found.played, found.waiting, found.differ, found.is_whole) == (1, 1, 0, True)


def test_an_event_in_no_feed_is_missed_though_another_source_has_one_with_its_id(hearer: Hearer) -> None:
    hearer.consumer.accept(hearer.tell("alpha's", event_id="e-1", event_type=WHISPERED))
    hearer.consumer.accept(hearer.tell("beta's", event_id="e-1", event_type=BETA_SAID))
    hearer.forget("beta", "e-1")

    assert hearer.rebuilt().unsourced == ["urn:lianmeng:beta e-1"]


def test_of_events_in_no_feed_those_of_the_oldest_effects_are_named_up_to_a_hundred(hearer: Hearer) -> None:
    # given events whose effects were had in another order than that of their arrival
    words = [f"w{n:03}" for n in range(SHOWN_MAX + 1)]
    hearer.consumer.accept(hearer.tell(*words))
    with hearer.kernel.units.begin() as work:
        for seconds, word in enumerate(reversed(words)):
            settled_at = START + timedelta(seconds=seconds)
            work.execute(inbox.update().where(inbox.c.event_id == word).values(settled_at=settled_at))
    hearer.told["alpha"].clear()

    found = hearer.rebuilt()

    assert found.unsourced == [f"urn:lianmeng:alpha w{n:03}" for n in range(SHOWN_MAX, 0, -1)]


def test_where_something_is_in_no_feed_nothing_is_mended_unless_asked_for(hearer: Hearer) -> None:
    hearer.consumer.accept(hearer.tell("a", "b"))
    hearer.forget("alpha", "b")

    found = hearer.rebuilt(swap=True)

    assert (keys(found), found.mended, found.is_whole) == ([("heard", "extra", "b")], 0, False)
    assert hearer.rebuilt(swap=True, accept_unsourced=True).mended == 1


def test_who_derives_from_everything_misses_events_of_every_type(kernel: Kernel) -> None:
    hearer = Hearer(kernel, everything=True)
    everything = Projection("heard", ("#",), (DerivedTable(heard), DerivedTable(overheard)))
    hearer.consumer.accept([*hearer.tell("a"), *hearer.tell("psst", event_type=WHISPERED)])
    assert (hearer.rebuilt(everything).played, hearer.rebuilt(everything).unsourced) == (2, [])

    hearer.forget("alpha", "psst")

    assert hearer.rebuilt(everything).unsourced == ["urn:lianmeng:alpha psst"]


# ------------------------------------------------------------ refusals
def test_what_is_refused_when_played_leaves_no_row_is_named_with_its_reason_and_keeps_all_as_it_is(
    hearer: Hearer,
) -> None:
    hearer.consumer.accept(hearer.tell("a", "b", "c"))
    hearer.reaction.failures = {"b": Conflict("word.no", word="b")}
    hearer.spoil("a")

    found = hearer.rebuilt(swap=True, accept_unsourced=True)

    assert (found.played, found.refused) == (2, [("urn:lianmeng:alpha b", "word.no word=b")])
    assert keys(found)[-1] == ("heard", "extra", "b"), "what it wrote before it was refused is undone"
    assert (found.mended, found.is_whole) == (0, False)


def test_of_many_that_are_refused_a_hundred_are_named(hearer: Hearer) -> None:
    words = [f"w{n:03}" for n in range(SHOWN_MAX + 1)]
    hearer.consumer.accept(hearer.tell(*words))
    hearer.reaction.failures = dict.fromkeys(words, Conflict("word.no"))

    found = hearer.rebuilt()

    assert (found.played, found.refused) == (0, [(f"urn:lianmeng:alpha {word}", "word.no") for word in words[:-1]])


@pytest.mark.parametrize(
    "prerequisites", [{"a": "b"}, {"a": "b", "b": "c"}], ids=["for the next one", "in a chain of three"]
)
def test_what_waits_for_a_later_one_is_played_after_it(hearer: Hearer, prerequisites: dict[str, str]) -> None:
    hearer.consumer.accept(hearer.tell("a", "b", "c"))
    hearer.reaction.prerequisites = prerequisites

    found = hearer.rebuilt()

    assert (found.played, found.refused) == (3, [])
    assert {kind for _, kind, _ in keys(found)} == {"changed"}, "in other places, but all there"


def test_what_waits_for_what_never_comes_is_refused_and_the_rest_is_played(hearer: Hearer) -> None:
    hearer.consumer.accept(hearer.tell("a", "b", "c"))
    hearer.reaction.prerequisites = {"a": "b", "c": "nothing"}

    found = hearer.rebuilt()

    assert (found.played, found.refused) == (2, [("urn:lianmeng:alpha c", "word.not_yet")])


def test_reports_are_made_of_each_feed_that_was_read(hearer: Hearer) -> None:
    hearer.consumer.accept([*hearer.tell("a", "b"), *hearer.tell("c", event_type=BETA_SAID)])
    reports: list[Sequence[tuple[str, int]]] = []

    hearer.rebuilt(report=lambda numbers: reports.append(sorted(numbers.items())))

    assert reports == [[("alpha", 2)], [("alpha", 2), ("beta", 1)]]
