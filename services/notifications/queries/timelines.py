"""The timeline of a story: every archived event with its correlation id, and what was told to whom because of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from services.notifications import tables
from services.notifications.domain.deliveries import State
from services.notifications.domain.timeline import Entry, elapsed_milliseconds, order_entries
from services.notifications.domain.wording import Catalogue, title_of
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading

#: Events and deliveries shown at most, of each; an admission has about fifteen events.
ENTRIES_MAX = 1_000
#: Sequence of a delivery among its service's entries: after the event at the same instant.
_AFTER_EVENTS = 2**62

archive, deliveries = tables.archive, tables.deliveries


def timeline(reading: Reading, texts: Catalogue, language: str, correlation_id: str) -> dict[str, Any]:
    """Everything that happened, in order, titled in the language. Raises NotFound when nothing did."""
    events = reading.all(
        sa.select(archive)
        .where(archive.c.correlation_id == correlation_id)
        .order_by(archive.c.time, archive.c.event_id)
        .limit(ENTRIES_MAX)
    )
    if not events:
        raise NotFound("timeline.not_found")
    told = reading.all(
        sa.select(deliveries, archive.c.article, archive.c.type)
        .join(archive, archive.c.event_id == deliveries.c.event_id)
        # A delivery that was given up stands there as an event of its own.
        .where(archive.c.correlation_id == correlation_id, deliveries.c.state != State.ABANDONED.value)
        .order_by(deliveries.c.created_at, deliveries.c.delivery_id)
        .limit(ENTRIES_MAX)
    )
    ordered = order_entries([*(_event_entry(row) for row in events), *(_delivery_entry(row) for row in told)])
    titles = {row.event_id: title_of(texts, language, row.type, row.data) for row in events}
    first = ordered[0].at
    return {
        "correlation_id": correlation_id,
        "entries": [
            {
                "at": entry.at,
                "service": entry.service,
                "type": entry.type,
                "title": titles.get(entry.id) or title_of(texts, language, entry.type, _named(entry, titles)),
                "article": entry.article,
                "subject": entry.subject,
                "event_id": entry.event_id,
                "elapsed_ms": elapsed_milliseconds(first, entry.at),
                "data": entry.data,
            }
            for entry in ordered
        ],
    }


def _named(entry: Entry, titles: Mapping[str, str]) -> dict[str, Any]:
    """A delivery's data for its title: what was told goes by its own title, not by the name of its type."""
    return {**entry.data, "event_type": titles.get(entry.event_id, entry.type)}


def _event_entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        id=row.event_id,
        at=row.time,
        service=row.source.rpartition(":")[2],
        type=row.type,
        subject=row.subject,
        sequence=row.sequence,
        cause=row.causation_id,
        article=row.article,
        event_id=row.event_id,
        data=row.data,
    )


def _delivery_entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        id=row.delivery_id,
        at=row.settled_at or row.created_at,
        service="notifications",
        type=f"notifications.delivery.{row.state}",
        subject=row.delivery_id,
        sequence=_AFTER_EVENTS,
        cause=row.event_id,
        article=row.article,
        event_id=row.event_id,
        data={
            "delivery_id": row.delivery_id,
            "channel": row.channel,
            "event_type": row.type,
            "state": row.state,
            "attempts": row.attempts,
        },
    )
