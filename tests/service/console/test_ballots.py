"""Ballots in the console: the whole way to a certified result, the list, and what one ballot tells while it is open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.builders.admissions import COMMITTEE, COMMITTEE_BODY, GENERAL_MEETING, OTHERS, Case, hand_in, vote_by_clicks
from tests.builders.console import ADDRESS, Office, founded_office
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An alliance of this module's own: the units that other modules admit would never vote here."""
    with founded_office(tmp_path_factory.mktemp("alliance")) as made:
        yield made


@pytest.fixture
def case(office: Office) -> Case:
    return hand_in(office)


# ------------------------------------------------------------ the whole way
def test_an_application_becomes_a_membership_by_clicks(office: Office) -> None:
    # given a form that came over the API, and a secretary who asks and accepts
    case = hand_in(office)
    secretary = office.signed_in("secretary")
    assert case.unit_name in secretary.get("/applications?state=submitted").text
    secretary.get(case.page)
    secretary.send(f"{case.page}/questions", question="请说明职工人数。")
    case.answer(case.get()["questions"][0]["question_id"], "42 人", headcount=42)
    secretary.get(f"{case.page}/acceptance")
    assert "已受理" in secretary.send(f"{case.page}/acceptance", follow=True).text

    # when the committee and then all members vote, each over the console, exactly half in favour
    review = case.ballot(COMMITTEE_BODY)
    for username in COMMITTEE:
        member = office.signed_in(username)
        assert f"/ballots/{review}" in member.get(case.page).html, "the vote is one click away"
        assert "已收到并计入" in vote_by_clicks(member, review, "yes").text
    vote = case.ballot(GENERAL_MEETING)
    everybody = (*COMMITTEE, *OTHERS)
    for number, username in enumerate(everybody):
        choice = "yes" if number < len(everybody) / 2 else ("no" if number % 2 else "abstain")
        assert "已收到并计入" in vote_by_clicks(office.signed_in(username), vote, choice).text

    # then the result stands line by line, on the bound with both readings, and leads to the new member
    wait_until(lambda: case.get()["member_id"], "the roster entry")
    reader = office.signed_in("lusong")
    result = reader.get(f"/ballots/{vote}")
    told = case.secretary.get(f"meetings/v1/ballots/{vote}")["result"]
    for line in told["explanation"]:
        assert line["text"] in result.text
    assert told["on_the_bound"]
    for words in ("通过", "票数恰好在界线上", "章程第 1 版", "第六条（三）", "24 个单位", "须 12 票赞成"):
        assert words in result.text, words
    assert f"/members/{case.get()['member_id']}" in result.html
    assert f"/applications/{case.application_id}" not in result.html
    application = secretary.get(case.page)
    assert "已入会" in application.text
    assert application.html.count('<li class="done">') == 5
    assert f"/ballots/{vote}" in application.html


def test_a_refused_application_says_where_it_ended(office: Office, case: Case) -> None:
    ballot = case.accept()
    for username in COMMITTEE:
        case.vote(ballot, username, "no")
    wait_until(lambda: case.get()["state"] == "refused", "the refusal")

    page = office.signed_in("secretary").get(f"/ballots/{ballot}")
    application = office.signed_in("secretary").get(case.page)

    assert "未通过" in page.text
    assert "能投票的单位都已投票" in page.text
    assert "表决未通过" in application.text
    assert application.html.count('<li class="failed">') == 1


# ------------------------------------------------------------ the list
def test_ballots_that_wait_for_ones_vote_come_first(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("tianyuan")
    before = member.get("/ballots")

    vote_by_clicks(member, ballot, "yes")
    after = member.get("/ballots")

    waiting = before.html.split('id="waiting"')[1].split("</section>")[0]
    assert case.unit_name in waiting
    assert before.text.count(case.unit_name) == 1
    assert case.unit_name in after.text
    assert (
        "等待贵单位投票" not in after.text
        or case.unit_name not in after.html.split('id="waiting"')[1].split("</section>")[0]
    )


def test_the_list_can_be_narrowed_to_a_body_and_a_state(office: Office, case: Case) -> None:
    ballot = case.accept()
    visitor = office.signed_in("lusong")

    assert f"/ballots/{ballot}" in visitor.get("/ballots?body=executive_committee&state=open").html
    assert f"/ballots/{ballot}" not in visitor.get("/ballots?body=general_meeting").html
    assert f"/ballots/{ballot}" not in visitor.get("/ballots?state=closed").html
    assert f"/ballots/{ballot}" in visitor.get("/ballots?state=<b>").html


def test_the_list_and_a_ballot_are_there_in_english(office: Office, case: Case) -> None:
    ballot = case.accept()
    visitor = office.signed_in("centre", "en")

    listed, read = visitor.get("/ballots"), visitor.get(f"/ballots/{ballot}")

    assert "Waiting for your unit's vote" in listed.text
    assert "yes from more than 1/2 of all units on this roll" in read.text
    assert "ballots." not in listed.text + read.text


# ------------------------------------------------------------ one ballot
def test_an_open_ballot_tells_its_rule_and_how_many_have_voted_and_nothing_of_what(office: Office, case: Case) -> None:
    ballot = case.accept()
    case.vote(ballot, "centre", "no")

    page = office.signed_in("secretary").get(f"/ballots/{ballot}")

    for words in (
        "赞成票超过本次名册全部单位的 1/2（不含本数）", "不作要求", "第六条（二）", "章程第 1 版", "通过比例", "计算基数",
        "表决期限", "还剩 6 天", "7 个单位", "您的账号不代表任何成员单位",
    ):  # fmt: skip
        assert words in page.text, words
    assert "1\n/ 7" in page.text
    assert 'class="tally"' not in page.html
    assert f'data-live="/ballots/{ballot}/live?seen=' in page.html


def test_what_stands_in_a_title_is_text_and_no_markup(office: Office) -> None:
    case = hand_in(office, unit_name="<script>alert(1)</script><b>单位</b>")
    ballot = case.accept()
    visitor = office.signed_in("centre")
    visitor.get(f"/ballots/{ballot}")

    confirmation = visitor.send(f"/ballots/{ballot}/choice", choice="yes", follow=True)

    for page in (visitor.get("/ballots"), visitor.get(f"/ballots/{ballot}"), confirmation):
        assert "<script>alert" not in page.html
        assert "&lt;script&gt;alert(1)" in page.html


def test_a_ballot_that_is_not_there_is_said_so(office: Office) -> None:
    assert office.signed_in("lusong").get("/ballots/none").status == 404


def test_visitors_are_led_to_the_sign_in(office: Office) -> None:
    for path in ("/ballots", "/ballots/x", "/ballots/x/vote"):
        assert office.visitor().get(path).status == 303


# ------------------------------------------------------------ live
def test_the_page_is_told_of_a_vote_that_comes_in(office: Office, case: Case) -> None:
    ballot = case.accept()
    reader = office.signed_in("lusong")
    shown = reader.get(f"/ballots/{ballot}")
    address = shown.html.split('data-live="')[1].split('"')[0]
    case.vote(ballot, "centre")

    response = reader.client.get(address, base_url=ADDRESS, headers={"Accept": "text/event-stream"}, buffered=False)
    told = cast("Iterator[bytes]", iter(response.response))
    head, news = next(told), next(told)
    response.close()

    assert head.startswith(b"retry: ")
    assert news.startswith(b"event: changed\nid: ")
