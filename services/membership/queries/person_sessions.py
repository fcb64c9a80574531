"""Sessions of people as they themselves see them. Never a digest, never another's."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.accounts import CLOSED
from shared.errors import Unauthenticated
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following, page


def ensure_not_ended(reading: Reading, account_id: str, session_id: str | None) -> None:
    """Refuse a token that outlives its account or its session. Unauthenticated `session.ended`."""
    accounts = tables.accounts
    state = reading.scalar(sa.select(accounts.c.state).where(accounts.c.account_id == account_id))
    if state == CLOSED:
        raise Unauthenticated("session.ended")
    if session_id is None:
        return
    mine = sa.and_(tables.person_sessions.c.session_id == session_id, _lasts(reading))
    if reading.first(sa.select(tables.person_sessions.c.session_id).where(mine)) is None:
        raise Unauthenticated("session.ended")


def list_sessions(
    reading: Reading, account_id: str, *, current: str | None, cursor: Position | None, limit: int
) -> dict[str, Any]:
    """A page of the person's sessions that have not ended, the newest first."""
    table = tables.person_sessions
    shown = (table.c.session_id, table.c.client_id, table.c.started_at, table.c.used_at, table.c.expires_at)
    statement = sa.select(*shown).where(table.c.account_id == account_id, _lasts(reading))
    rows = reading.all(following(statement, table.c.session_id, cursor=cursor, limit=limit, descending=True))
    found = page(rows, limit, key=lambda row: (row.session_id,))
    return {**found, "items": [{**each, "current": each["session_id"] == current} for each in found["items"]]}


def _lasts(reading: Reading) -> sa.ColumnElement[bool]:
    table = tables.person_sessions
    return sa.and_(table.c.ended_at.is_(None), table.c.expires_at > reading.now)
