"""Accounts of people: opened, activated, closed. Signing in is in commands/sessions.py. Never sees a clear password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.person_sessions import end_sessions_of
from services.membership.domain.accounts import ACTIVE, CLOSED, INVITED, OPERATOR, normalise_username
from services.membership.domain.credentials import matches
from services.membership.domain.person_sessions import ACCOUNT_CLOSED
from shared.errors import Conflict, NotFound, Unauthenticated
from shared.persistence.unit_of_work import Reading, UnitOfWork


def open_account(
    work: UnitOfWork,
    *,
    username: str,
    roles: Sequence[str],
    member_id: str | None,
    person_name: str,
    invitation_digest: str | None = None,
    password_hash: str | None = None,
    correlation_id: str | None = None,
) -> str:
    """Open a person's account and record `account.opened` (art. 7(1)); gives its id.

    `roles` are the staff roles only (secretariat, treasurer, operator, authority); "representative" and
    "committee" follow from `member_id` and the offices its unit holds. With a `password_hash`
    (`commands.passwords.hash_password`) the account is active at once; with an `invitation_digest`
    (`domain.credentials.digest` of a code) its person activates it. Conflict `account.username_taken`.
    """
    name = normalise_username(username)
    taken = sa.select(tables.accounts.c.account_id).where(tables.accounts.c.username == name)
    if work.first(taken) is not None:
        raise Conflict("account.username_taken", field="username", username=name)
    account_id = work.ids.new_id()
    work.execute(
        sa.insert(tables.accounts).values(
            account_id=account_id,
            username=name,
            person_name=person_name,
            state=ACTIVE if password_hash else INVITED,
            staff_roles=sorted(set(roles)),
            member_id=member_id,
            invitation_digest=invitation_digest,
            password_hash=password_hash,
            opened_at=work.now,
            activated_at=work.now if password_hash else None,
        )
    )
    derived = ["representative"] if member_id else []
    data: dict[str, object] = {"account_id": account_id, "roles": sorted({*roles, *derived})}
    if member_id is not None:
        data["member_id"] = member_id
    work.record(
        "membership.account.opened", subject=account_id, data=data, correlation_id=correlation_id, article="7(1)"
    )
    return account_id


def ensure_invited(reading: Reading, *, username: str, invitation_code: str) -> None:
    """Refuse a wrong name or code before any hashing is paid for. Unauthenticated `account.invitation_refused`, one
    answer for both; Conflict `account.already_active`.
    """
    _ensure_invited(reading.first(_account_named(username)), invitation_code)


def activate_account(work: UnitOfWork, *, username: str, invitation_code: str, password_hash: str) -> dict[str, str]:
    """Give the invited person their password. Refuses as `ensure_invited` does."""
    account = work.lock(_account_named(username))
    account_id = _ensure_invited(account, invitation_code)
    work.execute(
        sa.update(tables.accounts)
        .where(tables.accounts.c.account_id == account_id)
        .values(state=ACTIVE, password_hash=password_hash, activated_at=work.now)
    )
    return {"account_id": account_id, "username": username, "state": ACTIVE}


def close_account(work: UnitOfWork, account_id: str) -> None:
    """No more signing in; sessions end, and tokens already given run out within minutes. Records `account.closed`; the
    charter has no article on it. Closing twice changes nothing.
    """
    mine = tables.accounts.c.account_id == account_id
    # Taken first: two operators who close each other at once would else both see the other still there.
    work.lock(sa.select(tables.alliance.c.alliance_id))
    row = work.lock(sa.select(tables.accounts.c.state, tables.accounts.c.staff_roles).where(mine))
    if row is None:
        raise NotFound("account.not_found")
    if row.state == CLOSED:
        return
    if OPERATOR in row.staff_roles and not _has_other_operator(work, account_id):
        raise Conflict("account.last_operator")
    _close(work, account_id)


def close_accounts_of(work: UnitOfWork, member_id: str, *, correlation_id: str) -> None:
    """Close the accounts of a unit's people, invited ones too. Staff represent no unit, so none is the last operator."""
    accounts = tables.accounts
    theirs = sa.select(accounts.c.account_id).where(accounts.c.member_id == member_id, accounts.c.state != CLOSED)
    for row in work.all(theirs.order_by(accounts.c.account_id).with_for_update()):
        _close(work, row.account_id, correlation_id)


def _close(work: UnitOfWork, account_id: str, correlation_id: str | None = None) -> None:
    mine = tables.accounts.c.account_id == account_id
    work.execute(
        sa.update(tables.accounts).where(mine).values(state=CLOSED, password_hash=None, invitation_digest=None)
    )
    end_sessions_of(work, account_id, reason=ACCOUNT_CLOSED)
    work.record(
        "membership.account.closed",
        subject=account_id,
        data={"account_id": account_id},
        correlation_id=correlation_id,
    )


def _has_other_operator(work: UnitOfWork, account_id: str) -> bool:
    accounts = tables.accounts
    others = sa.select(accounts.c.staff_roles).where(accounts.c.state == ACTIVE, accounts.c.account_id != account_id)
    return any(OPERATOR in row.staff_roles for row in work.all(others))


def _account_named(username: str) -> sa.Select[Any]:
    return sa.select(tables.accounts).where(tables.accounts.c.username == username)


def _ensure_invited(account: sa.Row[Any] | None, invitation_code: str) -> str:
    fits = matches(account.invitation_digest if account is not None else None, invitation_code)
    if account is None or not fits:
        raise Unauthenticated("account.invitation_refused")
    if account.state != INVITED:
        raise Conflict("account.already_active")
    return str(account.account_id)
