"""Accounts of people: opened, activated, closed. Signing in is in commands/sessions.py. Never sees a clear password."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.accounts import ACTIVE, INVITED, normalise_username
from shared.errors import Conflict
from shared.persistence.unit_of_work import UnitOfWork


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
    (`domain.secrets.digest` of a code) its person activates it. Conflict `account.username_taken`.
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
