"""The demo's verdict: what counts as a complete story, and how it is put into words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.outcome import CHAIN, CONSEQUENCES, lacking
from deploy.embedded.teller import columns, padded
from deploy.embedded.wording import count_notices, worth_showing
from shared.runtime.assembly import SHARED_TEXTS
from shared.runtime.citing import article_label, chinese_number
from shared.runtime.texts import Texts

TEXTS = Texts.load([SHARED_TEXTS, Path(__file__).parents[3] / "deploy" / "embedded" / "texts"])


def timeline(*types: str) -> list[dict[str, Any]]:
    return [{"type": each, "data": {}} for each in types]


def test_the_whole_chain_with_its_consequences_lacks_nothing() -> None:
    assert lacking(timeline(*CHAIN, *CONSEQUENCES)) == []


def test_other_events_in_between_do_no_harm() -> None:
    assert lacking(timeline("x.y.z", *CHAIN[:4], "x.y.z", *CHAIN[4:], *reversed(CONSEQUENCES), "x.y.z")) == []


@pytest.mark.parametrize("lost", range(len(CHAIN)))
def test_every_lost_step_is_noticed(lost: int) -> None:
    assert lacking(timeline(*CHAIN[:lost], *CHAIN[lost + 1 :], *CONSEQUENCES)) != []


def test_steps_in_a_wrong_order_are_noticed() -> None:
    assert lacking(timeline(CHAIN[1], CHAIN[0], *CHAIN[2:], *CONSEQUENCES)) != []


@pytest.mark.parametrize("lost", CONSEQUENCES)
def test_a_lost_consequence_is_named(lost: str) -> None:
    there = [each for each in CONSEQUENCES if each != lost]

    assert lacking(timeline(*CHAIN, *there)) == [lost]


def test_an_empty_timeline_lacks_everything() -> None:
    assert lacking([]) == [*CHAIN, *CONSEQUENCES]


def test_inbox_notices_are_counted_instead_of_shown() -> None:
    entries = [
        {"type": "membership.member.admitted", "data": {}},
        {"type": "notifications.delivery.delivered", "data": {"channel": "inbox"}},
        {"type": "notifications.delivery.delivered", "data": {"channel": "email"}},
    ]

    assert worth_showing(entries) == [entries[0], entries[2]]
    assert count_notices(entries) == 1


@pytest.mark.parametrize(
    ("article", "chinese", "english"),
    [
        ("6(2)", "第六条（二）", "art. 6(2)"),
        ("18", "第十八条", "art. 18"),
        ("20", "第二十条", "art. 20"),
        ("10", "第十条", "art. 10"),
        ("", "", ""),
        (None, "", ""),
        ("annex", "annex", "annex"),
    ],
)
def test_articles_are_cited_as_people_cite_them(article: str | None, chinese: str, english: str) -> None:
    assert article_label(TEXTS, "zh-CN", article) == chinese
    assert article_label(TEXTS, "en", article) == english


def test_chinese_numbers_to_ninety_nine() -> None:
    assert [chinese_number(each) for each in (1, 9, 10, 11, 20, 21, 99)] == [
        "一", "九", "十", "十一", "二十", "二十一", "九十九",
    ]  # fmt: skip


def test_chinese_text_is_padded_by_the_columns_it_takes() -> None:
    assert columns("联盟ab") == 6
    assert padded("联盟", 6) == "联盟  "
    assert padded("longer than that", 4) == "longer than that"
