"""An owner's subscriptions. The secret is in none of them: it was shown once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.notifications import tables
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following

subscriptions, patterns = tables.subscriptions, tables.subscription_patterns
_SHOWN = [column for column in subscriptions.c if column.name not in {"secret", "deleted_at"}]


def list_subscriptions(
    reading: Reading, owner_kind: str, owner: str, *, limit: int, position: Position | None = None
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 living subscriptions of the owner, oldest first."""
    statement = sa.select(*_SHOWN).where(*_living(owner_kind, owner))
    order = (subscriptions.c.created_at, subscriptions.c.subscription_id)
    return _with_patterns(reading, reading.all(following(statement, *order, cursor=position, limit=limit)))


def get_subscription(reading: Reading, owner_kind: str, owner: str, subscription_id: str) -> dict[str, Any]:
    """One of the owner's subscriptions. Raises NotFound, also for somebody else's."""
    row = reading.first(
        sa.select(*_SHOWN).where(*_living(owner_kind, owner), subscriptions.c.subscription_id == subscription_id)
    )
    if row is None:
        raise NotFound("subscription.not_found")
    return _with_patterns(reading, [row])[0]


def _living(owner_kind: str, owner: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        subscriptions.c.owner_kind == owner_kind,
        subscriptions.c.owner == owner,
        subscriptions.c.deleted_at.is_(None),
    )


def _with_patterns(reading: Reading, rows: Any) -> list[dict[str, Any]]:
    found = reading.all(
        sa.select(patterns.c.subscription_id, patterns.c.pattern)
        .where(patterns.c.subscription_id.in_([row.subscription_id for row in rows]))
        .order_by(patterns.c.pattern)
    )
    by_id: dict[str, list[str]] = {row.subscription_id: [] for row in rows}
    for each in found:
        by_id[each.subscription_id].append(each.pattern)
    return [{**row._mapping, "event_types": by_id[row.subscription_id]} for row in rows]  # noqa: SLF001 - documented
