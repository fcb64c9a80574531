"""The in-app inbox: what the caller was told, newest first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from services.notifications import tables
from services.notifications.domain.wording import Catalogue, title_of
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following

notices, reads, archive = tables.notices, tables.notice_reads, tables.archive


def list_notices(
    reading: Reading,
    texts: Catalogue,
    language: str,
    *,
    kind: str,
    subject: str,
    roles: Collection[str],
    limit: int,
    position: Position | None = None,
    unread: bool = False,
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 notices to the caller or to a role it holds; only unread ones where asked."""
    statement = _visible(kind, subject, roles)
    if unread:
        statement = statement.where(reads.c.read_at.is_(None))
    order = (notices.c.created_at, notices.c.notice_id)
    rows = reading.all(following(statement, *order, cursor=position, limit=limit, descending=True))
    return [_notice(row, texts, language) for row in rows]


def get_notice(
    reading: Reading,
    texts: Catalogue,
    language: str,
    *,
    kind: str,
    subject: str,
    roles: Collection[str],
    notice_id: str,
) -> dict[str, Any]:
    """One notice to the caller. Raises NotFound, also for somebody else's."""
    row = reading.first(_visible(kind, subject, roles).where(notices.c.notice_id == notice_id))
    if row is None:
        raise NotFound("notice.not_found")
    return _notice(row, texts, language)


def _visible(kind: str, subject: str, roles: Collection[str]) -> sa.Select[Any]:
    mine = sa.and_(notices.c.recipient_kind == kind, notices.c.recipient == subject)
    roles_notices = sa.and_(notices.c.recipient_kind == "role", notices.c.recipient.in_(sorted(roles)))
    mark = sa.and_(reads.c.notice_id == notices.c.notice_id, reads.c.reader == subject)
    return (
        sa.select(
            notices.c.notice_id,
            notices.c.created_at,
            reads.c.read_at,
            archive.c.event_id,
            archive.c.type,
            archive.c.subject,
            archive.c.time,
            archive.c.article,
            archive.c.correlation_id,
            archive.c.data,
        )
        .join(archive, archive.c.event_id == notices.c.event_id)
        .outerjoin(reads, mark)
        .where(sa.or_(mine, roles_notices))
    )


def _notice(row: sa.Row[Any], texts: Catalogue, language: str) -> dict[str, Any]:
    title = title_of(texts, language, row.type, row.data)
    return {**row._mapping, "title": title}  # noqa: SLF001 - its documented interface
