"""Subscriptions over HTTP: everybody looks after his own, and a bad wish leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from services.notifications import tables
from services.notifications.commands.deliveries import record_attempt
from services.notifications.domain.deliveries import Attempt
from shared.runtime.clock import ManualClock
from shared.security.rate_limits import RateLimits
from shared.web.app_factory import create_app
from tests.service.notifications.conftest import Run
from tests.service.notifications.driver import Notifications
from tests.sinks import MailSink
from tests.unit.outbound.hostile import HOSTILE


def test_a_webhooks_secret_is_shown_once_and_never_again(house: Notifications) -> None:
    receipt = house.subscribe("webhook", "http://127.0.0.1:9/hook", "meetings.ballot.*")

    shown = house.get(f"/subscriptions/{receipt['subscription_id']}").json
    assert receipt["secret"].startswith("whsec_")
    assert shown is not None
    assert "secret" not in shown
    assert "secret" not in house.items("/subscriptions")[0]
    assert shown["event_types"] == ["meetings.ballot.*"]


def test_two_webhooks_have_two_secrets_and_an_inbox_has_none(house: Notifications) -> None:
    secrets = {house.subscribe("webhook", f"http://127.0.0.1:9/hook-{number}")["secret"] for number in range(2)}

    assert len(secrets) == 2
    assert house.subscribe()["secret"] is None


def test_the_same_request_sent_twice_subscribes_once_and_shows_the_same_secret(house: Notifications) -> None:
    headers = {**house.headers(), "Idempotency-Key": "subscribe-1"}
    body = {"event_types": ["*"], "channel": "webhook", "target": "http://127.0.0.1:9/hook"}

    first, second = (house.client.post("/subscriptions", headers=headers, json=body) for _ in range(2))

    assert first.json == second.json
    assert len(house.rows(tables.subscriptions)) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_types": []}, "event_types"),
        ({"event_types": "all"}, "event_types"),
        ({"event_types": ["#"]}, "event_types.0"),
        ({"event_types": ["*", "a.b"]}, "event_types.1"),
        ({"event_types": [1]}, "event_types.0"),
        ({"event_types": ["*"] * 51}, "event_types"),
        ({"channel": "sms"}, "channel"),
        ({"channel": None}, "channel"),
        ({"channel": "email", "target": "nobody"}, "target"),
        ({"channel": "email", "target": "a@b.cn\r\nBcc: x@y.cn"}, "target"),
        ({"channel": "email"}, "target"),
        ({"channel": "webhook"}, "target"),
        ({"channel": "webhook", "target": 7}, "target"),
        ({"channel": "webhook", "target": "ftp://127.0.0.1/"}, "target"),
        ({"target": "office@hetang.cn"}, "target"),
        ({"language": "fr"}, "language"),
        ({"owner": "somebody else"}, "owner"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"disabled_at": None}, "disabled_at"),
    ],
)
def test_a_faulty_field_is_named_and_nothing_is_stored(run: Run, mail_sink: MailSink, changes, field: str) -> None:
    house = run(mail_sink)
    body: dict[str, Any] = {"event_types": ["*"], "channel": "inbox", **changes}

    answer = house.post("/subscriptions", json=body)

    assert answer.status_code == 422
    assert answer.json is not None
    assert field in {each["field"] for each in answer.json["errors"]}
    assert house.rows(tables.subscriptions) == house.rows(tables.subscription_patterns) == []


def test_a_hostile_webhook_address_is_refused_when_it_is_registered(run: Run) -> None:
    house = run(webhooks_allow_private=False)
    accepted = []
    for url in HOSTILE:
        answer = house.post("/subscriptions", json={"event_types": ["*"], "channel": "webhook", "target": url})
        named = {each["field"] for each in (answer.json or {}).get("errors", [])}
        if answer.status_code != 422 or named != {"target"}:
            accepted.append((url, answer.status_code, answer.json))

    assert accepted == []
    assert house.rows(tables.subscriptions) == []


def test_email_without_a_mail_server_is_refused_with_a_clear_word(house: Notifications) -> None:
    body = {"event_types": ["*"], "channel": "email", "target": "office@hetang.cn"}

    answer = house.post("/subscriptions", json=body)

    assert answer.status_code == 409
    assert answer.json is not None
    assert answer.json["code"] == "subscription.email_not_configured"


def test_nobody_sees_or_ends_anothers_subscription(house: Notifications) -> None:
    mine = house.subscribe(subject="ana")["subscription_id"]

    assert house.get(f"/subscriptions/{mine}", "bo").status_code == 404
    assert house.client.delete(f"/subscriptions/{mine}", headers=house.headers("bo")).status_code == 404
    assert house.items("/subscriptions", "bo") == []
    assert house.get(f"/subscriptions/{mine}", "ana").status_code == 200


def test_a_platform_with_the_name_of_a_person_is_somebody_else(house: Notifications) -> None:
    mine = house.subscribe(subject="ana")["subscription_id"]

    assert house.get(f"/subscriptions/{mine}", "ana", scope="subscriptions:write").status_code == 404


def test_only_a_signed_in_caller_or_a_platform_with_the_scope_subscribes(house: Notifications) -> None:
    body = {"event_types": ["*"], "channel": "inbox"}

    assert house.client.post("/subscriptions", json=body).status_code == 401
    assert house.post("/subscriptions", "gw", scope="roster:read", json=body).status_code == 403
    assert house.post("/subscriptions", "gw", scope="subscriptions:write", json=body).status_code == 201


def test_an_ended_subscription_is_told_nothing_more_and_forgets_its_target(house: Notifications) -> None:
    mine = house.subscribe("webhook", "http://127.0.0.1:9/hook")["subscription_id"]
    house.hear()

    assert house.client.delete(f"/subscriptions/{mine}", headers=house.headers()).status_code == 204
    house.hear()

    (row,) = house.rows(tables.subscriptions)
    (delivery,) = house.rows(tables.deliveries)
    assert (row["target"], row["secret"]) == (None, None)
    assert delivery["state"] == "cancelled"
    assert house.items("/subscriptions") == []
    assert house.client.delete(f"/subscriptions/{mine}", headers=house.headers()).status_code == 404


def test_nobody_subscribes_without_end(house: Notifications) -> None:
    for _ in range(50):
        house.subscribe()

    assert house.post("/subscriptions", json={"event_types": ["*"], "channel": "inbox"}).status_code == 409
    assert house.subscribe(subject="bo")


@pytest.mark.parametrize(
    ("channel", "target", "another"),
    [
        ("email", "office@hetang.cn", "director@hetang.cn"),
        ("webhook", "http://127.0.0.1:9/hook", "http://127.0.0.1:9/other"),
    ],
)
def test_the_same_wish_a_second_time_is_refused_while_the_first_lives(
    run: Run, mail_sink: MailSink, channel: str, target: str, another: str
) -> None:
    # given somebody who is told already
    house = run(mail_sink)
    mine = house.subscribe(channel, target, "meetings.*", "*")["subscription_id"]
    body = {"event_types": ["*", "meetings.*", "*"], "channel": channel, "target": target}

    # when he asks for the same once more, in another order
    answer = house.post("/subscriptions", json=body)

    # then he is refused, and nobody else, nor he for other events, another target, or once the first has ended
    assert (answer.status_code, (answer.json or {})["code"]) == (409, "subscription.duplicate")
    assert len(house.rows(tables.subscriptions)) == 1
    assert house.post("/subscriptions", "bo", json=body).status_code == 201
    assert house.post("/subscriptions", json={**body, "event_types": ["*"]}).status_code == 201
    assert house.post("/subscriptions", json={**body, "target": another}).status_code == 201
    house.client.delete(f"/subscriptions/{mine}", headers=house.headers())
    assert house.post("/subscriptions", json=body).status_code == 201


def test_who_was_gone_may_subscribe_the_same_receiver_again(house: Notifications) -> None:
    house.subscribe("webhook", "http://127.0.0.1:9/hook")
    house.hear()
    (delivery,) = house.rows(tables.deliveries)
    with house.assembly.begin() as work:
        record_attempt(work, delivery["delivery_id"], Attempt(False, 5, 410, permanent=True))

    assert house.subscribe("webhook", "http://127.0.0.1:9/hook")["secret"]


def test_nobody_subscribes_faster_than_thirty_times_a_minute(house: Notifications, clock: ManualClock) -> None:
    house.client.http = create_app(house.assembly, limits=RateLimits(clock)).test_client()
    for _ in range(30):
        house.subscribe()

    answer = house.post("/subscriptions", json={"event_types": ["*"], "channel": "inbox"})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert house.subscribe(subject="bo")
    clock.advance(60)
    assert house.subscribe()


@pytest.mark.parametrize(
    ("event_type", "name", "scope"),
    [
        ("membership.account.closed", "account_id", None),
        ("membership.client.closed", "client_id", "subscriptions:write"),
    ],
)
def test_who_may_no_longer_come_in_is_told_nothing_more(
    house: Notifications, event_type: str, name: str, scope: str | None
) -> None:
    # given a person and a platform of one name, and somebody else, each with two subscriptions and a webhook on its way
    bodies: list[dict[str, Any]] = [
        {"event_types": ["*"], "channel": "webhook", "target": "http://127.0.0.1:9/hook"},
        {"event_types": ["*"], "channel": "inbox"},
    ]
    for subject, kind in (("x-1", None), ("x-1", "subscriptions:write"), ("bo", None)):
        for body in bodies:
            assert house.post("/subscriptions", subject, scope=kind, json=body).status_code == 201
    house.hear()

    # when one of them is shut out
    told = house.hear(event_type, "x-1", {name: "x-1"}, article=None)
    house.hear(subject="m-2")

    # then its subscriptions have ended as if it had unsubscribed, and the others' go on
    kind = "person" if scope is None else "platform"
    ended = [row for row in house.rows(tables.subscriptions) if row["deleted_at"]]
    assert [(row["owner_kind"], row["owner"], row["target"], row["secret"]) for row in ended] == [
        (kind, "x-1", None, None)
    ] * 2
    ids = {row["subscription_id"] for row in ended}
    theirs = [row for row in house.rows(tables.deliveries) if row["subscription_id"] in ids]
    assert sorted((row["channel"], row["state"]) for row in theirs) == [
        ("inbox", "delivered"),
        ("webhook", "cancelled"),
    ]
    assert not ids & {row["subscription_id"] for row in house.rows(tables.subscription_patterns)}
    assert len(house.rows(tables.deliveries)) == 6 + 4 + 4
    # and the archive has kept the event
    assert told["id"] in {row["event_id"] for row in house.rows(tables.archive)}
    assert house.parked() == []
