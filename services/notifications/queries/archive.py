"""The archive as it is: what a service has told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.notifications import tables
from shared.messaging.envelope import source_of
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following


def archived_events(reading: Reading, service: str, *, cursor: Position | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Events of one service behind the cursor, and one more than the limit."""
    archive = tables.archive
    wanted = sa.select(archive).where(archive.c.source == source_of(service))
    return reading.all(following(wanted, archive.c.event_id, cursor=cursor, limit=limit))
