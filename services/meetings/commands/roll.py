"""The electoral roll: which units may vote, and which hold a seat of the executive committee.

It follows what membership says; it admits and elects nobody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.commands import counting
from services.meetings.domain.ballots import COMMITTEE_OFFICES, EXECUTIVE_COMMITTEE, OPEN
from shared.errors import Unavailable
from shared.persistence.unit_of_work import UnitOfWork


def enter_unit(work: UnitOfWork, *, unit_id: str, number: str, unit_name: str, admitted_at: datetime) -> None:
    """Put a member unit on the roll. It votes in ballots opened from now on, in none that is open already."""
    row = {"unit_id": unit_id, "number": number, "unit_name": unit_name, "admitted_at": admitted_at, "left_at": None}
    work.insert_if_absent(tables.units, row)


def seat_unit(
    work: UnitOfWork,
    *,
    office_id: str,
    body: str,
    office: str,
    unit_id: str,
    term_from: datetime,
    term_to: datetime,
) -> None:
    """Note that a unit holds an office from `term_from` until before `term_to`.

    Unavailable `roll.unit_unknown` while the unit's admission has not arrived: the two are told in no fixed order.
    """
    _ensure_known(work, unit_id)
    row = {"office_id": office_id, "body": body, "office": office, "unit_id": unit_id}
    work.insert_if_absent(tables.offices, {**row, "term_from": term_from, "term_to": term_to})


def unseat_unit(work: UnitOfWork, *, office_id: str, vacated_at: datetime) -> None:
    """An office has ended before its term: for ballots opened from now on its seat is vacant.

    Unavailable `roll.office_unknown` while it has not arrived that it was filled.
    """
    this = tables.offices.c.office_id == office_id
    if work.first(sa.select(tables.offices.c.office_id).where(this)) is None:
        raise Unavailable("roll.office_unknown", office_id=office_id)
    work.execute(
        sa.update(tables.offices).where(this, tables.offices.c.term_to > vacated_at).values(term_to=vacated_at)
    )


def strike_unit(work: UnitOfWork, *, unit_id: str, left_at: datetime) -> None:
    """A unit has left (art. 7(3)): strike it from votes it has not cast; it stays in the base of those ballots.

    Where nobody else was waited for, the ballot closes. Unavailable `roll.unit_unknown` while its admission has not
    arrived: who is not on the roll yet would be put there afterwards.
    """
    _ensure_known(work, unit_id)
    left = sa.update(tables.units).where(tables.units.c.unit_id == unit_id, tables.units.c.left_at.is_(None))
    work.execute(left.values(left_at=left_at))
    mine = sa.select(tables.roll_entries.c.ballot_id).where(tables.roll_entries.c.unit_id == unit_id)
    waiting = sa.select(tables.ballots.c.ballot_id).where(
        tables.ballots.c.state == OPEN, tables.ballots.c.ballot_id.in_(mine)
    )
    # In the order of their ids, so that two units that leave at once lock the ballots in the same order.
    for row in work.all(waiting.order_by(tables.ballots.c.ballot_id)):
        counting.strike_from_ballot(work, row.ballot_id, unit_id)


def roll_of(body: str, now: datetime) -> sa.Select[Any]:
    """The units that may vote in a body now, each once (art. 7(1)), whatever number of its seats it holds (art. 9)."""
    members = sa.select(tables.units.c.unit_id).where(tables.units.c.left_at.is_(None))
    if body != EXECUTIVE_COMMITTEE:
        return members
    seated = sa.select(tables.offices.c.unit_id).where(
        tables.offices.c.body == body,
        tables.offices.c.office.in_(COMMITTEE_OFFICES),
        tables.offices.c.term_from <= now,
        tables.offices.c.term_to > now,
    )
    return members.where(tables.units.c.unit_id.in_(seated))


def _ensure_known(work: UnitOfWork, unit_id: str) -> None:
    known = work.scalar(sa.select(tables.units.c.unit_id).where(tables.units.c.unit_id == unit_id))
    if known is None:
        raise Unavailable("roll.unit_unknown", unit_id=unit_id)
