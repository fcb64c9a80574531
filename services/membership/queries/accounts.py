"""Accounts and platforms as they are read: never a hash, never a digest."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.accounts import ACTIVE
from services.membership.domain.demo_sign_ins import DemoAccount
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following, page

#: Rows looked at where a demo's sign-ins are chosen: a demo has some dozens.
DEMO_ROWS_MAX = 500

_SHOWN = ("account_id", "username", "person_name", "state", "staff_roles", "member_id", "opened_at", "signed_in_at")


def list_accounts(reading: Reading, *, cursor: Position | None, limit: int) -> dict[str, Any]:
    """A page of accounts by name."""
    table = tables.accounts
    statement = sa.select(*(table.c[name] for name in _SHOWN))
    rows = reading.all(following(statement, table.c.username, cursor=cursor, limit=limit))
    return page(rows, limit, key=lambda row: (row.username,))


def get_account(reading: Reading, account_id: str) -> dict[str, Any]:
    """One account, with the unit it represents."""
    accounts, members = tables.accounts, tables.members
    statement = (
        sa.select(*(accounts.c[name] for name in _SHOWN), members.c.unit_name, members.c.number)
        .select_from(sa.outerjoin(accounts, members))
        .where(accounts.c.account_id == account_id)
    )
    row = reading.first(statement)
    if row is None:
        raise NotFound("account.not_found")
    return dict(row._mapping)  # noqa: SLF001 - its documented interface


def list_demo_accounts(reading: Reading) -> list[DemoAccount]:
    """The active accounts of a demo, by name, with their units and the offices these hold now."""
    accounts, members, offices = tables.accounts, tables.members, tables.offices
    held = sa.select(offices.c.member_id, offices.c.office).where(
        offices.c.term_from <= reading.now, offices.c.term_to > reading.now
    )
    offices_of: dict[str, list[str]] = {}
    for row in reading.all(held.order_by(offices.c.office_id).limit(DEMO_ROWS_MAX)):
        offices_of.setdefault(row.member_id, []).append(row.office)
    shown = (accounts.c.username, accounts.c.person_name, accounts.c.staff_roles, accounts.c.member_id)
    statement = (
        sa.select(*shown, members.c.unit_name)
        .select_from(sa.outerjoin(accounts, members))
        .where(accounts.c.state == ACTIVE)
        .order_by(accounts.c.username)
        .limit(DEMO_ROWS_MAX)
    )
    return [
        DemoAccount(
            username=row.username,
            person_name=row.person_name,
            unit_name=row.unit_name,
            staff_roles=tuple(row.staff_roles),
            offices=tuple(offices_of.get(row.member_id, ())),
        )
        for row in reading.all(statement)
    ]


def list_clients(reading: Reading, *, cursor: Position | None, limit: int) -> dict[str, Any]:
    """A page of platforms, oldest first, closed ones included."""
    table = tables.clients
    shown = (table.c.client_id, table.c.name, table.c.scopes, table.c.registered_at, table.c.closed_at)
    rows = reading.all(following(sa.select(*shown), table.c.client_id, cursor=cursor, limit=limit))
    return page(rows, limit, key=lambda row: (row.client_id,))


def get_client(reading: Reading, client_id: str) -> dict[str, Any]:
    """One platform."""
    table = tables.clients
    row = reading.first(
        sa.select(table.c.client_id, table.c.name, table.c.scopes).where(table.c.client_id == client_id)
    )
    if row is None:
        raise NotFound("client.not_found")
    return dict(row._mapping)  # noqa: SLF001 - its documented interface
