"""Subscriptions over HTTP: everybody looks after his own, and a bad wish leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from services.notifications import tables
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
    secrets = {house.subscribe("webhook", "http://127.0.0.1:9/hook")["secret"] for _ in range(2)}

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
