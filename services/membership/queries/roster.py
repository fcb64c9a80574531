"""The roster, the offices and the alliance as they are read. Personal contact data is not in these tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.leaving import ALL, PRESENT
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following, page

#: Offices shown at most: seven seats and a secretariat, for some terms back.
OFFICES_MAX = 200


def list_members(
    reading: Reading,
    *,
    cursor: Position | None,
    limit: int,
    q: str | None = None,
    kind: str | None = None,
    county: str | None = None,
    status: str = PRESENT,
) -> dict[str, Any]:
    """A page of the roster by number; `q` looks in name and number, whatever the case."""
    table = tables.members
    statement = sa.select(table)
    if status != ALL:
        statement = statement.where(table.c.left_at.is_(None) if status == PRESENT else table.c.left_at.is_not(None))
    if q:
        statement = statement.where(
            table.c.unit_name.icontains(q, autoescape=True) | table.c.number.icontains(q, autoescape=True)
        )
    if kind:
        statement = statement.where(table.c.kind == kind)
    if county:
        statement = statement.where(table.c.county == county)
    # By length first: the ten-thousandth number is one digit longer and comes last, not second.
    length = sa.func.length(table.c.number, type_=sa.Integer())
    rows = reading.all(following(statement, length, table.c.number, cursor=cursor, limit=limit))
    return page(rows, limit, key=lambda row: (len(row.number), row.number))


def get_member(reading: Reading, member_id: str, *, in_confidence: bool = False) -> dict[str, Any]:
    """One unit with the offices it holds or held, and how it leaves or left; why and by whose word, in confidence."""
    table = tables.members
    row = reading.first(sa.select(table).where(table.c.member_id == member_id))
    if row is None:
        raise NotFound("member.not_found")
    return {
        **row._mapping,  # noqa: SLF001 - its documented interface
        "offices": list_offices(reading, member_id=member_id),
        "leaving": _find_leaving(reading, member_id, in_confidence=in_confidence),
    }


def _find_leaving(reading: Reading, member_id: str, *, in_confidence: bool) -> dict[str, Any] | None:
    """What counts of what was announced: not what was changed or taken back."""
    table, accounts = tables.leavings, tables.accounts
    counting = sa.and_(table.c.member_id == member_id, table.c.retracted_at.is_(None))
    by = sa.outerjoin(table, accounts, accounts.c.account_id == table.c.announced_by_account)
    row = reading.first(sa.select(table, accounts.c.person_name).select_from(by).where(counting))
    if row is None:
        return None
    hidden = {} if in_confidence else {"reason": None, "person_name": None}
    return {**row._mapping, **hidden}  # noqa: SLF001 - its documented interface


def list_offices(reading: Reading, *, member_id: str | None = None) -> list[dict[str, Any]]:
    """Offices with their holders, the latest terms first."""
    table = tables.offices
    statement = sa.select(table, tables.members.c.unit_name, tables.members.c.number).join(tables.members)
    if member_id is not None:
        statement = statement.where(table.c.member_id == member_id)
    order = (table.c.term_from.desc(), table.c.body, table.c.office, table.c.office_id)
    return [dict(row._mapping) for row in reading.all(statement.order_by(*order).limit(OFFICES_MAX))]  # noqa: SLF001 - its documented interface


def get_alliance(reading: Reading) -> dict[str, Any]:
    """The alliance and how many units belong to it now."""
    row = reading.first(sa.select(tables.alliance))
    if row is None:
        raise NotFound("alliance.not_founded", article="1")
    present = tables.members.c.left_at.is_(None)
    members = reading.scalar(sa.select(sa.func.count()).select_from(tables.members).where(present))
    return {"alliance_id": row.alliance_id, "name": row.name, "founded_at": row.founded_at, "members": members}
