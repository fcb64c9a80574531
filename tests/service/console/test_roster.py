"""The roster and the units' pages: searching, paging, how a unit came in, and whose account whom finance lets see."""

from __future__ import annotations

import re
from typing import Any

import pytest

from services.console.pages import roster
from tests.builders.admissions import Admitted
from tests.builders.console import PASSWORD, Office, Page


def numbers_on(page: Page) -> list[str]:
    """Units in the order of the page."""
    return re.findall(r'<td class="figure nowrap"[^>]*>(ZZ-\d+)</td>', page.html)


def member_id(office: Office, number: str) -> str:
    found = office.api.signed_in("secretary", PASSWORD).get("membership/v1/members", q=number)
    return str(found["items"][0]["member_id"])


# ------------------------------------------------------------ the list
def test_the_roster_lists_all_units_by_number(admitted: Admitted) -> None:
    page = admitted.office.signed_in("lusong").get("/members")

    assert page.status == 200
    assert numbers_on(page) == [f"ZZ-{number:04d}" for number in range(1, 26)]
    assert "成员单位 25 家" in page.text
    assert "创始" in page.text


def test_units_are_found_by_part_of_the_name_kind_and_county(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("lusong")

    by_name = visitor.get("/members?q=炎陵县")
    by_both = visitor.get("/members?kind=quality_enterprise&county=liling")
    by_number = visitor.get("/members?q=zz-0003")

    assert numbers_on(by_name) == ["ZZ-0011"]
    assert 'value="炎陵县"' in by_name.html, "what was asked for stays in the form"
    assert numbers_on(by_both) == ["ZZ-0025"]
    assert '<option value="liling" selected>' in by_both.html
    assert numbers_on(by_number) == ["ZZ-0003"]


def test_where_nobody_fits_the_page_says_what_to_do(admitted: Admitted) -> None:
    page = admitted.office.signed_in("lusong", "en").get("/members?q=<b>nobody</b>")

    assert page.status == 200
    assert "No member fits" in page.text
    assert "<b>nobody" not in page.html


def test_a_long_roster_comes_in_pages_that_keep_the_filter(admitted: Admitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "UNITS", 5)
    visitor = admitted.office.signed_in("lusong")

    first = visitor.get("/members?kind=service_center")
    following = re.search(r'rel="next" href="([^"]+)"', first.html)
    assert following is not None
    second = visitor.get(following[1].replace("&amp;", "&"))

    assert len(numbers_on(first)) == 5
    assert numbers_on(second)[0] > numbers_on(first)[-1]
    assert "kind=service_center" in following[1]
    assert 'href="/members?kind=service_center"' in second.html, "and back to the first"


def test_a_cursor_of_somebodys_own_making_is_refused_in_words(admitted: Admitted) -> None:
    page = admitted.office.signed_in("lusong").get("/members?cursor=nonsense")

    assert page.status == 422
    assert "这一步没有完成" in page.text


def test_the_roster_is_for_people_who_are_signed_in(office: Office) -> None:
    page = office.visitor().get("/members")

    assert page.status == 303
    assert page.location == "/sign-in?next=/members"


def test_without_meetings_the_roster_shows_codes_and_no_filter(admitted: Admitted) -> None:
    with admitted.office.without("meetings"):
        page = admitted.office.signed_in("lusong").get("/members")

    assert page.status == 200
    assert len(numbers_on(page)) == 25
    assert "会议服务暂时连不上" in page.text
    assert 'name="county"' not in page.html


def test_without_membership_there_is_no_roster(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("lusong")
    with admitted.office.without("membership"):
        page = visitor.get("/members")

    assert page.status == 503
    assert "成员服务暂时连不上" in page.text


# ------------------------------------------------------------ a unit
def test_a_founding_unit_shows_its_offices_with_their_terms(admitted: Admitted) -> None:
    office = admitted.office
    page = office.signed_in("lusong").get(f"/members/{member_id(office, 'ZZ-0001')}")

    assert page.status == 200
    for words in ("株洲市中小企业发展服务中心", "创始成员", "主任", "执行委员会", "2026-01-08", "2030-01-08"):
        assert words in page.text
    assert 'href="/charter#article-1"' in page.html


def test_a_unit_that_was_voted_in_leads_to_the_ballot_and_the_story(admitted: Admitted) -> None:
    page = admitted.office.signed_in("lusong").get(admitted.unit_page)

    assert "赞成 12，反对 6，弃权 6；须 12 票赞成（基数 24）。" in page.text
    assert f'href="/ballots/{admitted.vote}"' in page.html
    assert f'href="{admitted.story}"' in page.html
    assert f'href="{admitted.case.page}"' not in page.html, "an application is not every member's to read"


@pytest.mark.parametrize("username", ["secretary", "centre"])
def test_the_secretariat_and_the_committee_get_on_to_the_application(admitted: Admitted, username: str) -> None:
    assert f'href="{admitted.case.page}"' in admitted.office.signed_in(username).get(admitted.unit_page).html


def test_what_a_unit_says_of_itself_is_text(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("lusong")
    page, list_page = visitor.get(admitted.unit_page), visitor.get("/members")

    for html in (page.html, list_page.html):
        assert "<script>alert" not in html
    for words in ("<script>alert(1)</script>醴陵检测有限公司", "<script>alert(1)</script>第一行", "第二行"):
        assert words in page.text
    assert 'href="https://evil.example/&#34;&gt;' in page.html


def test_a_unit_that_is_not_there_is_said_in_words(admitted: Admitted) -> None:
    assert admitted.office.signed_in("lusong").get("/members/nobody").status == 404
    assert admitted.office.signed_in("lusong").get("/members/nobody/account").status == 404


def test_a_unit_page_does_without_meetings(admitted: Admitted) -> None:
    with admitted.office.without("meetings"):
        page = admitted.office.signed_in("lusong").get(admitted.unit_page)

    assert page.status == 200
    assert admitted.case.unit_name in page.text
    assert "基数" not in page.text


# ------------------------------------------------------------ its account
def post_entries(office: Office, number: str, *amounts: int) -> str:
    """What a unit owes more or less; its id."""
    treasurer = office.api.signed_in("treasurer", PASSWORD)
    unit = member_id(office, number)
    account = treasurer.get(f"finance/v1/members/{unit}/account")["account_id"]
    accounts: list[Any] = treasurer.get("finance/v1/accounts", limit=100)["items"]
    income = next(each["account_id"] for each in accounts if each["code"].endswith("member_contributions"))
    for amount in amounts:
        body = {
            "posted_on": "2026-11-20", "currency": "CNY", "description": f"<b>分担</b>{amount}", "voucher": "记-12",
            "postings": [
                {"account_id": account, "amount_fen": amount}, {"account_id": income, "amount_fen": -amount}
            ],
        }  # fmt: skip
        treasurer.post("finance/v1/entries", body)
    return unit


def test_a_unit_sees_its_balance_and_latest_entries(office: Office) -> None:
    unit = post_entries(office, "ZZ-0012", *(1_000 * n for n in range(1, 8)))

    page = office.signed_in("gaoxin").get(f"/members/{unit}")

    assert "280.00" in page.text
    assert "单位应付联盟" in page.text
    assert "<b>分担</b>7000" in page.text
    assert "<b>分担</b>1000" not in page.text, "the latest only"
    assert f'href="/members/{unit}/account"' in page.html


@pytest.mark.parametrize("username", ["treasurer", "secretary"])
def test_the_bookkeepers_see_every_account(office: Office, username: str) -> None:
    unit = post_entries(office, "ZZ-0013", 5_000)

    assert "单位应付联盟" in office.signed_in(username).get(f"/members/{unit}").text


def test_nobody_else_sees_an_account(office: Office) -> None:
    unit = post_entries(office, "ZZ-0014", 5_000)
    other = office.signed_in("lusong")

    assert "往来账户" not in other.get(f"/members/{unit}").text
    assert other.get(f"/members/{unit}/account").status == 404


def test_the_statement_comes_in_pages_oldest_first(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "STATEMENT_LINES", 2)
    unit = post_entries(office, "ZZ-0015", -1_00, -2_00, -3_00)
    visitor = office.signed_in("taoci")

    first = visitor.get(f"/members/{unit}/account")
    following = re.search(r'rel="next" href="([^"]+)"', first.html)
    assert following is not None
    second = visitor.get(following[1])

    assert "联盟应付单位" in first.text
    assert {"-1.00", "-2.00", "-3.00"} <= set(first.text.splitlines()), "amounts, and the balance after the second"
    assert "-6.00" in second.text
    assert f'href="/members/{unit}/account"' in second.html


def test_a_statement_too_long_to_walk_is_left_to_its_own_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "WALKED_PAGES", 0)
    unit = post_entries(office, "ZZ-0016", 5_000)

    page = office.signed_in("hejin").get(f"/members/{unit}")

    assert "往来较多" in page.text
    assert f'href="/members/{unit}/account"' in page.html


def test_a_unit_page_does_without_finance(office: Office) -> None:
    unit = member_id(office, "ZZ-0017")
    with office.without("finance"):
        page = office.signed_in("fushi").get(f"/members/{unit}")

    assert page.status == 200
    assert "财务服务暂时连不上" in page.text
    assert "我的单位" in page.text


def test_the_books_can_be_read_without_membership(office: Office) -> None:
    unit = member_id(office, "ZZ-0018")
    visitor = office.signed_in("tianyi")
    with office.without("membership"):
        page = visitor.get(f"/members/{unit}/account")

    assert page.status == 200
    assert "1122.ZZ-0018" in page.text
    assert "还没有往来" in page.text
