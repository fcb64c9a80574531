"""Opening and closing accounts. Everything here may be repeated: a second time changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from services.finance import tables
from services.finance.domain import chart
from services.finance.domain.chart import CharterItem, NewAccount
from services.finance.events import ACCOUNT_CLOSED, ACCOUNT_OPENED
from shared.errors import Conflict, Unavailable
from shared.persistence.unit_of_work import UnitOfWork


def open_member_account(work: UnitOfWork, member_id: str, number: str, unit_name: str) -> bool:
    """Open the member's account with balance zero and say so. False: the member has one already."""
    _open_standard_accounts(work)
    new = chart.member_account(member_id, number, unit_name)
    account_id = _open(work, new)
    if account_id is None:
        _ensure_member_has_account(work, member_id, new.code)
        return False
    work.record(
        ACCOUNT_OPENED,
        subject=account_id,
        data={
            "account_id": account_id,
            "code": new.code,
            "member_id": member_id,
            "currency": chart.CURRENCY,
            "balance_fen": 0,
        },
        article=chart.ARTICLE,
    )
    return True


def close_member_account(work: UnitOfWork, member_id: str) -> bool:
    """The member has left: its account takes settlements only, and everybody is told what stands on it. False: closed already.

    Unavailable `account.member_unknown` while its admission has not arrived.
    """
    accounts = tables.accounts
    # Locked, as for a posting: the balance told is that of the instant in which it closes.
    account = work.lock(sa.select(accounts).where(accounts.c.member_id == member_id))
    if account is None:
        raise Unavailable("account.member_unknown", member_id=member_id)
    if account.closed_at is not None:
        return False
    work.execute(sa.update(accounts).where(accounts.c.account_id == account.account_id).values(closed_at=work.now))
    amount = sa.func.coalesce(sa.func.sum(tables.postings.c.amount_fen), 0)
    balance_fen = work.scalar(sa.select(amount).where(tables.postings.c.account_id == account.account_id))
    work.record(
        ACCOUNT_CLOSED,
        subject=account.account_id,
        data={
            "account_id": account.account_id,
            "code": account.code,
            "member_id": member_id,
            "currency": account.currency,
            "balance_fen": int(balance_fen),
        },
        article=chart.ARTICLE,
    )
    return True


def adopt_charter(
    work: UnitOfWork, version: int, sources: Sequence[CharterItem], purposes: Sequence[CharterItem]
) -> None:
    """Keep one account per funding source and purpose of the newest charter; those it no longer names are closed.

    An older version that arrives after a newer one changes nothing.
    """
    newest = work.scalar(sa.select(sa.func.max(tables.charters.c.version)))
    work.insert_if_absent(tables.charters, {"version": version, "received_at": work.now})
    if newest is not None and newest >= version:
        return
    _open_standard_accounts(work)
    wanted = chart.charter_accounts(sources, purposes)
    for new in wanted:
        _open(work, new)
    codes = [new.code for new in wanted]
    of_charter = tables.accounts.c.charter_code.is_not(None)
    work.execute(sa.update(tables.accounts).where(of_charter, tables.accounts.c.code.in_(codes)).values(closed_at=None))
    work.execute(
        sa.update(tables.accounts)
        .where(of_charter, tables.accounts.c.code.not_in(codes), tables.accounts.c.closed_at.is_(None))
        .values(closed_at=work.now)
    )


def _open_standard_accounts(work: UnitOfWork) -> None:
    # Members may be admitted before the charter's event arrives: their control account must not wait for it.
    known = work.scalar(
        sa.select(tables.accounts.c.account_id).where(tables.accounts.c.code == chart.STANDARD_ACCOUNTS[-1].code)
    )
    if known is None:
        for new in chart.STANDARD_ACCOUNTS:
            _open(work, new)


def _open(work: UnitOfWork, new: NewAccount) -> str | None:
    account_id = work.ids.new_id(new.code)
    inserted = work.insert_if_absent(
        tables.accounts,
        {
            "account_id": account_id,
            "chart": chart.CHART,
            "code": new.code,
            "account_class": new.account_class.value,
            "name": dict(new.name),
            "article": new.article,
            "control_code": new.control_code,
            "is_control": new.is_control,
            "is_money": new.is_money,
            "charter_code": new.charter_code,
            "member_id": new.member_id,
            "currency": chart.CURRENCY,
            "opened_at": work.now,
            "closed_at": None,
        },
    )
    return account_id if inserted else None


def _ensure_member_has_account(work: UnitOfWork, member_id: str, code: str) -> None:
    # "Not inserted" has two causes: this member was had before, or another member holds the code. Look.
    found = work.scalar(sa.select(tables.accounts.c.account_id).where(tables.accounts.c.member_id == member_id))
    if found is None:
        raise Conflict("account.code_taken", account_code=code)
