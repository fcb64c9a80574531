"""Every event is kept, once and whole, and whoever asked for it finds it in the inbox, once."""

from __future__ import annotations

from typing import Any

import pytest

from services.notifications import tables
from shared.runtime.clock import ManualClock
from shared.security.keys import new_signing_key, public_jwk
from shared.security.tokens import AUDIENCE, sign
from tests.service.notifications.driver import ADMITTED, Notifications


def test_an_event_of_any_type_is_kept_whole(house: Notifications) -> None:
    told = house.hear("meetings.minutes.signed", "x-1", {"deep": {"list": [1, {"a": "株洲"}]}}, cause="e-0")

    (kept,) = house.rows(tables.archive)
    assert kept["event_id"] == told["id"]
    assert kept["data"] == {"deep": {"list": [1, {"a": "株洲"}]}}
    assert (kept["source"], kept["subject"], kept["sequence"]) == ("urn:lianmeng:meetings", "x-1", 1)
    assert (kept["correlation_id"], kept["causation_id"], kept["article"]) == ("story-1", "e-0", "6(3)")


def test_a_signing_key_is_believed_and_archived_with_everything_that_was_said_of_it(house: Notifications) -> None:
    jwk = public_jwk(new_signing_key(house.assembly.ids), "key-2")
    house.hear(
        "membership.signing_key.published", "key-2", {"kid": "key-2", "jwk": jwk, "signs_from": "2026-03-02T00:00:00Z"}
    )

    (kept,) = house.rows(tables.archive)
    assert kept["data"]["signs_from"] == "2026-03-02T00:00:00Z"


def test_an_event_told_twice_is_kept_and_fanned_out_once(house: Notifications) -> None:
    house.subscribe()
    told = house.hear()
    house.again(told)

    assert len(house.rows(tables.archive)) == len(house.rows(tables.deliveries)) == len(house.rows(tables.notices)) == 1


def test_another_services_event_under_a_used_id_is_parked_and_not_lost(house: Notifications) -> None:
    told = house.hear()
    house.hear("finance.entry.posted", "e-1", {"total_fen": 1}, id=told["id"])

    assert ["archive.id_taken" in reason for reason in house.parked()] == [True]


def test_a_subscription_hears_what_it_asked_for_and_nothing_else(house: Notifications) -> None:
    house.subscribe("inbox", None, ADMITTED, "meetings.ballot.*")
    for event_type in (ADMITTED, "membership.account.opened", "meetings.ballot.opened", "meetings.charter.adopted"):
        house.hear(event_type, event_type)

    assert {notice["type"] for notice in house.items("/inbox")} == {ADMITTED, "meetings.ballot.opened"}


def test_who_subscribes_later_does_not_hear_of_the_past(house: Notifications) -> None:
    house.hear()
    house.subscribe()

    assert house.items("/inbox") == []


def test_two_subscriptions_to_one_event_make_one_notice(house: Notifications) -> None:
    house.subscribe("inbox", None, ADMITTED)
    house.subscribe("inbox", None, "*", "membership.*")
    house.hear()

    assert len(house.items("/inbox")) == 1
    assert len(house.rows(tables.deliveries)) == 2


def test_a_notice_speaks_the_readers_language_and_cites_the_article(house: Notifications) -> None:
    house.subscribe()
    house.hear()

    (english,) = house.items("/inbox")
    chinese = house.client.get("/inbox", headers={**house.headers(), "Accept-Language": "zh-CN"}).json
    assert english["title"] == "New member: 株洲某企业 (ZZ-16)"
    assert english["article"] == "6(3)"
    assert chinese is not None
    assert chinese["items"][0]["title"] == "新成员入会：株洲某企业（ZZ-16）"


def test_read_marks_are_each_readers_own_and_setting_one_twice_changes_nothing(house: Notifications) -> None:
    house.subscribe(subject="ana")
    house.subscribe(subject="bo")
    house.hear()
    (notice,) = house.items("/inbox", "ana")
    path = f"/inbox/{notice['notice_id']}/read"

    first, second = house.post(path, "ana").json, house.post(path, "ana").json

    assert first == second
    assert first is not None
    assert first["read_at"] is not None
    assert house.items("/inbox?unread=true", "ana") == []
    assert len(house.items("/inbox?unread=true", "bo")) == 1
    assert house.post(path, "bo").status_code == 404


def test_the_inbox_goes_on_where_it_stopped(house: Notifications) -> None:
    house.subscribe()
    told = [house.hear(subject=f"m-{number}")["id"] for number in range(7)]
    seen: list[str] = []
    path = "/inbox?limit=3"
    while path:
        answer = house.get(path).json
        assert answer is not None
        seen += [item["event_id"] for item in answer["items"]]
        path = f"/inbox?limit=3&cursor={answer['next_cursor']}" if answer["next_cursor"] else ""

    assert sorted(seen) == sorted(told)
    assert len(seen) == 7


def test_own_events_are_kept_and_nobody_is_told_of_them_but_the_operators(house: Notifications) -> None:
    house.subscribe("inbox", None, "*", "notifications.*")
    data = {"delivery_id": "d-1", "channel": "email", "event_id": "e-1", "event_type": ADMITTED, "attempts": 10}

    house.hear("notifications.delivery.abandoned", "d-1", data, article=None)

    assert len(house.rows(tables.archive)) == 1
    assert house.rows(tables.deliveries) == []
    assert house.items("/inbox", "ana") == []
    (notice,) = house.items("/inbox", "otto", "operator")
    assert notice["title"] == f"Could not be told by e-mail after 10 attempts: {ADMITTED}"
    assert house.post(f"/inbox/{notice['notice_id']}/read", "otto", "operator").status_code == 200
    assert len(house.items("/inbox?unread=true", "olga", "operator")) == 1


@pytest.mark.parametrize("path", ["/inbox", "/deliveries", "/subscriptions", "/timelines/story-1"])
def test_nobody_without_a_token_reads_anything(house: Notifications, path: str) -> None:
    assert house.client.get(path).status_code == 401


def test_a_key_published_by_event_lets_its_tokens_in_until_it_is_retired(
    house: Notifications, clock: ManualClock
) -> None:
    key, now = new_signing_key(house.assembly.ids), int(clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": house.assembly.settings.issuer,
        "aud": AUDIENCE,
        "sub": "ana",
        "jti": "j-1",
        "kind": "person",
    }
    claims |= {"iat": now, "nbf": now, "exp": now + 600, "roles": []}
    headers = {"Authorization": f"Bearer {sign(claims, key, 'key-2')}"}

    def status() -> int:
        clock.advance(61)  # a process may go on believing what it read for a while
        return house.client.get("/inbox", headers=headers).status_code

    unknown = status()
    house.hear("membership.signing_key.published", "key-2", {"kid": "key-2", "jwk": public_jwk(key, "key-2")})
    believed = status()
    house.hear("membership.signing_key.retired", "key-2", {"kid": "key-2"})
    retired = status()

    assert (unknown, believed, retired) == (401, 200, 401)
