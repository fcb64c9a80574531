"""The roster, the offices and the alliance as they are read. Personal contact data is not in these tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
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
) -> dict[str, Any]:
    """A page of the roster by number; `q` looks in name and number, whatever the case."""
    table = tables.members
    statement = sa.select(table)
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


def get_member(reading: Reading, member_id: str) -> dict[str, Any]:
    """One unit with the offices it holds or held."""
    table = tables.members
    row = reading.first(sa.select(table).where(table.c.member_id == member_id))
    if row is None:
        raise NotFound("member.not_found")
    return {**row._mapping, "offices": list_offices(reading, member_id=member_id)}  # noqa: SLF001 - its documented interface


def list_offices(reading: Reading, *, member_id: str | None = None) -> list[dict[str, Any]]:
    """Offices with their holders, the latest terms first."""
    table = tables.offices
    statement = sa.select(table, tables.members.c.unit_name, tables.members.c.number).join(tables.members)
    if member_id is not None:
        statement = statement.where(table.c.member_id == member_id)
    order = (table.c.term_from.desc(), table.c.body, table.c.office, table.c.office_id)
    return [dict(row._mapping) for row in reading.all(statement.order_by(*order).limit(OFFICES_MAX))]  # noqa: SLF001 - its documented interface


def get_alliance(reading: Reading) -> dict[str, Any]:
    """The alliance and the size of its roster."""
    row = reading.first(sa.select(tables.alliance))
    if row is None:
        raise NotFound("alliance.not_founded", article="1")
    members = reading.scalar(sa.select(sa.func.count()).select_from(tables.members))
    return {"alliance_id": row.alliance_id, "name": row.name, "founded_at": row.founded_at, "members": members}
