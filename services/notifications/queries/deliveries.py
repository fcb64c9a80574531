"""The delivery log: what was sent where, every attempt with when, what came back, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.notifications import tables
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.pagination import Position, following

deliveries, attempts, subscriptions, archive = (
    tables.deliveries,
    tables.attempts,
    tables.subscriptions,
    tables.archive,
)

#: Whose deliveries: (kind, subject) of an owner, or None for everybody's.
Whose = tuple[str, str] | None


def list_deliveries(
    reading: Reading,
    whose: Whose,
    *,
    limit: int,
    position: Position | None = None,
    state: str | None = None,
    channel: str | None = None,
    event_id: str | None = None,
    subscription_id: str | None = None,
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 deliveries, newest first, with their attempts."""
    statement = _of(whose)
    for column, value in (
        (deliveries.c.state, state),
        (deliveries.c.channel, channel),
        (deliveries.c.event_id, event_id),
        (deliveries.c.subscription_id, subscription_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    order = (deliveries.c.created_at, deliveries.c.delivery_id)
    rows = reading.all(following(statement, *order, cursor=position, limit=limit, descending=True))
    return _with_attempts(reading, rows, whose)


def get_delivery(reading: Reading, whose: Whose, delivery_id: str) -> dict[str, Any]:
    """One delivery. Raises NotFound, also for somebody else's."""
    row = reading.first(_of(whose).where(deliveries.c.delivery_id == delivery_id))
    if row is None:
        raise NotFound("delivery.not_found")
    return _with_attempts(reading, [row], whose)[0]


def _of(whose: Whose) -> sa.Select[Any]:
    statement = (
        sa.select(deliveries, subscriptions.c.target, archive.c.type.label("event_type"), archive.c.correlation_id)
        .join(subscriptions, subscriptions.c.subscription_id == deliveries.c.subscription_id)
        .join(archive, archive.c.event_id == deliveries.c.event_id)
    )
    if whose is not None:
        kind, subject = whose
        statement = statement.where(subscriptions.c.owner_kind == kind, subscriptions.c.owner == subject)
    return statement


def _with_attempts(reading: Reading, rows: Sequence[sa.Row[Any]], whose: Whose) -> list[dict[str, Any]]:
    found = reading.all(
        sa.select(attempts)
        .where(attempts.c.delivery_id.in_([row.delivery_id for row in rows]))
        .order_by(attempts.c.delivery_id, attempts.c.number)
    )
    by_id: dict[str, list[dict[str, Any]]] = {row.delivery_id: [] for row in rows}
    for each in found:
        by_id[each.delivery_id].append(dict(each._mapping))  # noqa: SLF001 - its documented interface
    return [
        {
            **row._mapping,  # noqa: SLF001 - its documented interface
            # Staff may see that something failed; where somebody lets himself be told is the owner's to see.
            "target": row.target if whose is not None else None,
            "attempts": by_id[row.delivery_id],
            "next_attempt_at": row.due_at if row.state == "pending" else None,
        }
        for row in rows
    ]
