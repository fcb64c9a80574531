"""The feed over HTTP, page by page: complete, in order, closed to the public, and honest about what is gone."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from shared.messaging import feed
from shared.messaging.outbox import outbox
from shared.runtime.clock import ManualClock, SystemClock
from shared.runtime.retention import remove_old_events
from tests.fixtures.assemblies import Client, MakeAssembly, bearer
from tests.service.feed.driver import OPENED, POSTED, tell


class Finance:
    """Finance with its HTTP side and an operator at the door."""

    def __init__(self, make: MakeAssembly, **settings: Any) -> None:
        self.assembly = make("finance", **settings)
        self.http = Client(self.assembly)

    def get(self, query: str = "", **headers: str) -> TestResponse:
        return self.http.get(f"/events{query}", headers={**bearer(self.assembly, roles=["operator"]), **headers})

    def numbers(self, query: str) -> list[int]:
        return [item["number"] for item in self.get(query).json["items"]]  # type: ignore[index]


@pytest.fixture
def finance(make_assembly: MakeAssembly) -> Finance:
    return Finance(make_assembly)


def test_a_reader_gets_every_event_in_order_page_by_page(finance: Finance) -> None:
    tell(finance.assembly, *range(1, 8))

    first = finance.get("?limit=3").json
    second = finance.get("?limit=3&after=3").json
    third = finance.get("?limit=3&after=6").json

    assert first is not None
    assert second is not None
    assert third is not None
    found = [*first["items"], *second["items"], *third["items"]]
    assert [item["number"] for item in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [item["event"]["subject"] for item in found] == [f"account-{n}" for n in range(1, 8)]
    assert (first["next"], second["next"], third["next"]) == (3, 6, 7)
    assert third["head"] == 7


def test_the_envelope_is_the_published_one_byte_for_byte(finance: Finance) -> None:
    tell(finance.assembly, 1)
    with finance.assembly.reading() as reading:
        stored = reading.one(outbox.select()).envelope

    assert stored in finance.get().get_data(as_text=True)


def test_what_is_not_sent_yet_is_not_in_the_feed(finance: Finance) -> None:
    tell(finance.assembly, 1)
    with finance.assembly.begin() as work:
        work.record(OPENED, subject="account-2", data={**_data(), "account_id": "account-2"})

    assert finance.numbers("") == [1]


def test_a_reader_of_one_type_still_moves_on_over_the_others(finance: Finance) -> None:
    tell(finance.assembly, 1, 2, 3)

    page = finance.get(f"?types={POSTED}").json

    assert page == {"items": [], "next": 3, "head": 3}
    assert finance.numbers(f"?types={POSTED},{OPENED}") == [1, 2, 3]


def test_a_full_page_of_a_type_stops_at_its_last_event(finance: Finance) -> None:
    tell(finance.assembly, 1, 2, 3)

    page = finance.get(f"?types={OPENED}&limit=2").json

    assert page is not None
    assert (page["next"], page["head"]) == (2, 3)


def test_a_look_through_a_long_feed_comes_in_pieces(finance: Finance) -> None:
    # given a feed longer than one look
    tell(finance.assembly, 1, 2, 3)

    # when a reader of a type that never comes follows `next`
    with finance.assembly.reading() as reading:
        places = [feed.read(reading, after, types=[POSTED], window=2).next for after in (0, 2)]

    # then it arrives at the end
    assert places == [2, 3]


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("?after=-1", "input.out_of_range", "after"),
        ("?after=9007199254740993", "input.out_of_range", "after"),
        ("?after=one", "input.not_a_whole_number", "after"),
        ("?limit=0", "input.out_of_range", "limit"),
        ("?limit=501", "input.out_of_range", "limit"),
        ("?wait=31", "input.out_of_range", "wait"),
        ("?types=finance.account.painted", "feed.unknown_type", "types"),
        ("?types=finance.account.opened,,", "feed.unknown_type", "types"),
        ("?after=2", "feed.beyond_head", "after"),
        ("?since=1", "input.unknown_field", "since"),
    ],
)
def test_bad_input_is_refused_by_name(finance: Finance, query: str, code: str, field: str) -> None:
    tell(finance.assembly, 1)

    answer = finance.get(query)

    assert answer.status_code == 422
    assert [(each["code"], each["field"]) for each in answer.json["errors"]][:1] == [(code, field)]  # type: ignore[index]


def test_an_unknown_type_is_answered_with_the_known_ones(finance: Finance) -> None:
    message = finance.get("?types=nothing").json["errors"][0]["message"]  # type: ignore[index]

    assert OPENED in message
    assert POSTED in message


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        ({}, 401),
        ({"roles": ["secretariat"]}, 403),
        ({"roles": ["treasurer", "representative"]}, 403),
        ({"roles": ["operator"]}, 200),
        ({"scopes": ["roster:read", "timeline:read"]}, 403),
        ({"scopes": ["events:read"]}, 200),
    ],
)
def test_only_operators_and_platforms_with_the_scope_may_read(
    finance: Finance, caller: dict[str, Any], status: int
) -> None:
    headers = bearer(finance.assembly, **caller) if caller else {}

    assert finance.http.get("/events", headers=headers).status_code == status


def test_every_service_has_its_feed(make_assembly: MakeAssembly) -> None:
    for service in ("membership", "meetings", "notifications"):
        assembly = make_assembly(service)

        answer = Client(assembly).get("/events", headers=bearer(assembly, roles=["operator"]))

        assert answer.json == {"items": [], "next": 0, "head": 0}


def test_old_events_leave_from_the_low_end_and_a_reader_behind_is_told_so(
    make_assembly: MakeAssembly, clock: ManualClock
) -> None:
    # given two events of long ago and one of today, and 90 days of keeping
    finance = Finance(make_assembly, event_retention_days=90)
    tell(finance.assembly, 1, 2)
    clock.advance(91 * 86_400)
    tell(finance.assembly, 3)

    # when the timer runs
    more = remove_old_events(finance.assembly)

    # then the old ones are gone, who would miss them is told, and the numbers go on
    assert not more
    gone = finance.get("?after=1")
    assert (gone.status_code, gone.json["code"]) == (410, "feed.removed")  # type: ignore[index]
    assert "3" in gone.json["detail"]  # type: ignore[index]
    assert finance.numbers("?after=2") == [3]
    tell(finance.assembly, 4)
    assert finance.numbers("?after=2") == [3, 4]


def test_nothing_is_removed_unless_asked_for(finance: Finance, clock: ManualClock) -> None:
    tell(finance.assembly, 1)
    clock.advance(10 * 365 * 86_400)

    assert not remove_old_events(finance.assembly)
    assert finance.numbers("") == [1]


def test_unsent_events_stay_however_old_and_sequences_go_on(make_assembly: MakeAssembly, clock: ManualClock) -> None:
    # given an old event that was sent, and one of the same subject that never was
    finance = Finance(make_assembly, event_retention_days=90)
    tell(finance.assembly, 1)
    with finance.assembly.begin() as work:
        work.record(OPENED, subject="account-1", data=_data())
    clock.advance(200 * 86_400)

    # when the timer runs and another event of the subject follows
    remove_old_events(finance.assembly)
    tell(finance.assembly, 1)

    # then only the sent one went, and no sequence was given twice
    with finance.assembly.reading() as reading:
        rows = reading.all(outbox.select().order_by(outbox.c.position))
    assert [row.sequence for row in rows] == [2, 3]


def test_removal_goes_in_batches(make_assembly: MakeAssembly, clock: ManualClock) -> None:
    finance = Finance(make_assembly, event_retention_days=90)
    tell(finance.assembly, 1, 2, 3)
    before = clock.now() + timedelta(days=1)

    removed = []
    for _ in range(3):
        with finance.assembly.begin() as work:
            removed.append(feed.prune(work, before, batch=2))

    assert removed == [2, 1, 0]


def test_a_young_event_keeps_what_comes_after_it(make_assembly: MakeAssembly, clock: ManualClock) -> None:
    # given a clock that was set back between two events, so that the second seems older
    finance = Finance(make_assembly)
    tell(finance.assembly, 1)
    clock.advance(-86_400 * 10)
    tell(finance.assembly, 2)

    # when everything before a time between the two is removed
    with finance.assembly.begin() as work:
        removed = feed.prune(work, clock.now() + timedelta(days=5))

    # then nothing goes: the feed has no holes
    assert removed == 0


def test_a_waiting_reader_is_answered_soon_after_the_event(make_assembly: MakeAssembly) -> None:
    # given a reader that waits at the end of the feed
    finance = Finance(make_assembly, clock=SystemClock())
    tell(finance.assembly, 1)
    answers: list[list[int]] = []
    started = threading.Event()

    def read() -> None:
        started.set()
        answers.append(finance.numbers("?after=1&wait=20"))

    reader = threading.Thread(target=read)
    reader.start()
    started.wait(5)

    # when an event is told
    tell(finance.assembly, 2)
    told_at = SystemClock().monotonic()
    reader.join(20)

    # then it is there within a moment
    assert answers == [[2]]
    assert SystemClock().monotonic() - told_at < 2


def test_a_reader_without_a_place_to_wait_is_answered_at_once(make_assembly: MakeAssembly) -> None:
    finance = Finance(make_assembly, clock=SystemClock(), feed_readers_max=0)

    started = SystemClock().monotonic()
    answer = finance.get("?wait=20")

    assert answer.json == {"items": [], "next": 0, "head": 0}
    assert SystemClock().monotonic() - started < 5


def test_waiting_ends_with_an_empty_page(make_assembly: MakeAssembly) -> None:
    finance = Finance(make_assembly, clock=SystemClock())

    assert finance.get("?wait=1").json == {"items": [], "next": 0, "head": 0}


def _data() -> dict[str, Any]:
    return {"account_id": "account-1", "code": "2201.1", "member_id": "member-1", "currency": "CNY", "balance_fen": 0}
