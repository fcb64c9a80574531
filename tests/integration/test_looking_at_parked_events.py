"""What operators see of parked events, on both databases: found by what they have in common, shown without harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.messaging import parking
from shared.messaging.envelope import ENVELOPE_BYTES_MAX
from shared.messaging.inbox import DEFERRED, DISCARDED, PARKED, Arrival, put_aside
from shared.messaging.parking import Selection
from shared.runtime.clock import ManualClock
from tests.builders.kernel import SAID, START, Kernel, envelope_of, kernel_on
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
        assert len(rows) <= 2
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

    assert (refused.value.code, refused.value.params) == ("event.unknown", {"event_id": "nowhere"})


def test_events_of_two_sources_with_one_id_are_shown_and_acted_on_apart(kernel: Kernel) -> None:
    beta = ("urn:lianmeng:beta", "e-1")
    with kernel.units.begin() as work:
        for source, event_id in (key("e-1"), beta):
            arrival = Arrival(source, event_id, SAID, f"of {source}", 1, source.encode())
            put_aside(work, arrival, PARKED, f"from {source}", attempts=1, next_attempt_at=None)

    act(kernel, parking.DISCARD, [beta])

    with kernel.units.reading() as reading:
        for asked, state in ((key("e-1"), PARKED), (beta, DISCARDED)):
            row = parking.get_event(reading, asked)
            assert (row.source, row.event_id, row.state, bytes(row.body)) == (*asked, state, asked[0].encode())
        assert [row.action for row in parking.list_actions(reading, limit=10, key=beta)] == [parking.DISCARD]
        assert parking.list_actions(reading, limit=10, key=key("e-1")) == []


def test_what_an_event_holds_back_comes_in_order_and_of_one_number_the_lower_id_goes_first(kernel: Kernel) -> None:
    # given twice two events with the same number, and others whose ids do not sort as their numbers do
    with kernel.units.begin() as work:
        for event_id, sequence in (("m", 1), ("k", 1), ("z", 2), ("y", 2), ("a", 3)):
            arrival = Arrival(SOURCE, event_id, SAID, "s", sequence, b"")
            put_aside(work, arrival, PARKED, "because", attempts=1, next_attempt_at=None)

    def behind(event_id: str) -> tuple[int, list[str]]:
        with kernel.units.reading() as reading:
            count, first = parking.waiting_behind(reading, parking.get_event(reading, key(event_id)))
            return count, [row.event_id for row in first]

    assert behind("k") == (4, ["m", "y", "z", "a"])
    assert behind("m") == (3, ["y", "z", "a"])
    assert behind("z") == (1, ["a"])
    assert behind("a") == (0, [])


def _nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def _filled(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


@pytest.mark.parametrize(
    ("body", "is_shown"),
    [
        (b'{"data":{"list":[1,{"deep":[2]}]}}', True),
        (_nested(parking.ENVELOPE_DEPTH_MAX - 1), True),
        (_nested(parking.ENVELOPE_DEPTH_MAX), False),
        (_filled(ENVELOPE_BYTES_MAX), True),
        (_filled(ENVELOPE_BYTES_MAX + 1), False),
    ],
    ids=["lists in it", "as deep as may be", "too deep", "as long as may be", "too long"],
)
def test_an_envelope_is_shown_whole_up_to_its_greatest_depth_and_length(body: bytes, *, is_shown: bool) -> None:
    envelope, excerpt = parking.read_body(body)

    assert envelope == (json.loads(body) if is_shown else None)
    assert excerpt == (None if is_shown else body[: parking.EXCERPT_BYTES].decode())


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
    with pytest.raises(Invalid) as refused:
        parking.parse_key(text)

    assert (refused.value.code, refused.value.field) == ("event.key_malformed", "key")


def test_a_source_may_hold_slashes_since_the_id_is_what_stands_behind_the_last() -> None:
    assert parking.parse_key(parking.key_text("https://alpha/feed", "a/b")) == ("https://alpha/feed", "a/b")


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


def test_an_event_parked_this_moment_has_no_age_and_none_below_zero_when_the_clock_is_set_back(
    kernel: Kernel, clock: ManualClock
) -> None:
    kernel.consumer().accept([b"no event"])

    for step in (0, -60):
        clock.advance(step)
        with kernel.units.reading() as reading:
            assert parking.parking_state(reading)["oldest_parked_age_seconds"] == 0.0
