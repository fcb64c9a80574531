"""The chart of accounts: which accounts the alliance keeps, and which the charter brings with it.

Codes follow the national accounting system for non-profit organisations of 2024 (财会〔2024〕25号, in force 2026-01-01),
of which a small alliance needs these few. Every account stores the chart's name beside its code, because the same code
meant something else in the chart before. Must not know balances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Name of the chart that the codes below belong to.
CHART = "npo-2024-25"
#: The only currency; the charter knows no other.
CURRENCY = "CNY"
#: The charter's article on money: where it comes from and what it may be spent on.
ARTICLE = "18"
#: Longest account code, in characters.
CODE_CHARACTERS_MAX = 80


class AccountClass(StrEnum):
    """The five elements of accounts. Debits raise the first and the last, credits the others."""

    ASSET = "asset"
    LIABILITY = "liability"
    NET_ASSETS = "net_assets"
    INCOME = "income"
    EXPENSE = "expense"


@dataclass(frozen=True)
class NewAccount:
    """An account that is to be opened. `name` is by language; `charter_code` the funding source or purpose behind it."""

    code: str
    account_class: AccountClass
    name: Mapping[str, str]
    article: str | None = None
    control_code: str | None = None
    is_control: bool = False
    is_money: bool = False
    charter_code: str | None = None
    member_id: str | None = None


@dataclass(frozen=True)
class CharterItem:
    """A funding source or a purpose as the charter's data names it."""

    code: str
    name: Mapping[str, str]
    article: str | None


MEMBERS_CONTROL_CODE = "1122"
#: Accounts every alliance keeps. The control account takes no postings of its own: it is the sum of its members'.
STANDARD_ACCOUNTS: tuple[NewAccount, ...] = (
    NewAccount("1001", AccountClass.ASSET, {"zh-CN": "现金", "en": "Cash"}, is_money=True),
    NewAccount("1002", AccountClass.ASSET, {"zh-CN": "银行存款", "en": "Bank"}, is_money=True),
    NewAccount(
        MEMBERS_CONTROL_CODE,
        AccountClass.ASSET,
        {"zh-CN": "其他应收款：成员往来", "en": "Members' current accounts"},
        article=ARTICLE,
        is_control=True,
    ),
    NewAccount("2209", AccountClass.LIABILITY, {"zh-CN": "其他应付款", "en": "Other payables"}),
    NewAccount("3101", AccountClass.NET_ASSETS, {"zh-CN": "非限定性净资产", "en": "Unrestricted net assets"}),
    NewAccount("3102", AccountClass.NET_ASSETS, {"zh-CN": "限定性净资产", "en": "Restricted net assets"}),
)

#: Income account of each of the charter's six sources; a source that another charter adds counts as other income.
_SOURCE_CODES = {
    "member_contributions": "4201",
    "government_funding": "4401",
    "committee_fundraising": "4901",
    "service_income": "4301",
    "donations": "4101",
    "other_lawful_income": "4901",
}
_SOURCE_CODE_OTHER = "4901"
#: Cost of activities; one account below it for each purpose that the charter allows money to be spent on.
_PURPOSE_CODE = "5101"


def funding_account(source: CharterItem) -> NewAccount:
    """The income account of a funding source."""
    code = _SOURCE_CODES.get(source.code, _SOURCE_CODE_OTHER)
    return NewAccount(
        f"{code}.{source.code}",
        AccountClass.INCOME,
        dict(source.name),
        article=source.article or ARTICLE,
        charter_code=source.code,
    )


def purpose_account(purpose: CharterItem) -> NewAccount:
    """The expense account of a charter purpose: what no purpose covers has no account to be spent from."""
    return NewAccount(
        f"{_PURPOSE_CODE}.{purpose.code}",
        AccountClass.EXPENSE,
        dict(purpose.name),
        article=purpose.article or ARTICLE,
        charter_code=purpose.code,
    )


def charter_accounts(sources: Sequence[CharterItem], purposes: Sequence[CharterItem]) -> tuple[NewAccount, ...]:
    """Every account that a version of the charter calls for."""
    return (*(funding_account(each) for each in sources), *(purpose_account(each) for each in purposes))


def member_account(member_id: str, number: str, unit_name: str) -> NewAccount:
    """A member's account below the control account. Its debit balance is what the member owes the alliance."""
    return NewAccount(
        f"{MEMBERS_CONTROL_CODE}.{number}",
        AccountClass.ASSET,
        {"zh-CN": unit_name, "en": unit_name},
        article=ARTICLE,
        control_code=MEMBERS_CONTROL_CODE,
        member_id=member_id,
    )
