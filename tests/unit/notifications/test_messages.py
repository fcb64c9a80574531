"""What leaves the house: e-mails that survive any name, and webhook bodies."""

from __future__ import annotations

import email
import email.policy
import json
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from services.notifications.domain.messages import ArchivedEvent, Sender, compose_email, compose_webhook
from services.notifications.domain.wording import PLACEHOLDERS, article_label, one_line, title_of
from services.notifications.events import PUBLISHES
from shared.runtime.texts import Texts

TEXTS = Texts.load([Path(__file__).parents[3] / "services" / "notifications" / "texts"])
AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SENDER = Sender("lianmeng@zhuzhou.cn", "https://lianmeng.zhuzhou.cn/")

NASTY = [
    "株洲市荷塘区中小企业服务中心",
    "𠮷田商店 👩‍👩‍👧 é é",
    "x\r\nBcc: victim@elsewhere.cn",
    "x\nSubject: other",
    "x\r\n\r\n<script>alert(1)</script>",
    "x\x00y\x1b[31m",
    "abc\u202egnp.exe",
    "\u2028line\u2029para",
    "=?utf-8?q?encoded?=",
    "=?utf-8?q?x=0D=0ABcc:_victim@elsewhere.cn?=",
    "=?utf-8?b?eA0KQmNjOiB2aWN0aW1AZWxzZXdoZXJlLmNu?=",
    "{number} %s ${x} {{y}}",
    ".",
    "x" * 5_000,
    "\ud800half",
]


def event(event_type: str = "membership.member.admitted", article: str | None = "6(3)", **data: Any) -> ArchivedEvent:
    """An archived event."""
    return ArchivedEvent(
        event_id="e-1",
        type=event_type,
        source="urn:lianmeng:membership",
        subject="m-1",
        sequence=1,
        correlation_id="story-1",
        causation_id=None,
        article=article,
        time=AT,
        data={"member_id": "m-1", "number": "ZZ-2026-0016", "unit_name": "株洲某企业", **data},
    )


def mail(told: ArchivedEvent, language: str = "zh-CN", delivery_id: str = "d-1") -> tuple[bytes, EmailMessage]:
    """The bytes of the e-mail and what a mail program reads in them."""
    raw = compose_email(
        TEXTS, SENDER, told, delivery_id=delivery_id, recipient="office@hetang.cn", language=language, at=AT
    )
    return raw, email.message_from_bytes(raw, policy=email.policy.default)


@pytest.mark.parametrize(
    ("language", "subject", "rule"),
    [
        ("zh-CN", "【联盟】新成员入会：株洲某企业（ZZ-2026-0016）", "章程第6条第（3）项"),
        ("en", "[Alliance] New member: 株洲某企业 (ZZ-2026-0016)", "charter, Art. 6(3)"),
    ],
)
def test_an_email_says_what_happened_when_and_by_which_rule(language: str, subject: str, rule: str) -> None:
    _, message = mail(event(), language)
    text = message.get_content()

    assert message["Subject"] == subject
    assert message["To"] == "office@hetang.cn"
    assert message["From"].addresses[0].addr_spec == "lianmeng@zhuzhou.cn"
    assert "2026-03-02 09:00:00" in text
    assert rule in text
    assert "https://lianmeng.zhuzhou.cn/api/notifications/v1/timelines/story-1" in text


@pytest.mark.parametrize("name", NASTY)
def test_no_name_gets_a_header_of_its_own_or_breaks_the_mail(name: str) -> None:
    raw, message = mail(event(unit_name=name))

    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert message.keys() == mail(event())[1].keys()
    assert message["Bcc"] is None
    assert one_line(name).replace("=?", "= ?")[:20] in message["Subject"]


def test_a_delivery_has_one_message_id_however_often_it_is_sent() -> None:
    assert mail(event())[1]["Message-ID"] == mail(event())[1]["Message-ID"] == "<d-1@zhuzhou.cn>"
    assert mail(event(), delivery_id="d-2")[1]["Message-ID"] == "<d-2@zhuzhou.cn>"


def test_a_webhooks_body_is_thin_it_names_things_and_tells_nothing_about_them() -> None:
    body = json.loads(compose_webhook(event(application_id="a-1", ballot_id="b-1")))

    assert set(body) == {"type", "timestamp", "data"}
    assert body["timestamp"] == "2026-03-02T01:00:00.000000Z"
    assert body["data"] == {
        "member_id": "m-1",
        "application_id": "a-1",
        "ballot_id": "b-1",
        "event_id": "e-1",
        "source": "urn:lianmeng:membership",
        "subject": "m-1",
        "sequence": 1,
        "correlation_id": "story-1",
        "article": "6(3)",
    }


def test_an_events_own_data_cannot_overwrite_the_envelope() -> None:
    body = json.loads(compose_webhook(event(event_id="forged", correlation_id="forged")))

    assert (body["data"]["event_id"], body["data"]["correlation_id"]) == ("e-1", "story-1")


def test_a_type_nobody_has_words_for_is_its_own_title() -> None:
    assert title_of(TEXTS, "zh-CN", "meetings.minutes.signed", {"x": 1}) == "meetings.minutes.signed"


def test_a_title_survives_data_that_lacks_what_it_wants_to_say() -> None:
    assert title_of(TEXTS, "en", "membership.member.admitted", {}) == "New member: — (—)"


def test_fixed_words_are_translated_and_names_are_left_alone() -> None:
    data = {"body": "executive_committee", "matter": {"title": "passed"}, "outcome": "passed", "yes": 5, "no": 1}

    assert (
        title_of(TEXTS, "zh-CN", "meetings.ballot.closed", data) == "执行委员会表决结束：passed，通过（赞成 5，反对 1）"
    )


def test_money_is_shown_in_yuan() -> None:
    assert title_of(TEXTS, "en", "finance.entry.posted", {"total_fen": 120_005}) == "Entry posted: CNY 1200.05"


@pytest.mark.parametrize(("fen", "yuan"), [(-5, "-0.05"), (-12_345, "-123.45"), (0, "0.00")])
def test_what_a_unit_is_owed_is_told_with_its_sign_first(fen: int, yuan: str) -> None:
    told = {"code": "1122.ZZ-0007", "balance_fen": fen}

    assert (
        title_of(TEXTS, "zh-CN", "finance.account.closed", told)
        == f"成员账户 1122.ZZ-0007 已关闭，待结清余额 {yuan} 元"
    )


@pytest.mark.parametrize(
    ("event_type", "zh", "en"),
    [
        (
            "membership.leaving.announced",
            "醴陵中心（ZZ-0007）声明将退出联盟",
            "醴陵中心 (ZZ-0007) will leave the alliance",
        ),
        (
            "membership.leaving.retracted",
            "醴陵中心（ZZ-0007）撤回退出声明，继续留在联盟",
            "醴陵中心 (ZZ-0007) stays in the alliance after all",
        ),
        ("membership.member.left", "成员退出联盟：醴陵中心（ZZ-0007）", "Left the alliance: 醴陵中心 (ZZ-0007)"),
        (
            "membership.office.vacated",
            "职务出缺：副主任（执行委员会）",
            "Office vacant: vice-director (executive committee)",
        ),
    ],
)
def test_leaving_is_told_in_both_languages(event_type: str, zh: str, en: str) -> None:
    told = {"number": "ZZ-0007", "unit_name": "醴陵中心", "office": "vice_director", "body": "executive_committee"}

    assert (title_of(TEXTS, "zh-CN", event_type, told), title_of(TEXTS, "en", event_type, told)) == (zh, en)


@pytest.mark.parametrize("article", ["1", "6(2)", "20", None, "", "preamble"])
def test_any_article_has_a_label(article: str | None) -> None:
    assert isinstance(article_label(TEXTS, "zh-CN", article), str)


def test_every_placeholder_of_a_title_is_known_so_that_none_is_ever_left_open() -> None:
    every = dict.fromkeys(PLACEHOLDERS, "—")
    for language in ("zh-CN", "en"):
        for event_type in (
            *PUBLISHES,
            "membership.member.admitted",
            "meetings.ballot.opened",
            "finance.account.opened",
        ):
            assert "{" not in TEXTS.render(f"event.{event_type}", language, **every)
