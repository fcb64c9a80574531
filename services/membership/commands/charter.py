"""The charter's sections that membership needs, kept from `meetings.charter.adopted`. Owns no rule of the charter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.application_form import CharterTerms
from shared.errors import Unavailable
from shared.persistence.unit_of_work import Reading, UnitOfWork


def keep_charter(work: UnitOfWork, data: Mapping[str, Any]) -> None:
    """Store a version as it was adopted; a version already known is left alone."""
    work.insert_if_absent(
        tables.charters,
        {
            "version": data["version"],
            "effective_from": data["effective_from"],
            "member_kinds": data["member_kinds"],
            "counties": data["counties"],
            "received_at": work.now,
        },
    )


def get_charter_terms(reading: Reading, *, version: int | None = None) -> CharterTerms:
    """The version in force now, or a given one. Unavailable `charter.not_adopted` until its event has arrived."""
    table = tables.charters
    wanted = table.c.effective_from <= reading.now if version is None else table.c.version == version
    row = reading.first(sa.select(table).where(wanted).order_by(table.c.version.desc()).limit(1))
    if row is None:
        raise Unavailable("charter.not_adopted", article="20", retry_after_seconds=5)
    return CharterTerms(
        version=row.version,
        kinds=frozenset(kind["code"] for kind in row.member_kinds),
        counties=frozenset(county["code"] for county in row.counties),
    )
