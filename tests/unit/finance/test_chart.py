"""The chart of accounts: what the charter's sources and purposes become in the ledger."""

from __future__ import annotations

from services.finance.domain.chart import (
    MEMBERS_CONTROL_CODE,
    STANDARD_ACCOUNTS,
    AccountClass,
    CharterItem,
    charter_accounts,
    member_account,
)

SOURCES = [
    CharterItem(code, {"zh-CN": code, "en": code}, f"18({number})")
    for number, code in enumerate(
        (
            "member_contributions",
            "government_funding",
            "committee_fundraising",
            "service_income",
            "donations",
            "other_lawful_income",
        ),
        start=1,
    )
]
PURPOSES = [CharterItem("exchange", {"zh-CN": "交流", "en": "Exchange"}, "5(4)")]


def test_each_of_the_six_sources_has_an_income_account_that_cites_its_article() -> None:
    opened = charter_accounts(SOURCES, [])

    assert len({account.code for account in opened}) == 6
    assert {account.account_class for account in opened} == {AccountClass.INCOME}
    assert [account.article for account in opened] == [f"18({number})" for number in range(1, 7)]


def test_a_purpose_of_the_charter_has_an_expense_account() -> None:
    (opened,) = charter_accounts([], PURPOSES)

    assert (opened.code, opened.account_class, opened.article) == ("5101.exchange", AccountClass.EXPENSE, "5(4)")


def test_a_source_that_only_another_charter_knows_is_other_income() -> None:
    (opened,) = charter_accounts([CharterItem("lottery", {"zh-CN": "彩票", "en": "Lottery"}, None)], [])

    assert opened.code == "4901.lottery"
    assert opened.article == "18"


def test_a_members_account_lies_below_the_control_account_that_takes_no_postings() -> None:
    opened = member_account("m-1", "ZZ-2026-0016", "株洲某单位")

    assert opened.code == "1122.ZZ-2026-0016"
    assert opened.control_code == MEMBERS_CONTROL_CODE
    (control,) = [account for account in STANDARD_ACCOUNTS if account.code == MEMBERS_CONTROL_CODE]
    assert control.is_control
    assert not opened.is_control


def test_no_two_accounts_of_the_chart_share_a_code() -> None:
    codes = [account.code for account in (*STANDARD_ACCOUNTS, *charter_accounts(SOURCES, PURPOSES))]

    assert len(codes) == len(set(codes))
