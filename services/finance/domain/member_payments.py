"""Money that goes to a member: never a distribution (Art. 18), so only what the alliance owes, and for a stated reason.

Allowed are the reimbursement of outlays with vouchers, a contracted service at a stated price, and the refund of an
overpayment. In each case the member's account shows the debt before it is paid; nobody is credited out of net assets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.finance.domain.chart import AccountClass
from shared.errors import Fault


class PaymentKind(StrEnum):
    """The payments to a member that are no distribution."""

    REIMBURSEMENT = "reimbursement"
    CONTRACTED_SERVICE = "contracted_service"
    REFUND = "refund"


@dataclass(frozen=True)
class MemberPayment:
    """Why money goes to a member: the kind, and the voucher, contract or receipt that proves it."""

    kind: PaymentKind
    voucher: str


class PostedAccount(Protocol):
    """What these rules look at in an account."""

    @property
    def account_class(self) -> AccountClass: ...

    @property
    def balance_fen(self) -> int: ...

    @property
    def is_money(self) -> bool: ...

    @property
    def member_id(self) -> str | None: ...


def settles(balance_fen: int, amount_fen: int) -> bool:
    """Whether a posting brings the balance of a member that has left nearer to zero, and not past it (Art. 18).

    Past zero, or away from it, would be new business with who is no member, or money given to it.
    """
    return amount_fen * balance_fen < 0 and abs(amount_fen) <= abs(balance_fen)


def faults_of_member_payment(payment: MemberPayment | None, lines: Sequence[tuple[PostedAccount, int]]) -> list[Fault]:
    """Why the lines (account, amount in fen) must not be posted; empty when they may."""
    faults = []
    leaves_the_purse = any(account.is_money and amount < 0 for account, amount in lines)
    out_of_net_assets = any(
        account.account_class is AccountClass.NET_ASSETS and amount > 0 for account, amount in lines
    )
    for line, (account, amount) in enumerate(lines):
        if account.member_id is None:
            continue
        at = f"postings.{line}.amount_fen"
        if out_of_net_assets and amount < 0:
            faults.append(Fault("entry.distribution_to_member", at))
        if leaves_the_purse and amount > 0:
            if payment is None:
                faults.append(Fault("entry.member_payment_unexplained", "member_payment"))
            if account.balance_fen + amount > 0:
                owed_fen = max(-account.balance_fen, 0)
                faults.append(Fault("entry.member_payment_beyond_debt", at, {"owed_fen": owed_fen}))
    return faults
