"""Who may vote in a body at present. Must not tell who has voted in what."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.domain.ballots import BODIES, COMMITTEE_OFFICES, EXECUTIVE_COMMITTEE
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following, page


def list_roll(reading: Reading, body: str, *, cursor: Position | None, limit: int) -> dict[str, Any]:
    """A page of the units that would be on the roll of a ballot opened now, by number. NotFound `roll.unknown_body`."""
    if body not in BODIES:
        raise NotFound("roll.unknown_body")
    units = tables.units
    seats = _seats(reading)
    statement = sa.select(units.c.unit_id, units.c.number, units.c.unit_name).where(units.c.left_at.is_(None))
    if body == EXECUTIVE_COMMITTEE:
        statement = statement.where(units.c.unit_id.in_(seats))
    rows = reading.all(following(statement, units.c.number, units.c.unit_id, cursor=cursor, limit=limit))
    views = [{**row._mapping, "offices": seats.get(row.unit_id, [])} for row in rows]  # noqa: SLF001 - documented
    return page(views, limit, key=lambda view: (view["number"], view["unit_id"]))


def _seats(reading: Reading) -> dict[str, list[str]]:
    """The committee's offices by the unit that holds them now; the charter gives it a handful (art. 9)."""
    offices = tables.offices
    rows = reading.all(
        sa.select(offices.c.unit_id, offices.c.office)
        .where(
            offices.c.body == EXECUTIVE_COMMITTEE,
            offices.c.office.in_(COMMITTEE_OFFICES),
            offices.c.term_from <= reading.now,
            offices.c.term_to > reading.now,
        )
        .order_by(offices.c.office)
    )
    seats: dict[str, list[str]] = {}
    for row in rows:
        seats.setdefault(row.unit_id, []).append(row.office)
    return seats
