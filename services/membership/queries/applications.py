"""Applications as they are read: a list for the secretariat and the committee, one with its whole history.

Who may read which is decided by the caller of these functions; `internal=False` leaves out what the applicant must
not see.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.credentials import matches
from shared.errors import Forbidden, NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following, page

_SHOWN = (
    "application_id",
    "number",
    "state",
    "unit_name",
    "kind",
    "county",
    "warnings",
    "submitted_at",
    "changed_at",
    "external_reference",
    "correlation_id",
    "member_id",
)


def list_applications(
    reading: Reading, *, cursor: Position | None, limit: int, state: str | None = None, client_id: str | None = None
) -> dict[str, Any]:
    """A page of applications, newest first; of one platform only where `client_id` is given."""
    table = tables.applications
    statement = sa.select(*(table.c[name] for name in _SHOWN))
    if state is not None:
        statement = statement.where(table.c.state == state)
    if client_id is not None:
        statement = statement.where(table.c.client_id == client_id)
    rows = reading.all(following(statement, table.c.application_id, cursor=cursor, limit=limit, descending=True))
    return page(rows, limit, key=lambda row: (row.application_id,))


def get_application(reading: Reading, application_id: str, *, internal: bool) -> dict[str, Any]:
    """One application with form, questions, ballots and history; notes and names of staff only where `internal`."""
    return _complete(reading, _row(reading, application_id), internal=internal)


def get_application_of_client(reading: Reading, application_id: str, client_id: str) -> dict[str, Any]:
    """The platform's own application. NotFound for any other."""
    row = _row(reading, application_id)
    if row.client_id != client_id:
        raise NotFound("application.not_found")
    return _complete(reading, row, internal=False)


def get_application_by_code(reading: Reading, application_id: str, access_code: str) -> dict[str, Any]:
    """The application that the access code opens. Forbidden `application.code_refused`, also for an unknown id."""
    table = tables.applications
    row = reading.first(sa.select(table).where(table.c.application_id == application_id))
    fits = matches(row.access_code_digest if row is not None else None, access_code)
    if row is None or not fits:
        raise Forbidden("application.code_refused")
    return _complete(reading, row, internal=False)


def _row(reading: Reading, application_id: str) -> sa.Row[Any]:
    table = tables.applications
    row = reading.first(sa.select(table).where(table.c.application_id == application_id))
    if row is None:
        raise NotFound("application.not_found")
    return row


def _complete(reading: Reading, row: sa.Row[Any], *, internal: bool) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in (*_SHOWN, "form", "charter_version")}
    shown["questions"] = _all(reading, tables.questions, row.application_id, "asked_at", "question_id")
    shown["steps"] = _all(reading, tables.application_steps, row.application_id, "position")
    shown["ballots"] = _all(reading, tables.application_ballots, row.application_id, "closes_at", "ballot_id")
    if row.member_id is not None:
        number = sa.select(tables.members.c.number).where(tables.members.c.member_id == row.member_id)
        shown["member_number"] = reading.scalar(number)
    if internal:
        shown["notes"] = _all(reading, tables.notes, row.application_id, "written_at", "note_id")
        return shown
    for each in shown["questions"]:
        each.pop("asked_by")
    for each in shown["steps"]:
        each.pop("actor_id")
    return shown


def _all(reading: Reading, table: sa.Table, application_id: str, *order: str) -> list[dict[str, Any]]:
    statement = sa.select(table).where(table.c.application_id == application_id)
    return [dict(row._mapping) for row in reading.all(statement.order_by(*(table.c[name] for name in order)))]  # noqa: SLF001 - its documented interface
