"""Ballots as people may see them: while one is open, only how many have voted; the counts after it has closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.domain.ballots import CLOSED, OPEN
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following, page


def list_ballots(
    reading: Reading,
    *,
    cursor: Position | None,
    limit: int,
    body: str | None = None,
    state: str | None = None,
    application_id: str | None = None,
    unit_id: str | None = None,
) -> dict[str, Any]:
    """A page of ballots, newest first; `you` tells what `unit_id` may do in each."""
    ballots = tables.ballots
    wanted = {"body": body, "state": state, "application_id": application_id}
    conditions = [ballots.c[name] == value for name, value in wanted.items() if value is not None]
    statement = sa.select(ballots).where(*conditions)
    columns = (ballots.c.opened_at, ballots.c.ballot_id)
    rows = reading.all(following(statement, *columns, cursor=cursor, limit=limit, descending=True))
    places = _places(reading, [row.ballot_id for row in rows], unit_id)
    views = [_view(reading, row, places, unit_id) for row in rows]
    return page(views, limit, key=lambda view: (view["opened_at"], view["ballot_id"]))


def get_ballot(reading: Reading, ballot_id: str, *, unit_id: str | None = None) -> dict[str, Any]:
    """One ballot. NotFound `ballot.not_found`."""
    row = reading.first(sa.select(tables.ballots).where(tables.ballots.c.ballot_id == ballot_id))
    if row is None:
        raise NotFound("ballot.not_found")
    return _view(reading, row, _places(reading, [ballot_id], unit_id), unit_id)


def _view(reading: Reading, row: sa.Row[Any], places: Mapping[str, sa.Row[Any]], unit_id: str | None) -> dict[str, Any]:
    view: dict[str, Any] = {
        name: row._mapping[name]  # noqa: SLF001 - its documented interface
        for name in (
            "ballot_id", "body", "state", "opened_at", "closes_at", "ended_at", "ended_because",
            "roll_size", "struck", "votes_cast", "rule", "correlation_id",
        )
    }  # fmt: skip
    view["matter"] = {"kind": "admission", "application_id": row.application_id, "title": row.title}
    view["result"] = row.result if row.state == CLOSED else None
    view["you"] = None if unit_id is None else _your_place(reading, row, places.get(row.ballot_id))
    return view


def _your_place(reading: Reading, row: sa.Row[Any], place: sa.Row[Any] | None) -> dict[str, bool]:
    has_voted = place is not None and bool(place.has_voted)
    takes_votes = row.state == OPEN and reading.now < row.closes_at
    may_vote = place is not None and not place.struck and not has_voted and takes_votes
    return {"on_roll": place is not None, "has_voted": has_voted, "may_vote": may_vote}


def _places(reading: Reading, ballot_ids: Sequence[str], unit_id: str | None) -> dict[str, sa.Row[Any]]:
    """The unit's entries on the rolls of these ballots."""
    if unit_id is None:
        return {}
    entry, part = tables.roll_entries, tables.participations
    took_part = sa.and_(part.c.ballot_id == entry.c.ballot_id, part.c.unit_id == entry.c.unit_id)
    rows = reading.all(
        sa.select(entry.c.ballot_id, entry.c.struck, part.c.unit_id.is_not(None).label("has_voted"))
        .select_from(entry.outerjoin(part, took_part))
        .where(entry.c.unit_id == unit_id, entry.c.ballot_id.in_(ballot_ids))
    )
    return {row.ballot_id: row for row in rows}
