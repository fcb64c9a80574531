"""Ballots in the console: who may vote, a vote that is confirmed and stands, and results as meetings certifies them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa

from services.console.browser import SESSION_COOKIE, STEP_UP, VISITOR_COOKIE
from services.console.commands.drafts import find_draft, keep_draft
from services.console.commands.sessions import begin_session
from services.console.pages.ballots import CHOICE_KEPT, draft_name
from services.console.sealing import digest_of, seal
from services.console.tables import sessions
from services.membership.commands.sessions import Issuer, issue_person_token
from services.membership.tables import accounts
from tests.builders.admissions import COMMITTEE, COMMITTEE_BODY, GENERAL_MEETING, OTHERS, Case, hand_in
from tests.builders.console import ADDRESS, Office, Page, Visitor, founded_office
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An alliance of this module's own: the units that other modules admit would never vote here."""
    with founded_office(tmp_path_factory.mktemp("alliance")) as made:
        yield made


@pytest.fixture
def case(office: Office) -> Case:
    return hand_in(office)


def choose_and_confirm(visitor: Visitor, ballot_id: str, choice: str) -> Page:
    """Click through to the receipt."""
    visitor.get(f"/ballots/{ballot_id}")
    confirmation = visitor.send(f"/ballots/{ballot_id}/choice", choice=choice, follow=True)
    assert confirmation.status == 200, confirmation.location
    return visitor.send(f"/ballots/{ballot_id}/vote", choice=confirmation.value("choice"), follow=True)


def kept_choice(visitor: Visitor, ballot_id: str) -> Any:
    cookie = visitor.client.get_cookie(VISITOR_COOKIE, domain="alliance.example")
    assert cookie is not None
    with visitor.office.assembly.reading() as look:
        return find_draft(look, cookie.value, draft_name(ballot_id))


def long_signed_in(office: Office, username: str, *, console_knows: bool = True) -> Visitor:
    """Somebody who gave the password a while ago: too long ago for a vote."""
    house, membership = office.assembly, office.alliance.assemblies["membership"]
    long_ago = house.clock.now() - STEP_UP - timedelta(minutes=3)
    issuer = Issuer(membership.settings.issuer, membership.settings.secret_or_demo())
    with membership.begin() as work:
        account = work.one(sa.select(accounts).where(accounts.c.username == username))
        granted = {**issue_person_token(work, account, issuer, authenticated_at=long_ago), "refresh_token": "none"}
    said = replace(office.api, token=granted["access_token"]).get("membership/v1/me")
    visitor, secret = office.visitor(), house.ids.secret()
    with house.begin() as work:
        session = begin_session(work, secret, granted, said)
        if console_knows:
            content = {"token": session.token, "refresh_token": "none", "person": said}
            sealed = seal(secret, {**content, "authenticated_at": int(long_ago.timestamp())})
            work.execute(
                sa.update(sessions).values(sealed=sealed).where(sessions.c.session_digest == digest_of(secret))
            )
    visitor.client.set_cookie(SESSION_COOKIE, secret, domain="alliance.example", secure=True)
    return visitor


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
        assert "已收到并计入" in choose_and_confirm(member, review, "yes").text
    vote = case.ballot(GENERAL_MEETING)
    everybody = (*COMMITTEE, *OTHERS)
    for number, username in enumerate(everybody):
        choice = "yes" if number < len(everybody) / 2 else ("no" if number % 2 else "abstain")
        assert "已收到并计入" in choose_and_confirm(office.signed_in(username), vote, choice).text

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
    assert "全部单位都已投票" in page.text
    assert "表决未通过" in application.text
    assert application.html.count('<li class="failed">') == 1


# ------------------------------------------------------------ the list
def test_ballots_that_wait_for_ones_vote_come_first(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("tianyuan")
    before = member.get("/ballots")

    choose_and_confirm(member, ballot, "yes")
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


# ------------------------------------------------------------ voting
def test_a_vote_is_confirmed_in_large_words_before_it_stands(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("centre")
    member.get(f"/ballots/{ballot}")

    confirmation = member.send(f"/ballots/{ballot}/choice", choice="abstain", follow=True)
    kept_before = kept_choice(member, ballot)
    cast_before = case.secretary.get(f"meetings/v1/ballots/{ballot}")["votes_cast"]
    receipt = member.send(f"/ballots/{ballot}/vote", choice="abstain", follow=True)

    assert case.unit_name in confirmation.text
    assert "确认投票：弃权" in confirmation.text
    assert "投出后不能更改" in confirmation.text
    assert "株洲市中小企业发展服务中心" in confirmation.text
    assert cast_before == 0
    assert "已收到并计入" in receipt.text
    assert "贵单位已经投票" in receipt.text
    assert kept_before["choice"] == "abstain"
    assert kept_choice(member, ballot) is None


def test_without_a_choice_the_form_says_so(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("centre")
    member.get(f"/ballots/{ballot}")

    page = member.send(f"/ballots/{ballot}/choice")

    assert page.status == 422
    assert 'id="e-choice"' in page.html
    assert "请选择赞成、反对或弃权" in page.text


def test_a_unit_that_is_not_on_the_roll_can_look_and_not_vote(office: Office, case: Case) -> None:
    ballot = case.accept()
    outsider = office.signed_in("lusong")

    page = outsider.get(f"/ballots/{ballot}")
    led_back = outsider.send(f"/ballots/{ballot}/choice", choice="yes", follow=True)
    outsider.get(f"/ballots/{ballot}")
    refused = outsider.send(f"/ballots/{ballot}/vote", choice="yes")

    assert "贵单位不在本次表决的名册上" in page.text
    assert 'name="choice"' not in page.html
    assert led_back.location == f"/ballots/{ballot}"
    assert refused.status == 403
    assert "名册在表决开始时已经固定" in refused.text
    assert case.secretary.get(f"meetings/v1/ballots/{ballot}")["votes_cast"] == 0


def test_staff_act_for_no_unit_and_cannot_vote(office: Office, case: Case) -> None:
    ballot = case.accept()
    clerk = office.signed_in("clerk")
    clerk.get(f"/ballots/{ballot}")
    clerk.send(f"/ballots/{ballot}/choice", choice="yes")

    page = clerk.send(f"/ballots/{ballot}/vote", choice="yes")

    assert page.status == 403
    assert "您的账号不代表任何成员单位" in page.text


def test_nobody_votes_twice(office: Office, case: Case) -> None:
    # given two windows in which the confirmation stands
    ballot = case.accept()
    first, second = office.signed_in("centre"), office.signed_in("centre")
    for window in (first, second):
        window.get(f"/ballots/{ballot}")
        window.send(f"/ballots/{ballot}/choice", choice="yes", follow=True)

    # when both are sent
    first.send(f"/ballots/{ballot}/vote", choice="yes")
    page = second.send(f"/ballots/{ballot}/vote", choice="no")

    # then the second is told that the first stands
    assert page.status == 409
    assert "每个单位一票，投出后不再更改" in page.text
    assert case.secretary.get(f"meetings/v1/ballots/{ballot}")["votes_cast"] == 1


def test_a_confirmation_sent_twice_counts_once(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("centre")
    member.get(f"/ballots/{ballot}")
    member.send(f"/ballots/{ballot}/choice", choice="yes", follow=True)

    member.send(f"/ballots/{ballot}/vote", choice="yes")
    page = member.send(f"/ballots/{ballot}/vote", choice="yes")

    assert "贵单位已经投票" in page.text
    assert case.secretary.get(f"meetings/v1/ballots/{ballot}")["votes_cast"] == 1


def test_a_vote_after_the_end_is_refused_and_the_page_shows_the_end(office: Office, case: Case) -> None:
    # given a confirmation that stood open while the applicant withdrew
    ballot = case.accept()
    member = office.signed_in("centre")
    member.get(f"/ballots/{ballot}")
    member.send(f"/ballots/{ballot}/choice", choice="yes", follow=True)
    case.withdraw()
    path = f"meetings/v1/ballots/{ballot}"
    wait_until(lambda: case.secretary.get(path)["state"] == "cancelled", "the ballot's end")

    page = member.send(f"/ballots/{ballot}/vote", choice="yes")

    assert page.status == 409
    assert "表决已取消" in page.text
    assert "已取消" in member.get("/ballots?state=cancelled").text


# ------------------------------------------------------------ the password once more
def test_the_choice_is_kept_while_the_password_is_given_once_more(office: Office, case: Case) -> None:
    # given somebody who signed in a while ago
    ballot = case.accept()
    member = long_signed_in(office, "centre")
    assert "再输入一次密码" in member.get(f"/ballots/{ballot}").text

    # when they choose, and give the password on membership's page
    led = member.send(f"/ballots/{ballot}/choice", choice="no")
    assert led.location.startswith("/sign-in?again=1&next=")
    confirmation = member.sign_in("centre", start=led.location)

    # then the confirmation has the choice, and the vote is taken
    assert "确认投票：反对" in confirmation.text
    assert "已收到并计入" in member.send(f"/ballots/{ballot}/vote", choice="no", follow=True).text


def test_a_confirmation_opened_long_after_the_sign_in_asks_for_the_password(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = long_signed_in(office, "centre")
    member.get(f"/ballots/{ballot}")
    member.send(f"/ballots/{ballot}/choice", choice="no")

    page = member.get(f"/ballots/{ballot}/vote")

    assert "输入密码" in page.text
    assert "确认投票" not in page.text


def test_the_choice_is_kept_where_the_api_wants_the_password(office: Office, case: Case) -> None:
    # given a token whose password was given longer ago than the console thinks
    ballot = case.accept()
    member = long_signed_in(office, "centre", console_knows=False)
    member.get(f"/ballots/{ballot}")
    member.send(f"/ballots/{ballot}/choice", choice="abstain", follow=True)

    # when the vote is refused for that
    led = member.send(f"/ballots/{ballot}/vote", choice="abstain")
    confirmation = member.sign_in("centre", start=led.location)

    # then the confirmation comes again after the password, with the choice
    assert led.location.startswith("/sign-in?again=1&next=")
    assert "确认投票：弃权" in confirmation.text
    assert "已收到并计入" in member.send(f"/ballots/{ballot}/vote", choice="abstain", follow=True).text


def test_a_choice_is_not_shown_to_somebody_else_at_the_same_browser(office: Office, case: Case) -> None:
    ballot = case.accept()
    visitor = office.signed_in("centre")
    visitor.get(f"/ballots/{ballot}")
    visitor.send(f"/ballots/{ballot}/choice", choice="yes")
    visitor.take_session("window")

    page = visitor.get(f"/ballots/{ballot}/vote")

    assert page.location == f"/ballots/{ballot}"
    assert kept_choice(visitor, ballot) is None


def test_a_choice_that_was_kept_for_too_long_is_made_anew(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("centre")
    member.get(f"/ballots/{ballot}")
    member.send(f"/ballots/{ballot}/choice", choice="yes", follow=True)
    kept = kept_choice(member, ballot)
    early = datetime.fromisoformat(kept["at"]) - CHOICE_KEPT
    cookie = member.client.get_cookie(VISITOR_COOKIE, domain="alliance.example")
    assert cookie is not None
    with office.assembly.begin() as work:
        keep_draft(work, cookie.value, draft_name(ballot), {**kept, "at": early.isoformat()})

    page = member.send(f"/ballots/{ballot}/vote", choice="yes")

    assert "投票没有送出" in page.text
    assert case.secretary.get(f"meetings/v1/ballots/{ballot}")["votes_cast"] == 0


# ------------------------------------------------------------ meetings away
def test_while_meetings_is_away_the_confirmation_stays_and_can_be_sent_again(office: Office, case: Case) -> None:
    ballot = case.accept()
    member = office.signed_in("centre")
    member.get(f"/ballots/{ballot}")
    confirmation = member.send(f"/ballots/{ballot}/choice", choice="no", follow=True)
    key = confirmation.value("key")

    with office.without("meetings"):
        page = member.send(f"/ballots/{ballot}/vote", choice="no")
        listed = member.get("/ballots")
    again = member.send(f"/ballots/{ballot}/vote", choice="no", follow=True)

    assert page.status == 503
    assert case.unit_name in page.text
    assert "确认投票：反对" in page.text
    assert page.value("key") == key
    assert listed.status == 503
    assert "会议服务暂时连不上" in listed.text
    assert "已收到并计入" in again.text


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
