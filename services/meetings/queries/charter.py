"""The charter in force, as data. Must not adopt or interpret it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.domain.charter import parse_charter
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading


def get_charter_view(reading: Reading) -> dict[str, Any]:
    """The charter in force with its version and what its text leaves open. NotFound before the first."""
    charters = tables.charters
    row = reading.first(
        sa.select(charters).where(charters.c.effective_from <= reading.now).order_by(charters.c.version.desc()).limit(1)
    )
    if row is None:
        raise NotFound("charter.not_adopted", article="20")
    open_points = parse_charter(row.content, row.version).silent
    return {**row.content, "version": row.version, "effective_from": row.effective_from, "silent": list(open_points)}
