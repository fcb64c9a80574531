"""Reading a feed from the outside: page after page, to its end."""

from __future__ import annotations

from shared.messaging.contracts import AnyData, Consumed
from shared.messaging.envelope import encode, parse
from shared.messaging.sources import heard, in_batches, read_all, types_from
from tests.builders.feeds import FeedInMemory
from tests.builders.kernel import SAID, WHISPERED, envelope_of


def feed_of(*types: str, window: int) -> FeedInMemory:
    """A feed with one event of each of these types in turn."""
    told = [
        envelope_of(str(number), type=each, dataschema=f"urn:lianmeng:schema:{each}:1", id=f"e-{number}")
        for number, each in enumerate(types, start=1)
    ]
    return FeedInMemory("alpha", told, window=window)


def test_a_feed_of_several_pages_is_read_to_its_end_each_page_once() -> None:
    feed = feed_of(*[SAID] * 5, window=2)

    read = list(read_all(feed, 0, []))

    assert [(each.service, each.number, each.event.id) for each in read] == [
        ("alpha", number, f"e-{number}") for number in range(1, 6)
    ]
    assert [after for after, _ in feed.asked] == [0, 2, 4]


def test_a_page_on_which_nothing_wanted_stands_is_not_the_end() -> None:
    feed = feed_of(SAID, WHISPERED, WHISPERED, WHISPERED, SAID, window=2)

    assert [each.number for each in read_all(feed, 1, [SAID])] == [5]
    assert feed.asked == [(1, [SAID]), (3, [SAID])]


def test_reading_begins_behind_the_number_given_and_an_empty_feed_has_an_end() -> None:
    assert [each.number for each in read_all(feed_of(SAID, SAID, SAID, window=10), 2, [])] == [3]
    assert list(read_all(feed_of(window=10), 0, [])) == []


def test_things_come_in_batches_of_which_the_last_may_be_smaller() -> None:
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_batches([], 2)) == []


def test_of_one_services_feed_a_consumer_wants_the_types_it_hears_and_all_where_it_hears_everything() -> None:
    hears = {each: Consumed(AnyData) for each in (WHISPERED, "beta.word.said", SAID, "alphabet.letter.read")}

    assert types_from(hears, "alpha") == [SAID, WHISPERED]
    assert types_from(hears, "omega") == []
    assert types_from({**hears, "#": Consumed(AnyData)}, "alpha") == []


def test_a_consumer_names_the_services_of_the_types_it_hears() -> None:
    hears = {each: Consumed(AnyData) for each in (SAID, WHISPERED, "beta.word.said", "#")}

    assert heard(hears) == {"alpha", "beta"}
    assert heard({"#": Consumed(AnyData)}) == set()


def test_what_was_read_is_the_published_text_byte_for_byte() -> None:
    told = envelope_of("攸县", id="e-1")

    [read] = read_all(FeedInMemory("alpha", [told], window=10), 0, [])

    assert read.body == encode(told).encode()
    assert read.event == parse(read.body)
