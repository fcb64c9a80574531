"""A story's page: stages, who and when and on which article, elapsed time in words, deliveries folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from services.console.browser import Person
from services.console.pages.timelines import STEPS_MAX, Story, story_of
from tests.builders.admissions import COMMITTEE, Admitted, hand_in
from tests.builders.console import ADDRESS, Office, Visitor
from tests.waiting import wait_until

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
READER = Person("id", "name", "Name", frozenset({"representative"}), None)


@pytest.fixture
def in_chinese(office: Office) -> Iterator[None]:
    """Where texts can be rendered without a page."""
    with office.alliance.console.test_request_context("/"):
        yield


def entry(event_type: str, elapsed_ms: int = 0, event_id: str = "", **data: Any) -> dict[str, Any]:
    """An entry as the API tells it."""
    return {
        "at": "2026-03-02T01:00:00.000000Z", "service": event_type.partition(".")[0], "type": event_type,
        "title": event_type, "article": None, "subject": "s", "event_id": event_id or f"{event_type}@{elapsed_ms}",
        "elapsed_ms": elapsed_ms, "data": data,
    }  # fmt: skip


def stages_of(story: Story) -> list[tuple[str, int]]:
    return [(stage.name, len(stage.steps)) for stage in story.stages]


def says(visitor: Visitor, address: str, line: str) -> bool:
    return line in visitor.get(address).text.splitlines()


# ------------------------------------------------------------ the page
def test_an_admission_reads_as_a_story_in_stages(admitted: Admitted) -> None:
    page = admitted.office.signed_in("lusong").get(admitted.story)

    assert page.status == 200
    headings = re.findall(r'<h2 id="stage-\d+">([^<]+?)\s*<', page.html)
    assert headings == ["申请与核对", "执行委员会审查", "会员大会表决", "入册与开户"]
    for words in ("已入会", "申请单位", "秘书处", "紧接着", "第六条（一）", "第六条（三）", "第十八条"):
        assert words in page.text
    assert f"{admitted.case.unit_name}：入会经过" in page.text
    assert "<script>alert" not in page.html


def test_deliveries_are_folded_under_what_they_told(admitted: Admitted) -> None:
    html = admitted.office.signed_in("lusong").get(admitted.story).html

    assert "已发 1 次通知" in html
    assert "站内通知 · 已送达" in html
    assert html.count("<details") >= 10
    assert "<details open" not in html


def test_the_story_leads_to_ballots_and_member_and_for_those_who_may_to_the_application(admitted: Admitted) -> None:
    member = admitted.office.signed_in("lusong").get(admitted.story)
    secretary = admitted.office.signed_in("secretary").get(admitted.story)

    for address in (f"/ballots/{admitted.review}", f"/ballots/{admitted.vote}", admitted.unit_page):
        assert f'href="{address}"' in member.html
    assert f'href="{admitted.case.page}"' not in member.html
    assert f'href="{admitted.case.page}"' in secretary.html


def test_a_story_is_told_in_english(admitted: Admitted) -> None:
    page = admitted.office.signed_in("lusong", "en").get(admitted.story)

    assert "The executive committee's review" in page.text
    assert "at once" in page.text


def test_a_story_that_goes_on_says_so_and_is_told_live(office: Office) -> None:
    # given
    case = hand_in(office)
    story = f"/timelines/{case.get()['correlation_id']}"
    visitor = office.signed_in("lusong")
    page = wait_until(lambda: found if (found := visitor.get(story)).status == 200 else None, "the first step told")
    assert "还没有结束" in page.text
    (live,) = re.findall(r'data-live="([^"]+)"', page.html)
    assert live.startswith(f"{story}/live?seen=")

    # when something happens
    case.accept()
    wait_until(lambda: "执行委员会开始表决" in visitor.get(story).text, "the ballot told")

    # then the stream of the page says so at once
    headers = {"Accept": "text/event-stream"}
    response = visitor.client.get(live, base_url=ADDRESS, headers=headers, buffered=False)
    pieces: Iterator[Any] = iter(response.response)
    assert next(pieces).startswith(b"retry:")
    assert next(pieces).startswith(b"event: changed")
    response.close()


def test_an_application_that_fails_or_is_withdrawn_ends_there(office: Office) -> None:
    refused, withdrawn = hand_in(office), hand_in(office)
    ballot = refused.accept()
    for username in COMMITTEE:
        refused.vote(ballot, username, "no")
    withdrawn.withdraw()
    visitor = office.signed_in("lusong")

    for case, words in ((refused, "未通过"), (withdrawn, "已撤回")):
        story = f"/timelines/{case.get()['correlation_id']}"
        wait_until(partial(says, visitor, story, words), f"told as {words}")
        assert "还没有结束" not in visitor.get(story).text


def test_a_story_of_nothing_is_said_in_words(office: Office) -> None:
    page = office.signed_in("lusong").get("/timelines/nothing")

    assert page.status == 404
    assert "没有这个编号的经过" in page.text


def test_while_notifications_is_away_there_is_no_story(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("lusong")
    with admitted.office.without("notifications"):
        page = visitor.get(admitted.story)

    assert page.status == 503
    assert "通知服务暂时连不上" in page.text


def test_stories_are_for_people_who_are_signed_in(admitted: Admitted) -> None:
    assert admitted.office.visitor().get(admitted.story).location.startswith("/sign-in")


# ------------------------------------------------------------ how entries become a story
@pytest.mark.usefixtures("in_chinese")
def test_elapsed_time_is_told_in_words_from_step_to_step() -> None:
    given = [
        entry("membership.application.submitted", 0, unit_name="甲", number="A-1"),
        entry("membership.application.questioned", 2 * SECOND),
        entry("membership.application.answered", 2 * SECOND + 61 * MINUTE),
        entry("membership.application.accepted", 3 * DAY + HOUR),
    ]

    story = story_of(given, READER)

    assert [step.after for step in story.stages[0].steps] == ["", "2 秒后", "1 小时后", "2 天后"]
    assert story.stages[0].lasted == story.lasted == "3 天"
    assert (story.unit_name, story.number, story.outcome) == ("甲", "A-1", "open")


@pytest.mark.usefixtures("in_chinese")
def test_a_withdrawal_belongs_to_the_stage_in_which_it_happened() -> None:
    given = [
        entry("membership.application.submitted"),
        entry("meetings.ballot.opened", 5, body="executive_committee"),
        entry("membership.application.withdrawn", 6),
        entry("meetings.ballot.cancelled", 7, body="executive_committee"),
    ]

    story = story_of(given, READER)

    assert stages_of(story) == [("form", 1), ("executive_committee", 3)]
    assert story.outcome == "withdrawn"


@pytest.mark.usefixtures("in_chinese")
def test_a_delivery_is_told_with_its_event_and_one_given_up_is_a_step() -> None:
    given = [
        entry("membership.application.submitted", event_id="e1"),
        entry("notifications.delivery.delivered", 3, "e1", channel="inbox", state="delivered", attempts=1),
        entry("notifications.delivery.abandoned", DAY, "e2"),
    ]

    story = story_of(given, READER)

    assert stages_of(story) == [("form", 1), ("telling", 1)]
    assert [told["data"]["channel"] for told in story.stages[0].steps[0].told] == ["inbox"]
    assert (story.steps, story.told) == (2, 1)


@pytest.mark.usefixtures("in_chinese")
def test_other_stories_and_newer_types_are_told_too() -> None:
    founding = story_of([entry("membership.alliance.founded"), entry("membership.office.filled", 1)], READER)
    unheard = story_of([entry("archive.page.turned"), entry("meetings.ballot.opened", 1)], READER)

    assert (stages_of(founding), founding.outcome) == ([("founding", 2)], "")
    assert stages_of(unheard) == [("other", 2)]


@pytest.mark.usefixtures("in_chinese")
def test_a_story_of_thousands_is_cut() -> None:
    story = story_of([entry("membership.member.admitted", n, member_id="m") for n in range(STEPS_MAX + 50)], READER)

    assert sum(count for _, count in stages_of(story)) == STEPS_MAX
    assert story.steps == STEPS_MAX + 50
