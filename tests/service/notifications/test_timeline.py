"""The whole story from one correlation id: all services, in order, with articles and titles, deliveries included."""

from __future__ import annotations

from typing import Any

import pytest

from shared.runtime.clock import ManualClock, rfc3339
from tests.service.notifications.driver import ADMITTED, Notifications

#: The chain of an admission: type, subject, article, milliseconds since the step before.
STEPS = [
    ("membership.application.submitted", "a-1", "6(1)", 0),
    ("membership.application.accepted", "a-1", "11", 1_000),
    ("meetings.ballot.opened", "b-1", "6(2)", 20),
    ("meetings.ballot.closed", "b-1", "6(2)", 5_000),
    ("membership.admission.approved", "a-1", "6(2)", 15),
    ("meetings.ballot.opened", "b-2", "6(3)", 15),
    ("meetings.ballot.closed", "b-2", "6(3)", 5_000),
    (ADMITTED, "m-1", "6(3)", 10),
    ("finance.account.opened", "f-1", "18", 12),
]


def tell(house: Notifications, clock: ManualClock) -> None:
    """The chain, each step caused by the one before; services report out of order."""
    told: list[dict[str, Any]] = []
    cause = None
    for event_type, subject, article, milliseconds in STEPS:
        clock.advance(milliseconds / 1000)
        event_id = house.assembly.ids.new_id()
        told.append({"event_type": event_type, "subject": subject, "article": article, "cause": cause, "id": event_id})
        told[-1]["time"] = rfc3339(clock.now())
        cause = event_id
    for each in told[::2] + told[1::2]:
        house.hear(each.pop("event_type"), each.pop("subject"), story="story-1", **each)


def test_the_story_is_told_in_order_with_the_article_of_each_step(house: Notifications, clock: ManualClock) -> None:
    tell(house, clock)
    house.hear("membership.application.submitted", "a-2", story="another story")

    answer = house.get("/timelines/story-1")

    assert answer.status_code == 200
    assert answer.json is not None
    entries = answer.json["entries"]
    assert [(entry["type"], entry["subject"], entry["article"]) for entry in entries] == [step[:3] for step in STEPS]
    assert [entry["elapsed_ms"] for entry in entries] == [
        sum(step[3] for step in STEPS[: number + 1]) for number in range(len(STEPS))
    ]
    assert [entry["service"] for entry in entries][-2:] == ["membership", "finance"]


def test_deliveries_stand_behind_what_they_told(house: Notifications, clock: ManualClock) -> None:
    house.subscribe("inbox", None, ADMITTED)
    tell(house, clock)

    answer = house.get("/timelines/story-1").json

    assert answer is not None
    types = [entry["type"] for entry in answer["entries"]]
    assert types.index("notifications.delivery.delivered") > types.index(ADMITTED)
    (delivery,) = [entry for entry in answer["entries"] if entry["type"] == "notifications.delivery.delivered"]
    assert delivery["title"] == "Told by inbox: New member: 株洲某企业 (ZZ-16)"
    assert delivery["data"]["channel"] == "inbox"


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN", "新成员入会：株洲某企业（ZZ-16）"),
        ("en-GB,en;q=0.8", "New member: 株洲某企业 (ZZ-16)"),
        ("fr", "新成员入会：株洲某企业（ZZ-16）"),
    ],
)
def test_titles_speak_the_readers_language(house: Notifications, language: str, title: str) -> None:
    house.hear()

    answer = house.client.get("/timelines/story-1", headers={**house.headers(), "Accept-Language": language}).json

    assert answer is not None
    assert answer["entries"][0]["title"] == title


def test_an_event_nobody_has_words_for_is_shown_by_its_type(house: Notifications) -> None:
    house.hear("meetings.minutes.signed", "x", {"a": [1, 2, {"b": None}]})

    answer = house.get("/timelines/story-1").json

    assert answer is not None
    (entry,) = answer["entries"]
    assert (entry["title"], entry["data"]) == ("meetings.minutes.signed", {"a": [1, 2, {"b": None}]})


def test_a_story_that_never_was_is_not_found(house: Notifications) -> None:
    for name in ("nope", "%00", "a'--", "x" * 500):
        assert house.get(f"/timelines/{name}").status_code in {400, 404, 422}


def test_a_platform_needs_the_scope(house: Notifications) -> None:
    house.hear()

    assert house.get("/timelines/story-1", "gw", scope="timeline:read").status_code == 200
    assert house.get("/timelines/story-1", "gw", scope="roster:read").status_code == 403
