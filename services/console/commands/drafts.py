"""What a visitor has typed and not sent yet, kept under the secret of a cookie. Sends nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from services.console.sealing import digest_of, seal, unseal
from services.console.tables import drafts
from shared.persistence.unit_of_work import Reading, UnitOfWork

#: An application is put together over days, between colleagues; after a month it has been given up.
KEPT = timedelta(days=30)


def keep_draft(work: UnitOfWork, visitor: str, name: str, content: Any) -> None:
    """Keep what was typed under a name, in place of what was kept before. Drops what nobody has touched for long."""
    values = {"sealed": seal(visitor, content), "saved_at": work.now}
    key = {"visitor_digest": digest_of(visitor), "name": name}
    if not work.insert_if_absent(drafts, {**key, **values}):
        work.execute(sa.update(drafts).where(_is(visitor, name)).values(**values))
    work.execute(sa.delete(drafts).where(drafts.c.saved_at < work.now - KEPT))


def find_draft(reading: Reading, visitor: str, name: str) -> Any:
    """What was kept, or None."""
    row = reading.first(sa.select(drafts.c.sealed).where(_is(visitor, name)))
    return None if row is None else unseal(visitor, row.sealed)


def drop_draft(work: UnitOfWork, visitor: str, name: str) -> None:
    """Forget it: it has been sent."""
    work.execute(sa.delete(drafts).where(_is(visitor, name)))


def _is(visitor: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(drafts.c.visitor_digest == digest_of(visitor), drafts.c.name == name)
