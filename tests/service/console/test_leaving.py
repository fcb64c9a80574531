"""A unit leaves in the console: explained, confirmed in large words over a recent password, taken back, seen by others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.builders.console import PASSWORD, Office, Page, Visitor, founded_office
from tests.service.console.test_voting import long_signed_in
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An alliance of its own: whoever leaves here is missing nowhere else."""
    with founded_office(tmp_path_factory.mktemp("leaving")) as made:
        yield made


def members_of(office: Office, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.api.signed_in("secretary", PASSWORD).get(
        "membership/v1/members", limit=100, **query
    )["items"]
    return found


def unit_of(office: Office, username: str) -> dict[str, Any]:
    """The unit that this person represents, as the secretariat sees it."""
    secretary = office.api.signed_in("secretary", PASSWORD)
    accounts = secretary.get("membership/v1/accounts", limit=100)["items"]
    member_id = next(each["member_id"] for each in accounts if each["username"] == username)
    found: dict[str, Any] = secretary.get(f"membership/v1/members/{member_id}")
    return found


def present_people(office: Office) -> list[str]:
    """User names of representatives whose unit is a member and has announced nothing, without seats first."""
    secretary = office.api.signed_in("secretary", PASSWORD)
    waiting = {each["member_id"] for each in members_of(office) if each["leaves_at"] is None}
    seated = {each["member_id"] for each in secretary.get("membership/v1/offices")["items"]}
    accounts = secretary.get("membership/v1/accounts", limit=100)["items"]
    theirs = [each for each in accounts if each["member_id"] in waiting]
    return [each["username"] for each in sorted(theirs, key=lambda each: each["member_id"] in seated)]


@pytest.fixture
def username(office: Office) -> str:
    return present_people(office)[0]


def day_in(days: int) -> str:
    return (datetime.now(timezone(timedelta(hours=8))) + timedelta(days=days)).date().isoformat()


def choose(visitor: Visitor, member_id: str, **typed: str) -> Page:
    """Fill in the form and go where it leads."""
    visitor.get(f"/members/{member_id}/leaving")
    return visitor.send(f"/members/{member_id}/leaving", follow=True, **typed)


# ------------------------------------------------------------ at once
def test_a_unit_leaves_after_it_has_been_told_and_asked_in_large_words(office: Office, username: str) -> None:
    unit, visitor = unit_of(office, username), office.signed_in(username)
    address = f"/members/{unit['member_id']}/leaving"

    mine = visitor.get("/me")
    explained = visitor.get(address)
    confirmation = choose(visitor, unit["member_id"], when="at_once", reason="与兄弟单位合并")
    before = unit_of(office, username)["left_at"]
    end = visitor.send(f"{address}/confirmation", follow=True)

    assert f'href="{address}"' in mine.html
    assert "不需要任何人批准" in explained.text
    assert "第七条" in explained.text
    assert re.search(rf"<dd>{re.escape(unit['unit_name'])}</dd>", confirmation.html)
    assert re.search(r'<dd class="decisive">立即生效</dd>', confirmation.html)
    assert "与兄弟单位合并" in confirmation.text
    assert "不能撤回" in confirmation.text
    assert before is None
    assert "贵单位已退出联盟" in end.text
    assert unit_of(office, username)["left_at"] is not None
    assert visitor.get("/me").status == 303, "signed out here"
    shown = office.signed_in("secretary").get(f"/members/{unit['member_id']}")
    assert re.search(r"已于 \d{4}-\d\d-\d\d 退出", shown.text)
    assert "与兄弟单位合并" in shown.text


def test_others_see_that_a_unit_left_on_the_roster_its_page_and_its_story(office: Office, username: str) -> None:
    unit = unit_of(office, username)
    visitor = office.signed_in(username)
    choose(visitor, unit["member_id"], when="at_once", reason="between us")
    visitor.send(f"/members/{unit['member_id']}/leaving/confirmation")
    reader = office.signed_in(present_people(office)[0])

    present, left = reader.get("/members"), reader.get("/members?status=left")
    page = reader.get(f"/members/{unit['member_id']}")

    assert unit["unit_name"] not in present.text
    assert unit["unit_name"] in left.text
    assert re.search(r'<span class="badge ">已于 \d{4}-\d\d-\d\d 退出</span>', left.html)
    assert '<option value="left" selected>' in left.html
    assert "between us" not in page.html, "why is for the unit and the secretariat"
    assert "/leaving" not in page.html, "nothing to be done there any more"
    story = re.search(r'href="(/timelines/[^"]+)"', page.html)
    assert story is not None
    wait_until(lambda: "待结清余额" in reader.get(story[1]).text, "finance's part of the story")
    told = reader.get(story[1])
    assert "成员退出联盟" in told.text
    assert "自动" in told.text


# ------------------------------------------------------------ later, and taken back
def test_a_later_day_is_noted_shown_and_taken_back(office: Office, username: str) -> None:
    unit, visitor = unit_of(office, username), office.signed_in(username)
    address, day = f"/members/{unit['member_id']}/leaving", day_in(30)

    confirmation = choose(visitor, unit["member_id"], when="later", leaves_on=day)
    noted = visitor.send(f"{address}/confirmation", follow=True)
    roster = visitor.get(f"/members?q={unit['number']}")
    visitor.get(address)
    stays = visitor.send(f"{address}/retraction", follow=True)

    assert f'<dd class="decisive">{day}</dd>' in confirmation.html
    assert "到期自动退出" in noted.text
    assert f"将于 {day} 退出" in noted.text
    assert f"将于 {day} 退出" in roster.text
    assert "已撤回" in stays.text
    assert f"将于 {day} 退出" not in stays.text
    assert unit_of(office, username)["leaves_at"] is None


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({}, "when", "请选择"),
        ({"when": "later"}, "leaves_on", "请填写日期"),
        ({"when": "later", "leaves_on": "下个月"}, "leaves_on", "请填写日期"),
    ],
    ids=["nothing chosen", "no day", "no day but words"],
)
def test_what_is_not_said_is_asked_for_beside_its_field(
    office: Office, username: str, typed: dict[str, str], field: str, said: str
) -> None:
    unit, visitor = unit_of(office, username), office.signed_in(username)

    page = choose(visitor, unit["member_id"], reason="留着 <b>我</b>", **typed)

    assert page.status == 422
    assert f'id="e-{field}"' in page.html
    assert said in page.text
    assert "留着 &lt;b&gt;我&lt;/b&gt;" in page.html, "what was typed stays, as text"


def test_a_day_that_membership_refuses_comes_back_beside_its_field(office: Office, username: str) -> None:
    unit, visitor = unit_of(office, username), office.signed_in(username)
    choose(visitor, unit["member_id"], when="later", leaves_on=day_in(-3))

    page = visitor.send(f"/members/{unit['member_id']}/leaving/confirmation")

    assert page.status == 422
    assert "今天以后的日期" in page.text
    assert f'value="{day_in(-3)}"' in page.html
    assert unit_of(office, username)["leaves_at"] is None


# ------------------------------------------------------------ the secretariat
def test_the_secretariat_records_a_letter_and_names_it(office: Office, username: str) -> None:
    unit, secretary = unit_of(office, username), office.signed_in("secretary", "en")
    address = f"/members/{unit['member_id']}/leaving"

    page = secretary.get(f"/members/{unit['member_id']}")
    choose(secretary, unit["member_id"], when="at_once")
    unnamed = secretary.send(f"{address}/confirmation")
    choose(secretary, unit["member_id"], when="at_once", reason="Letter of 3 March")
    recorded = secretary.send(f"{address}/confirmation", follow=True)

    assert "Record that it leaves" in page.text
    assert unnamed.status == 422
    assert 'id="e-reason"' in unnamed.html
    assert "the unit has left the alliance" in recorded.text
    assert "recorded by the secretariat" in recorded.text
    assert "Letter of 3 March" in recorded.text
    assert secretary.get("/me").status == 200, "still signed in"


# ------------------------------------------------------------ who, and over which password
def test_nobody_comes_here_for_another_unit(office: Office) -> None:
    mine, others = present_people(office)[:2]
    visitor, other = office.signed_in(mine), unit_of(office, others)
    address = f"/members/{other['member_id']}/leaving"

    pages = [visitor.get(address), office.signed_in("treasurer").get(address)]
    visitor.get(f"/members/{unit_of(office, mine)['member_id']}/leaving")
    pages += [visitor.send(address, when="at_once"), visitor.send(f"{address}/retraction")]

    assert [page.status for page in pages] == [403, 403, 403, 403]
    assert unit_of(office, others)["left_at"] is None
    assert office.visitor().get(address).status == 303


def test_a_password_given_long_ago_is_asked_for_once_more(office: Office, username: str) -> None:
    unit = unit_of(office, username)
    visitor, address = long_signed_in(office, username), f"/members/{unit['member_id']}/leaving"
    visitor.get(address)

    asked = visitor.send(address, when="at_once")
    back = visitor.get(f"{address}/confirmation")

    assert asked.status == 303
    assert asked.location.startswith("/sign-in?again=1&next=")
    assert "请再输入一次密码" in back.text
    assert f'action="{address}/confirmation"' not in back.html, "no button before the password"
    assert unit_of(office, username)["left_at"] is None


def test_where_only_membership_knows_that_the_password_is_old_it_leads_over_it_too(
    office: Office, username: str
) -> None:
    unit = unit_of(office, username)
    visitor = long_signed_in(office, username, console_knows=False)
    choose(visitor, unit["member_id"], when="at_once")

    asked = visitor.send(f"/members/{unit['member_id']}/leaving/confirmation")

    assert asked.location.startswith("/sign-in?again=1&next=")
    assert unit_of(office, username)["left_at"] is None


def test_a_confirmation_nobody_has_come_to_by_the_form_confirms_nothing(office: Office, username: str) -> None:
    unit, visitor = unit_of(office, username), office.signed_in(username)
    address = f"/members/{unit['member_id']}/leaving"

    opened = visitor.get(f"{address}/confirmation")
    visitor.get(address)
    sent = visitor.send(f"{address}/confirmation")

    assert (opened.status, opened.location) == (303, address)
    assert "没有办理退出" in sent.text
    assert unit_of(office, username)["left_at"] is None


def test_while_membership_is_away_nothing_is_lost(office: Office, username: str) -> None:
    unit, visitor = unit_of(office, username), office.signed_in(username)
    address = f"/members/{unit['member_id']}/leaving"
    choose(visitor, unit["member_id"], when="later", leaves_on=day_in(20))

    with office.without("membership"):
        away = visitor.send(f"{address}/confirmation")
    again = visitor.send(f"{address}/confirmation", follow=True)

    assert away.status == 503
    assert day_in(20) in away.text
    assert f"将于 {day_in(20)} 退出" in again.text


def test_the_pages_are_in_both_languages(office: Office, username: str) -> None:
    unit = unit_of(office, username)
    visitor = office.signed_in(username, "en")

    page = visitor.get(f"/members/{unit['member_id']}/leaving")
    confirmation = choose(visitor, unit["member_id"], when="at_once")

    assert "Every unit may leave at will" in page.text
    assert "Leave the alliance now" in confirmation.text
    assert not re.search(r"leaving\.[a-z_.]+", page.text + confirmation.text), "no code without its text"
