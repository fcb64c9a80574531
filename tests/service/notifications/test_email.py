"""E-mail from the event to a real SMTP server: once, warm, in the right language, and what happens when it is refused."""

from __future__ import annotations

import pytest

from services.notifications import tables
from services.notifications.commands.deliveries import claim_due
from services.notifications.domain.deliveries import ATTEMPTS_MAX, DELAYS_SECONDS, JITTER
from services.notifications.domain.subscriptions import Channel
from services.notifications.timers.mail_desk import BATCH, LEASE_SECONDS
from shared.runtime.clock import ManualClock
from tests.servers.ports import HOST, free_port
from tests.service.notifications.conftest import Run
from tests.service.notifications.driver import Notifications
from tests.sinks import MailSink
from tests.waiting import stays

OFFICE = "office@hetang.cn"


@pytest.fixture
def house(run: Run, mail_sink: MailSink) -> Notifications:
    """Notifications with a mail server."""
    return run(mail_sink)


def test_a_subscriber_gets_one_mail_that_says_what_happened(house: Notifications, mail_sink: MailSink) -> None:
    house.subscribe("email", OFFICE)
    told = house.hear()

    (delivery,) = house.settled()

    (mail,) = mail_sink.mails(OFFICE)
    assert mail.subject == "【联盟】新成员入会：株洲某企业（ZZ-16）"
    assert "章程第6条第（3）项" in mail.text
    assert mail.message["Message-ID"] == f"<{delivery['delivery_id']}@zhuzhou.cn>"
    assert mail.message["X-Lianmeng-Event-Id"] == told["id"]
    (attempt,) = house.rows(tables.attempts)
    assert (attempt["taken"], attempt["status"], attempt["error"]) == (True, 250, None)


def test_the_subscription_decides_on_the_language(house: Notifications, mail_sink: MailSink) -> None:
    house.subscribe("email", OFFICE, language="en")
    house.hear()
    house.settled()

    assert mail_sink.mails()[0].subject == "[Alliance] New member: 株洲某企业 (ZZ-16)"


def test_a_burst_larger_than_a_batch_goes_out_completely_and_once(house: Notifications, mail_sink: MailSink) -> None:
    house.subscribe("email", OFFICE)
    events = {house.hear(subject=f"m-{number}")["id"] for number in range(BATCH + 5)}

    house.settled(count=len(events))

    assert sorted(mail.message["X-Lianmeng-Event-Id"] for mail in mail_sink.mails()) == sorted(events)


def test_a_refused_mail_is_tried_again_by_the_schedule(
    house: Notifications, mail_sink: MailSink, clock: ManualClock
) -> None:
    house.subscribe("email", OFFICE)
    mail_sink.refuse_with = "451 try later"
    house.hear()
    house.attempted(1)

    # then nothing happens before the wait is over, and the mail goes out after it
    mail_sink.refuse_with = None
    clock.advance(DELAYS_SECONDS[0] - 1)
    house.deliver()
    stays(lambda: not mail_sink.mails(), "no mail before its time", seconds=0.3)
    clock.advance(1 + DELAYS_SECONDS[0] * JITTER)
    house.settled()

    assert [(row["taken"], row["status"]) for row in house.attempted(2)] == [(False, 451), (True, 250)]
    assert len(mail_sink.mails()) == 1


def test_after_ten_refusals_the_mail_is_given_up_and_the_operators_are_told(
    house: Notifications, mail_sink: MailSink, clock: ManualClock
) -> None:
    house.subscribe("email", OFFICE)
    mail_sink.refuse_with = "451 try later"
    told = house.hear(story="story-7")
    for number in range(1, ATTEMPTS_MAX + 1):
        house.attempted(number)
        clock.advance(DELAYS_SECONDS[-1] * (1 + JITTER))
    (delivery,) = house.settled("abandoned")
    house.hear_own()

    assert len(house.rows(tables.attempts)) == ATTEMPTS_MAX
    (abandoned,) = house.published()
    assert abandoned["type"] == "notifications.delivery.abandoned"
    assert (abandoned["correlationid"], abandoned["causationid"]) == ("story-7", told["id"])
    assert abandoned["data"]["delivery_id"] == delivery["delivery_id"]
    assert OFFICE not in str(abandoned)
    assert len(house.items("/inbox", "otto", "operator")) == 1


def test_a_recipient_refused_for_good_is_not_tried_again_but_may_be_by_hand(
    house: Notifications, mail_sink: MailSink
) -> None:
    house.subscribe("email", OFFICE)
    mail_sink.refuse_with = "550 no such user"
    house.hear()
    (delivery,) = house.settled("abandoned")
    mail_sink.refuse_with = None
    path = f"/deliveries/{delivery['delivery_id']}/retry"

    assert house.post(path, "bo").status_code == 404
    assert house.post(path, "ana").status_code == 200
    house.settled()
    again = house.post(path, "ana")

    assert again.status_code == 409
    assert again.json is not None
    assert again.json["code"] == "delivery.step_not_open"
    assert len(mail_sink.mails()) == 1


def test_an_unreachable_server_costs_one_mail_an_attempt_and_the_others_none(run: Run, clock: ManualClock) -> None:
    port = free_port()
    house = run(smtp_host=HOST, smtp_port=port, smtp_starttls=False, mail_from="lianmeng@zhuzhou.cn")
    house.subscribe("email", OFFICE)
    for number in range(5):
        house.hear(subject=f"m-{number}")

    attempts = house.attempted(1)
    house.deliver()
    stays(lambda: len(house.rows(tables.attempts)) == 1, "no attempts without a server", seconds=0.3)

    assert [row["error"] for row in attempts] == ["unreachable"]
    assert {row["state"] for row in house.rows(tables.deliveries)} == {"pending"}


def test_a_mail_whose_sender_died_goes_out_when_the_lease_ends_and_only_then(
    house: Notifications, mail_sink: MailSink, clock: ManualClock
) -> None:
    # given a mail that somebody took and died with
    house.subscribe("email", OFFICE)
    house.hear()
    with house.assembly.begin() as work:
        (taken,) = claim_due(work, Channel.EMAIL, limit=1, lease_seconds=LEASE_SECONDS)

    # then nobody else takes it before the lease ends
    clock.advance(LEASE_SECONDS - 1)
    house.deliver()
    stays(lambda: not mail_sink.mails(), "the lease holds", seconds=0.3)
    clock.advance(1)
    house.settled()

    (mail,) = mail_sink.mails()
    assert mail.message["Message-ID"] == f"<{taken.delivery_id}@zhuzhou.cn>"


def test_two_workers_send_a_mail_once(house: Notifications) -> None:
    house.subscribe("email", OFFICE)
    for number in range(6):
        house.hear(subject=f"m-{number}")

    with house.assembly.begin() as work:
        first = {each.delivery_id for each in claim_due(work, Channel.EMAIL, limit=4, lease_seconds=LEASE_SECONDS)}
    with house.assembly.begin() as work:
        second = {each.delivery_id for each in claim_due(work, Channel.EMAIL, limit=4, lease_seconds=LEASE_SECONDS)}

    assert (len(first), len(second)) == (4, 2)
    assert not first & second


def test_names_full_of_line_ends_and_other_alphabets_arrive_as_text(house: Notifications, mail_sink: MailSink) -> None:
    house.subscribe("email", OFFICE)
    data = {"unit_name": "𠮷田\r\nBcc: x@elsewhere.cn\r\n\r\n<b>hi</b>", "number": "ZZ-16"}
    house.hear(data=data)
    house.settled()

    (mail,) = mail_sink.mails()
    assert mail.recipients == (OFFICE,)
    assert mail.message["Bcc"] is None
    assert "𠮷田 Bcc: x@elsewhere.cn <b>hi</b>" in mail.subject


def test_a_mail_that_cannot_be_put_together_is_given_up_and_holds_up_nobody(run: Run, mail_sink: MailSink) -> None:
    # given a sender's address that no mail can carry
    house = run(mail_sink, mail_from="lianmeng@@zhuzhou.cn")
    house.subscribe("email", OFFICE)
    house.hear()

    (delivery,) = house.settled("abandoned")

    assert house.rows(tables.attempts)[0]["error"] == "not_sendable"
    assert [each["subject"] for each in house.published()] == [delivery["delivery_id"]]
