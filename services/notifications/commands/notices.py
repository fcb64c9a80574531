"""Read marks in the inbox."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from services.notifications import tables
from services.notifications.commands.subscriptions import Owner
from shared.errors import NotFound
from shared.persistence.unit_of_work import UnitOfWork


def mark_read(work: UnitOfWork, reader: Owner, roles: Collection[str], notice_id: str) -> None:
    """Remember that the reader has seen the notice; doing so again changes nothing. Raises NotFound."""
    notices = tables.notices
    row = work.first(sa.select(notices.c.recipient_kind, notices.c.recipient).where(notices.c.notice_id == notice_id))
    mine = row is not None and (
        (row.recipient_kind, row.recipient) == (reader.kind, reader.subject)
        or (row.recipient_kind == "role" and row.recipient in roles)
    )
    if not mine:
        raise NotFound("notice.not_found")
    work.insert_if_absent(tables.notice_reads, {"notice_id": notice_id, "reader": reader.subject, "read_at": work.now})
