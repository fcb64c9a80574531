"""Offices: which unit holds which seat, from when to when, and that one is vacant. Must not elect anybody."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from services.membership import tables
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import rfc3339


def fill_office(
    work: UnitOfWork,
    *,
    body: str,
    office: str,
    member_id: str,
    term_from: datetime,
    term_to: datetime,
    person_name: str | None = None,
    correlation_id: str | None = None,
) -> str:
    """Seat a unit and record `office.filled` (art. 9); gives the office's id.

    `body` is executive_committee or secretariat, `office` director, vice_director, committee_member or
    secretary_general. The term includes its start and excludes its end.
    """
    office_id = work.ids.new_id()
    work.execute(
        sa.insert(tables.offices).values(
            office_id=office_id,
            body=body,
            office=office,
            member_id=member_id,
            person_name=person_name,
            term_from=term_from,
            term_to=term_to,
        )
    )
    work.record(
        "membership.office.filled",
        subject=office_id,
        data={
            "office_id": office_id,
            "body": body,
            "office": office,
            "member_id": member_id,
            "term_from": rfc3339(term_from),
            "term_to": rfc3339(term_to),
        },
        correlation_id=correlation_id,
    )
    return office_id


def vacate_offices_of(work: UnitOfWork, member_id: str, *, at: datetime, correlation_id: str) -> None:
    """End the terms of a unit that leaves and record `office.vacated` for each (art. 9).

    A term that would have begun later ends as it begins; one that had ended before stays as it was.
    """
    table = tables.offices
    held = sa.select(table).where(table.c.member_id == member_id, table.c.term_to > at)
    for office in work.all(held.order_by(table.c.office_id)):
        vacated_at = max(at, office.term_from)
        work.execute(sa.update(table).where(table.c.office_id == office.office_id).values(term_to=vacated_at))
        work.record(
            "membership.office.vacated",
            subject=office.office_id,
            data={
                "office_id": office.office_id,
                "body": office.body,
                "office": office.office,
                "member_id": member_id,
                "vacated_at": rfc3339(vacated_at),
            },
            correlation_id=correlation_id,
        )
