"""An entry: two or more postings that sum to zero. Integer fen; debits are positive, credits negative.

Every fault is named at once, by the field it is in. The database refuses the same things again, in case of a bug here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.finance.domain.chart import ARTICLE, CURRENCY, AccountClass
from services.finance.domain.member_payments import MemberPayment, faults_of_member_payment, settles
from shared.errors import Fault, Invalid

POSTINGS_MIN = 2
#: More lines than any voucher has; keeps an entry's sum far inside 64 bits.
POSTINGS_MAX = 100
#: Largest amount of one posting, in fen: 100 billion yuan, and exact in every JSON reader (below 2^53).
AMOUNT_FEN_MAX = 10_000_000_000_000
#: Largest balance, in fen: what a 64-bit integer holds.
BALANCE_FEN_MAX = 2**63 - 1


@dataclass(frozen=True)
class Posting:
    """One line of an entry."""

    account_id: str
    amount_fen: int


@dataclass(frozen=True)
class AccountFacts:
    """What deciding on an entry needs to know of an account it posts to."""

    account_id: str
    account_class: AccountClass
    balance_fen: int
    is_control: bool = False
    is_money: bool = False
    is_closed: bool = False
    member_id: str | None = None


@dataclass(frozen=True)
class Draft:
    """An entry as the treasurer proposes it."""

    posted_on: date
    currency: str
    postings: tuple[Posting, ...]
    member_payment: MemberPayment | None = None


def decide_entry(draft: Draft, accounts: Mapping[str, AccountFacts], today: date) -> int:
    """The entry's total in fen (the sum of its debits). Raises Invalid naming every fault; Art. 18 governs them."""
    faults = [*_faults_of_head(draft, today), *_faults_of_form(draft.postings)]
    faults += _faults_of_accounts(draft.postings, accounts)
    if not faults:
        faults += faults_of_member_payment(
            draft.member_payment, [(accounts[each.account_id], each.amount_fen) for each in draft.postings]
        )
    if faults:
        raise Invalid.of(faults, article=ARTICLE)
    return sum(each.amount_fen for each in draft.postings if each.amount_fen > 0)


def _faults_of_head(draft: Draft, today: date) -> list[Fault]:
    faults = []
    if draft.currency != CURRENCY:
        faults.append(Fault("entry.currency_unknown", "currency", {"currency": CURRENCY}))
    if draft.posted_on < EARLIEST:
        faults.append(Fault("entry.posted_on_too_early", "posted_on", {"earliest": EARLIEST.isoformat()}))
    if draft.posted_on > today:
        faults.append(Fault("entry.posted_on_in_future", "posted_on"))
    return faults


def _faults_of_form(postings: Sequence[Posting]) -> list[Fault]:
    if len(postings) < POSTINGS_MIN:
        return [Fault("entry.too_few_postings", "postings", {"minimum": POSTINGS_MIN})]
    if len(postings) > POSTINGS_MAX:
        return [Fault("entry.too_many_postings", "postings", {"maximum": POSTINGS_MAX})]
    faults = []
    seen: set[str] = set()
    for line, posting in enumerate(postings):
        amount = posting.amount_fen
        if type(amount) is not int:  # bool is an int to isinstance
            faults.append(Fault("entry.amount_not_whole", f"postings.{line}.amount_fen"))
        elif amount == 0 or abs(amount) > AMOUNT_FEN_MAX:
            faults.append(
                Fault("entry.amount_out_of_bounds", f"postings.{line}.amount_fen", {"maximum": AMOUNT_FEN_MAX})
            )
        if posting.account_id in seen:
            faults.append(Fault("entry.account_repeated", f"postings.{line}.account_id"))
        seen.add(posting.account_id)
    if not faults and (difference := sum(each.amount_fen for each in postings)):
        faults.append(Fault("entry.unbalanced", "postings", {"difference_fen": difference}))
    return faults


def _faults_of_accounts(postings: Sequence[Posting], accounts: Mapping[str, AccountFacts]) -> list[Fault]:
    faults = []
    for line, posting in enumerate(postings):
        account = accounts.get(posting.account_id)
        at = f"postings.{line}.account_id"
        if account is None:
            faults.append(Fault("entry.account_unknown", at))
        elif account.is_control:
            faults.append(Fault("entry.account_is_control", at))
        elif account.is_closed and account.member_id is None:
            faults.append(Fault("entry.account_closed", at))
        elif (
            account.is_closed
            and type(posting.amount_fen) is int
            and not settles(account.balance_fen, posting.amount_fen)
        ):
            faults.append(Fault("entry.member_has_left", at, {"balance_fen": account.balance_fen}))
        elif type(posting.amount_fen) is int and abs(account.balance_fen + posting.amount_fen) > BALANCE_FEN_MAX:
            faults.append(Fault("entry.balance_out_of_bounds", f"postings.{line}.amount_fen"))
    return faults  #: Nothing is booked before this day: an earlier date is a slip of the keyboard, not an old voucher.


EARLIEST = date(2000, 1, 1)
