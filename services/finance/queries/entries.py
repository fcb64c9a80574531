"""Entries with their postings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.finance import tables
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following

entries, postings, accounts = tables.entries, tables.postings, tables.accounts


def list_entries(
    reading: Reading, *, limit: int, position: Position | None = None, account_id: str | None = None
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 entries, newest first; of one account where `account_id` is given."""
    statement = sa.select(entries)
    if account_id is not None:
        of_account = sa.select(postings.c.entry_id).where(postings.c.account_id == account_id)
        statement = statement.where(entries.c.entry_id.in_(of_account))
    newest_first = following(statement, entries.c.number, cursor=position, limit=limit, descending=True)
    return _with_postings(reading, reading.all(newest_first))


def get_entry(reading: Reading, entry_id: str) -> dict[str, Any]:
    """One entry. Raises NotFound."""
    row = reading.first(sa.select(entries).where(entries.c.entry_id == entry_id))
    if row is None:
        raise NotFound("entry.not_found")
    return _with_postings(reading, [row])[0]


def _with_postings(reading: Reading, rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
    lines = reading.all(
        sa.select(postings, accounts.c.code)
        .select_from(sa.join(postings, accounts, postings.c.account_id == accounts.c.account_id))
        .where(postings.c.entry_id.in_([row.entry_id for row in rows]))
        .order_by(postings.c.entry_id, postings.c.line)
    )
    by_entry: dict[str, list[dict[str, Any]]] = {row.entry_id: [] for row in rows}
    for line in lines:
        by_entry[line.entry_id].append(
            {"account_id": line.account_id, "code": line.code, "amount_fen": line.amount_fen}
        )
    return [_entry(row, by_entry[row.entry_id]) for row in rows]


def _entry(row: sa.Row[Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    payment = {"kind": row.payment_kind, "voucher": row.payment_voucher} if row.payment_kind else None
    return {**row._mapping, "member_payment": payment, "postings": lines}  # noqa: SLF001 - its documented interface
