"""The operators' pages: what they show of each service, dry runs before acts, notices tried again, and who may look."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from services.notifications import tables
from shared.messaging.inbox import inbox
from shared.messaging.parking import key_text
from tests.builders.console import Office, Page, Visitor
from tests.builders.parked import SOURCE, body_of

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def operator(office: Office) -> Visitor:
    return office.signed_in("operator")


def park(office: Office, *words: str, service: str = "finance", subject: str = "") -> list[str]:
    """Events that the service does not know; gives their keys."""
    ids = [f"{word}-{office.assembly.ids.new_id()}" for word in words]
    for event_id in ids:
        body = body_of("said", id=event_id, subject=subject or f"of-{event_id}")
        office.alliance.assemblies[service].consumer().accept([body])
    return [key_text(SOURCE, event_id) for event_id in ids]


def state_of(office: Office, key: str, service: str = "finance") -> str:
    """What the service's inbox says of an event."""
    with office.alliance.assemblies[service].reading() as reading:
        found: str = reading.scalar(sa.select(inbox.c.state).where(inbox.c.event_id == key.rpartition("/")[2]))
    return found


def keys_on(page: Page) -> list[str]:
    """The events that the confirmation would act on."""
    return [unescape(each) for each in re.findall(r'type="hidden" name="event" value="([^"]+)"', page.html)]


# ------------------------------------------------------------ the overview
def test_the_overview_shows_each_service_with_what_waits_there(office: Office, operator: Visitor) -> None:
    park(office, "overview")

    page = operator.get("/operations")

    assert page.status == 200
    for words in ("成员", "会议", "财务", "通知", "待发事件", "搁置", "推迟", "有事件等您处理", "未送达的通知"):
        assert words in page.text
    assert 'href="/operations/finance/events?state=parked"' in page.html
    assert len(page.html) < 100_000


@pytest.mark.parametrize("away", ["meetings", "finance", "notifications"])
def test_a_service_that_is_away_is_named_and_the_others_are_shown(office: Office, operator: Visitor, away: str) -> None:
    with office.without(away):
        page = operator.get("/operations")

    assert page.status == 200
    assert page.text.count("连不上\n") >= 1
    assert f'href="/operations/{away}/events"' not in page.html
    assert page.html.count('/actions">') == 3


def test_the_overview_speaks_english_too(office: Office) -> None:
    page = office.signed_in("operator", "en").get("/operations")

    assert "How each of the four services is" in page.text
    assert "Unsent events" in page.text


@pytest.mark.parametrize("path", ["", "/finance/events", "/finance/event?key=x/y", "/finance/actions", "/deliveries"])
def test_the_pages_are_for_operators_only(office: Office, path: str) -> None:
    assert office.signed_in("secretary").get(f"/operations{path}").status == 403
    assert office.visitor().get(f"/operations{path}").location.startswith("/sign-in")


def test_a_service_that_there_is_not_is_not_found(operator: Visitor) -> None:
    assert operator.get("/operations/treasury/events").status == 404


# ------------------------------------------------------------ events
def test_events_are_listed_with_their_reason_in_words_and_their_markup_as_text(
    office: Office, operator: Visitor
) -> None:
    park(office, "listed", subject=MARKUP)

    page = operator.get(f"/operations/finance/events?subject={quote(MARKUP)}")

    assert "本服务不接收 alpha.word.said。" in page.text
    assert MARKUP in page.text
    assert MARKUP not in page.html


def test_one_event_is_shown_with_envelope_reason_and_history(office: Office, operator: Visitor) -> None:
    (key,) = park(office, "shown", subject=MARKUP)

    page = operator.get(f"/operations/finance/event?key={quote(key)}")

    assert page.status == 200
    assert '"subject": "<script>alert(1)</script>"' in page.text
    assert "event.unknown_type" in page.text
    assert "还没有人对它做过什么" in page.text
    assert MARKUP not in page.html


def test_an_event_whose_id_holds_signs_of_addresses_is_found(office: Office, operator: Visitor) -> None:
    (key,) = park(office, "a/b %2F?c#汉字")

    assert operator.get(f"/operations/finance/event?key={quote(key)}").status == 200


def test_an_act_is_shown_as_a_dry_run_first_and_changes_nothing_yet(office: Office, operator: Visitor) -> None:
    keys = park(office, "one", "two", "three")
    operator.get("/operations/finance/events")

    page = operator.send("/operations/finance/check", action="discard", event=keys[:2])

    assert page.status == 200
    assert "作废 2 个事件" in page.text
    assert sorted(keys_on(page)) == sorted(keys[:2])
    assert {state_of(office, key) for key in keys} == {"parked"}


def test_discarding_wants_a_reason_and_keeps_what_was_chosen(office: Office, operator: Visitor) -> None:
    (key,) = park(office, "reasonless")
    operator.get("/operations/finance/events")
    operator.send("/operations/finance/check", action="discard", event=key)

    page = operator.send("/operations/finance/act", action="discard", event=key, reason="  ")

    assert page.status == 422
    assert 'id="e-reason"' in page.html
    assert keys_on(page) == [key]
    assert state_of(office, key) == "parked"


def test_several_events_are_discarded_and_the_act_is_on_record(office: Office, operator: Visitor) -> None:
    keys = park(office, "first", "second")
    operator.get("/operations/finance/events")
    operator.send("/operations/finance/check", action="discard", event=keys)

    page = operator.send("/operations/finance/act", follow=True, action="discard", event=keys, reason=f"测试 {MARKUP}")

    assert "已作废" in page.text
    assert {state_of(office, key) for key in keys} == {"discarded"}
    audit = operator.get("/operations/finance/actions")
    assert f"测试 {MARKUP}" in audit.text
    assert "您" in audit.text
    assert MARKUP not in audit.html
    assert "作废" in operator.get(f"/operations/finance/event?key={quote(keys[0])}").text


def test_everything_that_the_filter_finds_is_redriven_at_once(office: Office, operator: Visitor) -> None:
    park(office, "kept")
    keys = park(office, "a", "b", "c", subject="together")
    operator.get("/operations/finance/events?subject=together")

    page = operator.send(
        "/operations/finance/check", action="redrive", state="parked", subject="together", everything="yes"
    )
    assert "重新处理 3 个事件" in page.text
    operator.send("/operations/finance/act", action="redrive", event=keys_on(page), reason="")

    audit = operator.get("/operations/finance/actions").text
    assert all(key.rpartition("/")[2] in audit for key in keys)


def test_an_act_without_events_asks_for_some(office: Office, operator: Visitor) -> None:
    park(office, "unchosen")
    operator.get("/operations/finance/events")

    page = operator.send("/operations/finance/check", action="redrive", state="parked")

    assert page.status == 422
    assert "请先勾选事件" in page.text


def test_an_act_while_the_service_is_away_loses_nothing_that_was_typed(office: Office, operator: Visitor) -> None:
    (key,) = park(office, "while-away")
    operator.get("/operations/finance/events")
    operator.send("/operations/finance/check", action="discard", event=key)

    with office.without("finance"):
        page = operator.send("/operations/finance/act", action="discard", event=key, reason="稍后再说")

    assert page.status == 503
    assert "稍后再说" in page.text
    assert keys_on(page) == [key]


# ------------------------------------------------------------ deliveries
@pytest.fixture
def failed_delivery(office: Office) -> str:
    """A notice that was given up, to a receiver whom no attempt will reach."""
    house = office.alliance.assemblies["notifications"]
    delivery_id, subscription_id = house.ids.new_id(), house.ids.new_id()
    with house.begin() as work:
        subscription = {
            "subscription_id": subscription_id, "owner_kind": "platform", "owner": "county", "channel": "email",
            "target": "a@alliance.example", "secret": None, "language": "zh-CN", "created_at": work.now,
        }  # fmt: skip
        work.execute(sa.insert(tables.subscriptions).values(**subscription))
        delivery = {
            "delivery_id": delivery_id, "subscription_id": subscription_id, "channel": "email",
            "event_id": work.scalar(sa.select(tables.archive.c.event_id).limit(1)),
            "state": "abandoned", "attempts": 1, "attempts_in_round": 1, "due_at": work.now, "created_at": work.now,
            "settled_at": work.now,
        }  # fmt: skip
        work.execute(sa.insert(tables.deliveries).values(**delivery))
        attempt = {
            "delivery_id": delivery_id, "number": 1, "at": work.now, "taken": False, "status": 550, "error": MARKUP,
            "milliseconds": 3,
        }  # fmt: skip
        work.execute(sa.insert(tables.attempts).values(**attempt))
    return delivery_id


def test_a_notice_that_was_given_up_is_shown_with_why_and_tried_again(
    office: Office, operator: Visitor, failed_delivery: str
) -> None:
    page = operator.get("/operations")
    assert "未送达" in page.text
    assert "应答 550" in page.text
    assert MARKUP not in page.html

    operator.get("/operations/deliveries?state=abandoned")
    page = operator.send(f"/operations/deliveries/{failed_delivery}/retry", follow=True)

    assert "已开始新一轮投递" in page.text
    with office.alliance.assemblies["notifications"].reading() as reading:
        state = reading.scalar(
            sa.select(tables.deliveries.c.state).where(tables.deliveries.c.delivery_id == failed_delivery)
        )
    assert state == "pending"


def test_a_delivery_that_cannot_be_tried_again_says_so_on_the_page(operator: Visitor) -> None:
    operator.get("/operations/deliveries")

    page = operator.send("/operations/deliveries/nowhere/retry")

    assert page.status == 404
    assert "没有这次投递" in page.text
    assert "全部" in page.text
