"""Accounts with their balances, one account's statement, and the trial balance. Balances are sums of postings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.finance import tables
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following

accounts, entries, postings = tables.accounts, tables.entries, tables.postings


def list_accounts(
    reading: Reading, *, limit: int, position: Position | None = None, account_class: str | None = None
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 accounts in the order of their codes."""
    statement = _with_balance()
    if account_class is not None:
        statement = statement.where(accounts.c.account_class == account_class)
    return [_account(row) for row in reading.all(following(statement, accounts.c.code, cursor=position, limit=limit))]


def get_account(reading: Reading, account_id: str) -> dict[str, Any]:
    """One account. Raises NotFound."""
    return _get(reading, accounts.c.account_id == account_id)


def get_member_account(reading: Reading, member_id: str) -> dict[str, Any]:
    """A member's account. Raises NotFound, also while the admission is still on its way here."""
    return _get(reading, accounts.c.member_id == member_id)


def statement_of_account(
    reading: Reading, account_id: str, *, limit: int, position: Position | None = None
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 postings, oldest first, each with the balance it left (`balance_fen`)."""
    of_account = sa.join(postings, entries, postings.c.entry_id == entries.c.entry_id)
    wanted = sa.select(
        entries.c.entry_id,
        entries.c.number,
        entries.c.posted_on,
        entries.c.posted_at,
        entries.c.description,
        entries.c.voucher,
        postings.c.amount_fen,
    )
    wanted = wanted.select_from(of_account).where(postings.c.account_id == account_id)
    rows = reading.all(following(wanted, entries.c.number, cursor=position, limit=limit))
    balance_fen = _balance_at(reading, account_id, position) if position else 0
    lines = []
    for row in rows:
        balance_fen += row.amount_fen
        lines.append({**row._mapping, "balance_fen": balance_fen})  # noqa: SLF001 - its documented interface
    return lines


def trial_balance(reading: Reading) -> dict[str, Any]:
    """Debits, credits and balance of every account that has postings. The two totals are equal, or a bug is loose."""
    amount = postings.c.amount_fen
    rows = reading.all(
        sa.select(
            accounts.c.account_id,
            accounts.c.code,
            accounts.c.account_class,
            accounts.c.name,
            sa.func.sum(sa.case((amount > 0, amount), else_=0)).label("debit_fen"),
            sa.func.sum(sa.case((amount < 0, -amount), else_=0)).label("credit_fen"),
        )
        .select_from(sa.join(accounts, postings, accounts.c.account_id == postings.c.account_id))
        .group_by(accounts.c.account_id, accounts.c.code, accounts.c.account_class, accounts.c.name)
        .order_by(accounts.c.code)
    )
    lines = []
    for row in rows:
        debit_fen, credit_fen = int(row.debit_fen), int(row.credit_fen)
        lines.append(
            {
                "account_id": row.account_id,
                "code": row.code,
                "account_class": row.account_class,
                "name": row.name,
                "debit_fen": debit_fen,
                "credit_fen": credit_fen,
                "balance_fen": debit_fen - credit_fen,
            }
        )
    debit_fen, credit_fen = (sum(line[side] for line in lines) for side in ("debit_fen", "credit_fen"))
    assert debit_fen == credit_fen, "the ledger does not balance"
    return {"currency": "CNY", "as_of": reading.now, "lines": lines, "debit_fen": debit_fen, "credit_fen": credit_fen}


def _balance_at(reading: Reading, account_id: str, position: Position) -> int:
    """The balance after the posting at `position`, which is included."""
    seen = (
        sa.select(sa.func.coalesce(sa.func.sum(postings.c.amount_fen), 0))
        .select_from(sa.join(postings, entries, postings.c.entry_id == entries.c.entry_id))
        .where(postings.c.account_id == account_id, entries.c.number <= position[0])
    )
    return int(reading.scalar(seen))


def _with_balance() -> sa.Select[Any]:
    balance = (
        sa.select(sa.func.coalesce(sa.func.sum(postings.c.amount_fen), 0))
        .where(postings.c.account_id == accounts.c.account_id)
        .scalar_subquery()
    )
    return sa.select(accounts, balance.label("balance_fen"))


def _get(reading: Reading, which: sa.ColumnElement[bool]) -> dict[str, Any]:
    row = reading.first(_with_balance().where(which))
    if row is None:
        raise NotFound("account.not_found")
    return _account(row)


def _account(row: sa.Row[Any]) -> dict[str, Any]:
    return {**row._mapping, "balance_fen": int(row.balance_fen)}  # noqa: SLF001 - its documented interface
