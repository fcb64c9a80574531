"""Platforms: registered, closed. Their tokens are made in commands/sessions.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.clients import ensure_may_grant, ensure_scopes_known
from services.membership.domain.credentials import digest
from shared.errors import NotFound
from shared.persistence.unit_of_work import UnitOfWork


def register_client(
    work: UnitOfWork, *, name: str, scopes: Sequence[str], registered_by: str, roles: Collection[str]
) -> dict[str, Any]:
    """Register a platform; the answer is the only place where its secret can be read.

    `roles` are those of whoever registers it: nobody gives away what only an operator has.
    """
    granted = ensure_scopes_known(scopes)
    ensure_may_grant(granted, roles)
    client_id, secret = work.ids.new_id(), work.ids.secret()
    work.execute(
        sa.insert(tables.clients).values(
            client_id=client_id,
            name=name,
            secret_digest=digest(secret),
            scopes=list(granted),
            registered_by=registered_by,
            registered_at=work.now,
        )
    )
    return {"client_id": client_id, "client_secret": secret, "name": name, "scopes": granted}


def close_client(work: UnitOfWork, client_id: str) -> None:
    """No more tokens for it; those already given run out within minutes. Records `client.closed`. Closing twice changes
    nothing.
    """
    mine = tables.clients.c.client_id == client_id
    row = work.lock(sa.select(tables.clients.c.closed_at).where(mine))
    if row is None:
        raise NotFound("client.not_found")
    if row.closed_at is None:
        work.execute(sa.update(tables.clients).where(mine).values(closed_at=work.now))
        work.record("membership.client.closed", subject=client_id, data={"client_id": client_id})
