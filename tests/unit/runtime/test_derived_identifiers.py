"""Identifiers that follow from an event: the same again, different for everybody else, and never a secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.runtime.clock import ManualClock
from shared.runtime.identifiers import Identifiers, seeded_randomness

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
CLOCK = ManualClock(AT + timedelta(days=30))


def of(owner: str = "finance", *, seed: int = 1) -> Identifiers:
    return Identifiers(CLOCK, seeded_randomness(seed), owner=owner)


def drawn(ids: Identifiers) -> list[str]:
    return [ids.new_id(), ids.new_id(), ids.unordered_id(), ids.new_id("a name"), ids.new_id("a name")]


def test_what_follows_from_the_same_event_has_the_same_ids_whenever_it_is_made() -> None:
    first = drawn(of(seed=1).derived_from("urn:lianmeng:membership event-1", AT))
    again = drawn(of(seed=2).derived_from("urn:lianmeng:membership event-1", AT))

    assert first == again
    assert len(set(first)) == len(first)


def test_another_event_another_service_or_another_time_makes_other_ids() -> None:
    found = [
        *drawn(of().derived_from("event-1", AT)),
        *drawn(of().derived_from("event-2", AT)),
        *drawn(of("meetings").derived_from("event-1", AT)),
    ]

    assert len(set(found)) == len(found)


def test_they_are_version_7_and_sort_by_the_time_of_the_event() -> None:
    early, late = (of().derived_from("event-1", AT + timedelta(seconds=n)).new_id() for n in (0, 1))

    assert UUID(early).version == 7
    assert early < late


def test_a_named_id_does_not_depend_on_what_was_drawn_before() -> None:
    straight, around = (of().derived_from("event-1", AT) for _ in range(2))
    around.new_id()

    assert straight.new_id("a name") == around.new_id("a name")


def test_a_secret_is_never_derived() -> None:
    assert of(seed=1).derived_from("event-1", AT).secret() != of(seed=2).derived_from("event-1", AT).secret()
