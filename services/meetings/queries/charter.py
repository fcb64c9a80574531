"""The charter in force and those before it, as data. Must not adopt or interpret them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.domain.charter import parse_charter
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading

#: Versions listed at most; a charter changes every few years.
VERSIONS_MAX = 200


def get_charter_view(reading: Reading) -> dict[str, Any]:
    """The charter in force with its version and what its text leaves open. NotFound before the first."""
    row = reading.first(_versions(reading).limit(1))
    if row is None:
        raise NotFound("charter.not_adopted", article="20")
    return _view(row)


def get_charter_version(reading: Reading, version: int) -> dict[str, Any]:
    """One version that is or was in force. NotFound `charter.no_such_version`."""
    row = reading.first(_versions(reading).where(tables.charters.c.version == version))
    if row is None:
        raise NotFound("charter.no_such_version", article="20", version=version)
    return _view(row)


def list_charter_versions(reading: Reading) -> list[dict[str, Any]]:
    """Every version that is or was in force, the newest first, with when it took effect and when the next one did."""
    rows = reading.all(_versions(reading).limit(VERSIONS_MAX))
    ends = [None, *(row.effective_from for row in rows)]
    return [
        {"version": row.version, "effective_from": row.effective_from, "effective_to": end}
        for row, end in zip(rows, ends, strict=False)
    ]


def _versions(reading: Reading) -> sa.Select[Any]:
    charters = tables.charters
    return sa.select(charters).where(charters.c.effective_from <= reading.now).order_by(charters.c.version.desc())


def _view(row: sa.Row[Any]) -> dict[str, Any]:
    open_points = parse_charter(row.content, row.version).silent
    return {**row.content, "version": row.version, "effective_from": row.effective_from, "silent": list(open_points)}
