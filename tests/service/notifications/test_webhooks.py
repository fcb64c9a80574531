"""Webhooks from the event to a real HTTP receiver: signed, repeated by the schedule, and never starved by one receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from services.notifications import tables
from services.notifications.commands.deliveries import claim_due
from services.notifications.domain.deliveries import DELAYS_SECONDS, JITTER
from services.notifications.domain.subscriptions import Channel
from services.notifications.timers.webhook_desk import LEASE_SECONDS, PER_SUBSCRIPTION, THREADS
from shared.runtime.clock import ManualClock, SystemClock
from tests.service.notifications.conftest import Run
from tests.service.notifications.driver import ADMITTED, Notifications
from tests.sinks import Hook, MailSink, WebhookSink
from tests.unit.outbound.listener import HOST, Listener, answering, hanging
from tests.waiting import stays, wait_until


def signature(secret: str, hook: Hook) -> str:
    """Standard Webhooks 1.0 written down anew from its text."""
    signed = f"{hook.headers['webhook-id']}.{hook.headers['webhook-timestamp']}.".encode() + hook.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_a_subscriber_gets_a_signed_thin_message(
    house: Notifications, webhook_sink: WebhookSink, clock: ManualClock
) -> None:
    secret = house.subscribe("webhook", webhook_sink.url("/in"))["secret"]
    told = house.hear(data={"member_id": "m-1", "unit_name": "株洲某企业", "number": "ZZ-16"})

    house.settled()

    (hook,) = webhook_sink.hooks("/in")
    assert hook.headers["webhook-signature"] == signature(secret, hook)
    assert hook.headers["webhook-id"] == told["id"]
    assert hook.headers["webhook-timestamp"] == str(int(clock.now().timestamp()))
    assert hook.json["type"] == ADMITTED
    assert hook.json["timestamp"] == told["time"]
    assert hook.json["data"]["member_id"] == "m-1"
    assert "unit_name" not in hook.json["data"]
    assert (house.rows(tables.attempts)[0]["status"], house.rows(tables.attempts)[0]["taken"]) == (204, True)


def test_the_published_library_accepts_our_signature(run: Run, webhook_sink: WebhookSink) -> None:
    house = run(clock=SystemClock())
    secret = house.subscribe("webhook", webhook_sink.url())["secret"]
    house.hear()
    house.settled()

    assert webhook_sink.hooks()[0].verified(secret)["type"] == ADMITTED


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 408, 429, 500, 502, 503, 504])
def test_anything_but_two_hundred_is_logged_and_tried_again_with_the_same_id(
    house: Notifications, webhook_sink: WebhookSink, clock: ManualClock, status: int
) -> None:
    house.subscribe("webhook", webhook_sink.url())
    webhook_sink.answers = [status]
    house.hear()
    house.attempted(1)
    clock.advance(DELAYS_SECONDS[0] * (1 + JITTER))
    house.settled()

    assert [(row["taken"], row["status"]) for row in house.attempted(2)] == [(False, status), (True, 204)]
    assert len({hook.headers["webhook-id"] for hook in webhook_sink.hooks()}) == 1
    assert len({hook.body for hook in webhook_sink.hooks()}) == 1


def test_gone_ends_the_subscription_and_everything_that_was_on_its_way(
    house: Notifications, webhook_sink: WebhookSink, clock: ManualClock
) -> None:
    mine = house.subscribe("webhook", webhook_sink.url())["subscription_id"]
    webhook_sink.answers = [500, 410]
    house.hear(subject="m-1")
    house.attempted(1)
    house.hear(subject="m-2")
    (abandoned,) = house.settled("abandoned")
    house.hear(subject="m-3")
    clock.advance(DELAYS_SECONDS[-1])
    house.deliver()

    states = sorted(row["state"] for row in house.rows(tables.deliveries))
    shown = house.get(f"/subscriptions/{mine}").json
    assert states == ["abandoned", "cancelled"]
    assert shown is not None
    assert shown["disabled_reason"] == "receiver_gone"
    assert house.post(f"/deliveries/{abandoned['delivery_id']}/retry").status_code == 409
    assert len(webhook_sink.hooks()) == 2


def test_retry_after_is_respected(house: Notifications, clock: ManualClock) -> None:
    answer = b"HTTP/1.1 503 Later\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n"
    with Listener(answering(answer)) as receiver:
        house.subscribe("webhook", f"http://{HOST}:{receiver.port}/")
        house.hear()
        house.attempted(1)

        clock.advance(599)
        house.deliver()
        stays(lambda: receiver.connections == 1, "not before Retry-After", seconds=0.3)
        clock.advance(1)
        house.attempted(2)


def test_a_receiver_that_hangs_starves_neither_other_receivers_nor_the_mail(
    run: Run, mail_sink: MailSink, webhook_sink: WebhookSink
) -> None:
    # given more for the hanging receiver than there are threads, and it comes first
    house = run(mail_sink)
    with Listener(hanging) as receiver:
        house.subscribe("webhook", f"http://{HOST}:{receiver.port}/", "meetings.*")
        for number in range(THREADS * 2):
            house.hear("meetings.ballot.opened", f"b-{number}", {"ballot_id": f"b-{number}"})
        house.deliver()
        wait_until(lambda: receiver.connections == PER_SUBSCRIPTION, "the hanging receiver is called")

        # when others are to be told
        house.subscribe("webhook", webhook_sink.url(), ADMITTED)
        house.subscribe("email", "office@hetang.cn", ADMITTED)
        for number in range(5):
            house.hear(subject=f"m-{number}")

        # then they are, while the first one still hangs
        house.settled(count=10)
        assert len(webhook_sink.hooks()) == len(mail_sink.mails()) == 5
        assert receiver.connections == PER_SUBSCRIPTION


def test_a_backlog_is_worked_off_completely_and_once(house: Notifications, webhook_sink: WebhookSink) -> None:
    house.subscribe("webhook", webhook_sink.url("/a"))
    house.subscribe("webhook", webhook_sink.url("/b"))
    told = {house.hear(subject=f"m-{number}")["id"] for number in range(30)}

    house.settled(count=60)

    for path in ("/a", "/b"):
        assert sorted(hook.headers["webhook-id"] for hook in webhook_sink.hooks(path)) == sorted(told)


def test_a_webhook_whose_sender_died_goes_out_when_the_lease_ends_with_the_same_id(
    house: Notifications, webhook_sink: WebhookSink, clock: ManualClock
) -> None:
    # given a webhook that went out from somebody who died before he could write it down
    house.subscribe("webhook", webhook_sink.url())
    told = house.hear()
    with house.assembly.begin() as work:
        assert claim_due(work, Channel.WEBHOOK, limit=1, lease_seconds=LEASE_SECONDS)

    clock.advance(LEASE_SECONDS - 1)
    house.deliver()
    stays(lambda: not webhook_sink.hooks(), "the lease holds", seconds=0.3)
    clock.advance(1)
    house.settled()

    assert [hook.headers["webhook-id"] for hook in webhook_sink.hooks()] == [told["id"]]


def test_an_address_that_has_moved_inside_since_is_not_called(run: Run) -> None:
    # given a subscription from a time when private addresses were let in
    house = run(webhooks_allow_private=False)
    with Listener(hanging) as inside:
        with house.assembly.begin() as work:
            from services.notifications.commands.subscriptions import Owner, subscribe
            from services.notifications.domain.subscriptions import Wish

            wish = Wish(("*",), Channel.WEBHOOK, f"https://{HOST}:8443/")
            subscribe(work, Owner("person", "ana"), wish, language="en", email_works=False)
        house.hear()
        (attempt,) = house.attempted(1)

        assert (attempt["status"], attempt["error"]) == (None, "address_refused")
        assert inside.connections == 0


def test_the_delivery_log_shows_every_attempt_to_the_owner_and_to_the_staff_without_the_address(
    house: Notifications, webhook_sink: WebhookSink, clock: ManualClock
) -> None:
    url = webhook_sink.url()
    house.subscribe("webhook", url)
    webhook_sink.answers = [500]
    told = house.hear()
    house.attempted(1)

    (mine,) = house.items("/deliveries", "ana")
    (staffs,) = house.items(f"/deliveries?state=pending&channel=webhook&event_id={told['id']}", "sec", "secretariat")

    assert mine["target"] == url
    assert staffs["target"] is None
    assert [(each["number"], each["status"], each["error"]) for each in mine["attempts"]] == [(1, 500, "refused")]
    assert mine["next_attempt_at"] > json.loads(json.dumps(told["time"]))
    assert house.items("/deliveries", "bo") == []
    assert house.get(f"/deliveries/{mine['delivery_id']}", "bo").status_code == 404
    assert house.get("/deliveries?state=lost", "ana").status_code == 422
    assert house.get("/deliveries?stat=pending", "ana").status_code == 422
