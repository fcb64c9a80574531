"""What a person is told, on pages: subscribing by topics, by a click, to a webhook; unsubscribing; what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.embedded.api_client import Api
from services.console.pages.topics import TOPICS
from services.finance.events import PUBLISHES as OF_FINANCE
from services.meetings.events import PUBLISHES as OF_MEETINGS
from services.membership.events import PUBLISHES as OF_MEMBERSHIP
from services.notifications.commands.deliveries import REASON_GONE
from services.notifications.commands.subscriptions import disable
from tests.builders.admissions import Admitted
from tests.builders.console import NOBODY_LISTENS, PASSWORD, Office, Page, Visitor

HERE = "/notices/subscriptions"
PATH = "notifications/v1/subscriptions"
HOOK = f"http://127.0.0.1:{NOBODY_LISTENS}/hook"


@pytest.fixture
def caller(office: Office) -> Iterator[Api]:
    """Somebody who is told of nothing, before and after."""
    api = office.api.signed_in("danbao", PASSWORD)
    yield api
    clear(api)


def mine(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(PATH)["items"]
    return found


def clear(api: Api) -> None:
    for each in mine(api):
        path, headers = f"/api/{PATH}/{each['subscription_id']}", {"Authorization": f"Bearer {api.token}"}
        assert api.http.delete(path, headers=headers).is_success


def visitor_of(office: Office, language: str = "zh-CN") -> Visitor:
    visitor = office.signed_in("danbao", language)
    visitor.get(HERE)
    return visitor


def ends_on(page: Page) -> list[str]:
    """Where the subscriptions of the page can be ended."""
    return re.findall(rf'href="({HERE}/[^/"]+/end)"', page.html)


# ------------------------------------------------------------ subscribing
@pytest.mark.parametrize(
    ("language", "told", "topics"),
    [
        ("zh-CN", "从现在起发生的事会告诉您", "表决的开始和结束、成员入会和退会"),
        ("en", "You will be told", "Ballots that open and close, Members who join or leave"),
    ],
)
def test_topics_in_words_become_a_subscription_of_the_inbox(
    office: Office, caller: Api, language: str, told: str, topics: str
) -> None:
    page = visitor_of(office, language).send(HERE, topics=["members", "ballots"], channel="inbox", follow=True)

    assert told in page.text
    assert topics in page.text
    assert [each["event_types"] for each in mine(caller)] == [
        ["meetings.ballot.*", "membership.leaving.*", "membership.member.*"]
    ]


def test_whoever_wants_everything_needs_nothing_beside_it(office: Office, caller: Api) -> None:
    visitor_of(office).send(HERE, topics=["everything", "money"], channel="inbox")

    assert mine(caller)[0]["event_types"] == ["*"]


def test_by_email_the_language_of_the_mails_is_chosen(office: Office, caller: Api) -> None:
    form: dict[str, Any] = {
        "topics": "money",
        "channel": "email",
        "target": " it's&me@office.example ",
        "language": "en",
    }

    page = visitor_of(office).send(HERE, **form, follow=True)

    assert "it's&me@office.example" in page.text
    assert "电子邮件" in page.text
    assert [(each["target"], each["language"]) for each in mine(caller)] == [("it's&me@office.example", "en")]


def test_a_webhooks_secret_is_shown_once_to_be_kept(office: Office, caller: Api) -> None:
    visitor = visitor_of(office)

    page = visitor.send(HERE, topics="ballots", channel="webhook", target=HOOK)

    assert page.status == 200
    secret = re.search(r"whsec_[\w+/=]+", page.text)
    assert secret is not None
    assert "只显示这一次" in page.text
    after = visitor.get(HERE)
    assert HOOK in after.text
    assert "whsec_" not in after.html


@pytest.mark.parametrize("form", [{"channel": "inbox"}, {"channel": "webhook", "target": HOOK}])
def test_sent_twice_there_is_one_subscription(office: Office, caller: Api, form: dict[str, Any]) -> None:
    visitor = visitor_of(office)
    sent = {**form, "topics": "ballots", "key": f"sent-twice-{form['channel']}"}

    answers = []
    for _ in range(2):
        visitor.get(HERE)
        answers.append(visitor.send(HERE, **sent))

    assert [each.status for each in answers] in ([303, 303], [200, 200])
    assert len(mine(caller)) == 1
    if form["channel"] == "webhook":
        assert answers[0].text == answers[1].text, "the answer that was lost on its way can be had again"


def test_what_the_inbox_is_told_already_is_not_subscribed_to_again(office: Office, caller: Api) -> None:
    visitor = visitor_of(office)
    visitor.send(HERE, topics=["members", "ballots"], channel="inbox", follow=True)

    page = visitor.send(HERE, topics="members", channel="inbox", follow=True)

    assert "已经在站内订阅了" in page.text
    assert len(mine(caller)) == 1


# ------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({"channel": "inbox"}, "topics", "请至少写明一种事件"),
        ({"topics": "nothing", "channel": "inbox"}, "topics", "请至少写明一种事件"),
        ({"topics": "money", "channel": "email", "target": "nobody"}, "target", "这不是普通的电子邮件地址"),
        ({"topics": "money", "channel": "email"}, "target", "需要写明送达地址"),
        ({"topics": "money", "channel": "webhook", "target": "ftp://a.example/"}, "target", "Webhook 地址必须以 https"),
        ({"topics": "money", "channel": "inbox", "target": "a@b.cn"}, "target", "站内收件箱不需要送达地址"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_stays_there(
    office: Office, caller: Api, form: dict[str, Any], field: str, message: str
) -> None:
    page = visitor_of(office).send(HERE, **form)

    assert page.status == 422
    beside = re.search(rf'id="e-{field}">([^<]+)<', page.html)
    assert beside is not None
    assert message in beside[1]
    assert f'href="#f-{field}"' in page.html
    assert f'value="{form["channel"]}" checked' in page.html
    assert ('value="money" checked' in page.html) == (form.get("topics") == "money")
    assert f'value="{form.get("target", "")}"' in page.html
    assert mine(caller) == []


def test_the_same_mail_twice_is_refused_in_words(office: Office, caller: Api) -> None:
    visitor = visitor_of(office, "en")
    form: dict[str, Any] = {"topics": "money", "channel": "email", "target": "office@hetang.example"}
    visitor.send(HERE, **form)
    visitor.get(HERE)

    page = visitor.send(HERE, **form)

    assert page.status == 409
    assert "You have a subscription to the same events" in page.text
    assert 'value="office@hetang.example"' in page.html


def test_markup_that_was_typed_or_stored_is_text(office: Office, caller: Api) -> None:
    script = "<script>alert(1)</script>"
    visitor = visitor_of(office)

    page = visitor.send(HERE, topics=script, channel=script, target=script, language=script)

    assert page.status == 422
    assert "<script>alert" not in page.html
    assert "&lt;script&gt;" in page.html
    # An address may hold what markup begins with.
    visitor.send(HERE, topics="money", channel="email", target="x&lt&amp@office.example")
    assert "x&lt&amp@office.example" in visitor.get(HERE).text


def test_somebody_elses_subscription_is_not_found(office: Office, caller: Api) -> None:
    visitor = visitor_of(office)
    visitor.send(HERE, topics="money", channel="inbox")
    address = ends_on(visitor.get(HERE))[0]
    other = office.signed_in("renli")
    other.get(HERE)

    assert other.get(address).status == 404
    other.get(HERE)
    page = other.send(address)

    assert page.status == 404
    assert "没有这个订阅" in page.text
    assert len(mine(caller)) == 1


def test_while_notifications_is_away_nothing_typed_is_lost(office: Office, caller: Api) -> None:
    visitor = visitor_of(office)
    form: dict[str, Any] = {"topics": "money", "channel": "email", "target": "a@b.cn"}
    with office.without("notifications"):
        page = visitor.get(HERE)
        sent = visitor.send(HERE, **form)
        ended = visitor.send(f"{HERE}/some-id/end")
        inbox = visitor.get("/notices")

    assert page.status == 200
    assert "通知服务暂时连不上" in page.text
    assert "还没有订阅" not in page.text
    assert sent.status == ended.status == 503
    assert "还没有送出" in sent.text
    assert 'value="a@b.cn"' in sent.html
    assert "一键订阅" not in inbox.text


def test_the_page_is_for_people_who_are_signed_in(office: Office) -> None:
    assert office.visitor().get(HERE).location == f"/sign-in?next={HERE}"


# ------------------------------------------------------------ by a click
@pytest.mark.parametrize(
    ("username", "topics"),
    [
        ("clerk", ["applications", "ballots", "members"]),
        ("window", ["ballots", "members"]),
        ("danbao", ["ballots", "members"]),
        ("treasurer", ["members", "money"]),
        ("operator", ["accounts", "access"]),
        ("authority", ["ballots", "members"]),
    ],
)
def test_an_empty_inbox_offers_what_the_role_would_want_to_know(
    office: Office, username: str, topics: list[str]
) -> None:
    api = office.api.signed_in(username, PASSWORD)
    visitor = office.signed_in(username)
    assert "一键订阅" in visitor.get("/notices").text

    page = visitor.send(f"{HERE}/usual", follow=True)

    try:
        assert "已订阅" in page.text
        wanted = sorted(pattern for topic in topics for pattern in TOPICS[topic])
        assert [(each["channel"], each["event_types"]) for each in mine(api)] == [("inbox", wanted)]
        assert "一键订阅" not in page.text
        assert "一键订阅" not in visitor.get("/notices").text
        assert f'href="{HERE}"' in visitor.get("/notices").html
    finally:
        clear(api)


def test_the_click_sent_twice_subscribes_once(office: Office, caller: Api) -> None:
    visitor = visitor_of(office)

    assert [visitor.send(f"{HERE}/usual").status for _ in range(2)] == [303, 303]
    assert len(mine(caller)) == 1


# ------------------------------------------------------------ the list, and the end of one
def test_unsubscribing_is_asked_for_and_then_done(office: Office, caller: Api) -> None:
    visitor = visitor_of(office)
    visitor.send(HERE, topics="money", channel="inbox")
    address = ends_on(visitor.get(HERE))[0]

    asked = visitor.get(address)
    assert "退订这些通知？" in asked.text
    assert "财务" in asked.text
    page = visitor.send(address, follow=True)

    assert "已退订" in page.text
    assert ends_on(page) == []
    assert mine(caller) == []


def test_what_was_subscribed_to_by_a_program_is_told_in_words_too(office: Office, caller: Api) -> None:
    types = ["meetings.ballot.closed", "membership.application.*", "something.new.happened"]
    caller.post(PATH, {"event_types": types, "channel": "inbox"})

    page = visitor_of(office).get(HERE)

    assert "表决结束" in page.text
    assert "入会申请" in page.text
    assert "<code>something.new.happened</code>" in page.html


def test_a_subscription_that_was_stopped_says_why(office: Office, caller: Api) -> None:
    made = caller.post(PATH, {"event_types": ["*"], "channel": "webhook", "target": HOOK})
    with office.alliance.assemblies["notifications"].begin() as work:
        disable(work, made["subscription_id"], REASON_GONE)

    page = visitor_of(office).get(HERE)

    assert "已停用" in page.text
    assert "接收方表示不再接收" in page.text


@pytest.mark.parametrize("address", ["/me", "/notices", "/"])
def test_the_page_is_found_from_where_people_look_for_it(admitted: Admitted, address: str) -> None:
    for username in ("secretary", "renli"):
        assert f'href="{HERE}"' in admitted.office.signed_in(username).get(address).html


def test_every_event_that_people_can_be_told_of_belongs_to_a_topic_and_has_a_name(office: Office) -> None:
    texts = office.assembly.texts
    patterns = [pattern.removesuffix("*") for topic in TOPICS if topic != "everything" for pattern in TOPICS[topic]]
    for event_type in (*OF_MEMBERSHIP, *OF_MEETINGS, *OF_FINANCE):
        assert any(event_type.startswith(each) for each in patterns), event_type
        assert texts.has(f"subscriptions.event.{event_type}"), event_type
