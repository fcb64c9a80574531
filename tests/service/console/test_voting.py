"""Casting a vote in the console: confirmed before it stands, once only, and kept over the password given once more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.console.browser import SESSION_COOKIE, STEP_UP, VISITOR_COOKIE
from services.console.commands.drafts import find_draft, keep_draft
from services.console.commands.sessions import begin_session
from services.console.pages.ballots import VOTE
from services.console.pages.unconfirmed import KEPT, name_of
from services.console.sealing import digest_of, seal
from services.console.tables import sessions
from services.membership.commands.sessions import Issuer, issue_person_token
from services.membership.tables import accounts
from tests.builders.admissions import Case, hand_in
from tests.builders.console import Office, Visitor
from tests.waiting import wait_until


@pytest.fixture
def case(office: Office) -> Case:
    return hand_in(office)


def kept_choice(visitor: Visitor, ballot_id: str) -> Any:
    cookie = visitor.client.get_cookie(VISITOR_COOKIE, domain="alliance.example")
    assert cookie is not None
    with visitor.office.assembly.reading() as look:
        return find_draft(look, cookie.value, name_of(VOTE, ballot_id))


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
    early = datetime.fromisoformat(kept["at"]) - KEPT
    cookie = member.client.get_cookie(VISITOR_COOKIE, domain="alliance.example")
    assert cookie is not None
    with office.assembly.begin() as work:
        keep_draft(work, cookie.value, name_of(VOTE, ballot), {**kept, "at": early.isoformat()})

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
