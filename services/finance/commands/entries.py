"""Posting entries: the one path by which money moves in the ledger. Entries are never changed; a mistake is countered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from services.finance import tables
from services.finance.domain import chart
from services.finance.domain.chart import AccountClass
from services.finance.domain.entries import AccountFacts, Draft, Posting, decide_entry
from services.finance.domain.member_payments import MemberPayment, PaymentKind
from services.finance.events import ENTRY_POSTED
from shared.persistence.database import count_up
from shared.persistence.unit_of_work import UnitOfWork

#: The treasurer's calendar decides what "today" is, not UTC's.
TREASURERS_ZONE = ZoneInfo("Asia/Shanghai")
ENTRIES_COUNTER = "entries"


def post_entry(
    work: UnitOfWork,
    *,
    posted_by: str,
    posted_on: date,
    currency: str,
    description: str,
    postings: Sequence[dict[str, Any]],
    voucher: str | None = None,
    member_payment: dict[str, str] | None = None,
) -> str:
    """Post a balanced entry and return its id. `postings`: account_id and amount_fen, debits positive."""
    payment = member_payment and MemberPayment(PaymentKind(member_payment["kind"]), member_payment["voucher"])
    lines = tuple(Posting(each["account_id"], each["amount_fen"]) for each in postings)
    draft = Draft(posted_on=posted_on, currency=currency, postings=lines, member_payment=payment or None)
    today = work.now.astimezone(TREASURERS_ZONE).date()
    total_fen = decide_entry(draft, _lock_accounts(work, {each.account_id for each in lines}), today)
    entry_id = work.ids.new_id()
    # Postings first: the entry, written last, seals them (see tables.py).
    work.execute(
        sa.insert(tables.postings),
        [
            {"entry_id": entry_id, "line": line, "account_id": each.account_id, "amount_fen": each.amount_fen}
            for line, each in enumerate(lines, start=1)
        ],
    )
    work.execute(
        sa.insert(tables.entries).values(
            entry_id=entry_id,
            number=count_up(work.connection, tables.counters, {"name": ENTRIES_COUNTER}, "value"),
            posted_on=posted_on,
            description=description,
            voucher=voucher,
            payment_kind=payment.kind.value if payment else None,
            payment_voucher=payment.voucher if payment else None,
            currency=currency,
            total_fen=total_fen,
            posting_count=len(lines),
            posted_by=posted_by,
            posted_at=work.now,
        )
    )
    work.record(
        ENTRY_POSTED,
        subject=entry_id,
        data={
            "entry_id": entry_id,
            "total_fen": total_fen,
            "currency": currency,
            "posted_on": posted_on.isoformat(),
        },
        article=chart.ARTICLE,
    )
    return entry_id


def _lock_accounts(work: UnitOfWork, account_ids: set[str]) -> dict[str, AccountFacts]:
    # Locked in the order of their ids, so that two entries on the same accounts wait instead of deadlocking, and so
    # that the balance a payment rests on cannot change before the entry is in.
    rows = work.all(
        sa.select(tables.accounts)
        .where(tables.accounts.c.account_id.in_(account_ids))
        .order_by(tables.accounts.c.account_id)
        .with_for_update()
    )
    sums = work.all(
        sa.select(tables.postings.c.account_id, sa.func.sum(tables.postings.c.amount_fen).label("balance_fen"))
        .where(tables.postings.c.account_id.in_(account_ids))
        .group_by(tables.postings.c.account_id)
    )
    balances = {row.account_id: int(row.balance_fen) for row in sums}
    return {
        row.account_id: AccountFacts(
            account_id=row.account_id,
            account_class=AccountClass(row.account_class),
            balance_fen=balances.get(row.account_id, 0),
            is_control=row.is_control,
            is_money=row.is_money,
            is_closed=row.closed_at is not None,
            member_id=row.member_id,
        )
        for row in rows
    }
