"""The order of a story whose tellers' clocks differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.timeline import Entry, elapsed_milliseconds, order_entries

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def entry(name: str, seconds: float = 0.0, service: str = "membership", sequence: int = 1, cause: str | None = None):
    """An entry by its name."""
    at = START + timedelta(seconds=seconds)
    return Entry(name, at, service, f"{service}.thing.done", "s", sequence, cause, None, name)


def names(*entries: Entry) -> str:
    """Names in the story's order."""
    return " ".join(each.id for each in order_entries(entries))


def test_entries_stand_in_the_order_of_their_times() -> None:
    assert names(entry("c", 3), entry("a", 1), entry("b", 2)) == "a b c"


def test_at_the_same_instant_service_and_sequence_decide() -> None:
    assert names(entry("c", sequence=2), entry("a", service="finance"), entry("b", sequence=1)) == "a b c"


def test_a_cause_stands_before_its_effect_whatever_the_clocks_say() -> None:
    # given meetings, whose clock is five seconds behind, answering membership
    assert names(entry("opened", 5, "meetings", cause="accepted"), entry("accepted", 10)) == "accepted opened"


def test_an_effect_of_an_effect_follows_both() -> None:
    story = [entry("c", 1, cause="b"), entry("b", 2, cause="a"), entry("a", 3), entry("z", 2.5)]

    assert names(*story) == "z a b c"


def test_a_cause_outside_the_story_holds_nothing_up() -> None:
    assert names(entry("b", 2, cause="elsewhere"), entry("a", 1)) == "a b"


def test_a_circle_of_causes_is_cut_and_nothing_is_lost() -> None:
    assert names(entry("a", 2, cause="b"), entry("b", 1, cause="a"), entry("c", 3, cause="c")) == "c b a"


def test_an_entry_told_twice_stands_once() -> None:
    assert names(entry("a"), entry("a")) == "a"


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["finance", "meetings"]), st.integers(0, 3), st.integers(-1, 30)),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_however_they_arrive_the_order_is_the_same_and_causes_come_first(given_entries, chance) -> None:
    entries = [
        entry(f"e{number}", seconds, service, sequence, f"e{cause}" if 0 <= cause < number else None)
        for number, (seconds, service, sequence, cause) in enumerate(given_entries)
    ]
    shuffled = list(entries)
    chance.shuffle(shuffled)

    ordered = order_entries(entries)

    assert ordered == order_entries(shuffled)
    assert sorted(each.id for each in ordered) == sorted(each.id for each in entries)
    place = {each.id: number for number, each in enumerate(ordered)}
    assert all(place[each.cause] < place[each.id] for each in ordered if each.cause)


def test_elapsed_time_is_never_negative() -> None:
    assert elapsed_milliseconds(START, START + timedelta(milliseconds=1_234.9)) == 1_234
    assert elapsed_milliseconds(START, START - timedelta(seconds=1)) == 0
