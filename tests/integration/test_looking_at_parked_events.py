"""What operators see of parked events, on both databases: found by what they have in common, shown without harm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.messaging import parking
from shared.messaging.envelope import ENVELOPE_BYTES_MAX
from shared.messaging.inbox import DEFERRED
from shared.messaging.parking import Selection
from shared.runtime.clock import ManualClock
from tests.builders.kernel import START, Kernel, envelope_of, kernel_on
from tests.builders.parked import SOURCE, Mendable, act, body_of, key, three_parked


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def kernel(empty_database_url: str, clock: ManualClock) -> Iterator[Kernel]:
    with kernel_on(empty_database_url, clock=clock) as made:
        yield made


def listed(kernel: Kernel, selection: Selection, **page: Any) -> list[str]:
    with kernel.units.reading() as reading:
        return [row.event_id for row in parking.list_events(reading, selection, **{"limit": 100, **page})]


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


def test_a_discarded_event_is_shown_to_hold_nothing_back(kernel: Kernel) -> None:
    consumer = kernel.consumer(reaction=Mendable(first=Conflict("word.no"), second=Conflict("word.no")))
    consumer.accept([body_of("first", subject="s", sequence=1)])
    consumer.accept([body_of("second", subject="s", sequence=2)])
    act(kernel, parking.DISCARD, [key("first")])

    with kernel.units.reading() as reading:
        assert parking.waiting_behind(reading, parking.get_event(reading, key("first"))) == (0, [])


def test_an_event_tells_the_latest_of_its_subject_that_has_overtaken_it(kernel: Kernel) -> None:
    consumer = kernel.consumer(reaction=Mendable(a1=Conflict("word.no"), a4=Conflict("word.no")))
    consumer.accept([body_of("a1", subject="a", sequence=1)])
    act(kernel, parking.DISCARD, [key("a1")])
    consumer.accept([body_of(f"a{n}", subject="a", sequence=n) for n in (2, 3)])
    consumer.accept([body_of("a4", subject="a", sequence=4), body_of("b9", subject="b", sequence=9)])

    with kernel.units.reading() as reading:
        found = {word: parking.get_event(reading, key(word)).overtaken_by for word in ("a1", "a2", "a3", "a4", "b9")}

    assert found == {"a1": 3, "a2": 3, "a3": None, "a4": None, "b9": None}


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


def test_the_measurements_count_each_state_and_tell_the_age_of_the_oldest_parked(
    kernel: Kernel, clock: ManualClock
) -> None:
    with kernel.units.reading() as reading:
        assert set(parking.parking_state(reading).values()) == {0.0}
    three_parked(kernel, clock)
    act(kernel, parking.DISCARD, [key("one")])
    kernel.consumer(reaction=Mendable(late=Unavailable("word.not_yet"))).accept([body_of("late", subject="l")])

    with kernel.units.reading() as reading:
        found = parking.parking_state(reading)

    assert found == {"deferred": 1.0, "parked": 2.0, "discarded": 1.0, "oldest_parked_age_seconds": 120.0}
