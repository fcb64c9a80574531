"""The outbox: events wait here, in the transaction of the change they tell of, until the broker has them.

There is no cursor: what is unsent is found by `sent_at IS NULL`, so a transaction that commits late is found late
rather than skipped. Order holds per subject: a counter row per subject gives the sequence and keeps a second writer
of the same subject waiting until the first has committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from shared.messaging import envelope
from shared.messaging.contracts import Published, check_published
from shared.persistence.columns import CountingKey, Identifier, Utc, kernel_metadata
from shared.persistence.database import count_up
from shared.persistence.unit_of_work import Cause, Reading, UnitOfWork
from shared.runtime.clock import rfc3339

outbox = sa.Table(
    "outbox",
    kernel_metadata,
    sa.Column("position", CountingKey, sa.Identity(), primary_key=True),
    sa.Column("event_id", Identifier, nullable=False, unique=True),
    sa.Column("type", sa.String(120), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("envelope", sa.Text, nullable=False),
    sa.Column("recorded_at", Utc, nullable=False),
    sa.Column("sent_at", Utc),
    # The place in the service's feed, given in the order of sending: no gaps, no late-comers.
    sa.Column("feed_number", sa.BigInteger, unique=True),
    sa.UniqueConstraint("subject", "sequence"),
    sa.Index(
        "ix_outbox_unsent",
        "position",
        postgresql_where=sa.text("sent_at IS NULL"),
        sqlite_where=sa.text("sent_at IS NULL"),
    ),
)

outbox_subjects = sa.Table(
    "outbox_subjects",
    kernel_metadata,
    sa.Column("subject", sa.String(200), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)


class Outbox:
    """Records the events of one service. The `Recorder` of its units of work."""

    def __init__(self, service: str, publishes: Mapping[str, Published]) -> None:
        self._service = service
        self._publishes = publishes

    def __call__(
        self,
        work: UnitOfWork,
        event_type: str,
        *,
        subject: str,
        data: Mapping[str, Any],
        correlation_id: str,
        article: str | None,
    ) -> str:
        """Write the event into the unit's transaction; returns its id."""
        plain = {name: _as_json(value) for name, value in data.items()}
        contract = check_published(self._publishes, event_type, plain)
        sequence = count_up(work.connection, outbox_subjects, {"subject": subject}, "sequence")
        event_id = work.ids.new_id()
        built = envelope.build(
            event_id=event_id,
            event_type=event_type,
            major=contract.major,
            service=self._service,
            subject=subject,
            sequence=sequence,
            time=work.now,
            data=plain,
            cause=Cause(correlation_id, work.cause.causation_id, work.cause.traceparent),
            article=article or contract.article,
        )
        work.execute(
            outbox.insert().values(
                event_id=event_id,
                type=event_type,
                subject=subject,
                sequence=sequence,
                envelope=envelope.encode(built),
                recorded_at=work.now,
            )
        )
        return event_id


def _as_json(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def unsent(reading: Reading, limit: int, *, without: Collection[str] = ()) -> list[sa.Row[Any]]:
    """The oldest unsent rows, at most one per subject; none of the subjects in `without`.

    One per subject, because a batch is confirmed message by message: were the first of two refused and the second
    taken, their order would be lost.
    """
    waiting = sa.select(outbox).where(outbox.c.sent_at.is_(None))
    if without:
        waiting = waiting.where(outbox.c.subject.not_in(without))
    rows = reading.all(waiting.order_by(outbox.c.position).limit(limit))
    first: dict[str, sa.Row[Any]] = {}
    for row in rows:
        first.setdefault(row.subject, row)
    return list(first.values())


def mark_sent(work: UnitOfWork, positions: Sequence[int]) -> None:
    """Note that the broker has confirmed these, and give each the next number of the feed."""
    # Only rows still unsent: should a second relay have been at work, numbering a row twice would tear a gap.
    still = work.all(
        sa.select(outbox.c.position)
        .where(outbox.c.position.in_(positions), outbox.c.sent_at.is_(None))
        .order_by(outbox.c.position)
        .with_for_update()
    )
    if not still:
        return
    last: int = work.scalar(sa.select(sa.func.coalesce(sa.func.max(outbox.c.feed_number), 0)))
    work.execute(
        outbox.update()
        .where(outbox.c.position == sa.bindparam("at_position"))
        .values(sent_at=work.now, feed_number=sa.bindparam("number")),
        [{"at_position": row.position, "number": last + offset} for offset, row in enumerate(still, start=1)],
    )


def is_sent(reading: Reading, event_id: str) -> bool:
    """Whether the broker has confirmed this event."""
    return reading.scalar(sa.select(outbox.c.sent_at).where(outbox.c.event_id == event_id)) is not None


def outbox_state(reading: Reading) -> dict[str, float]:
    """For metrics: `pending` unsent events and the age of the oldest in seconds."""
    row = reading.one(
        sa.select(sa.func.count().label("pending"), sa.func.min(outbox.c.recorded_at).label("oldest")).where(
            outbox.c.sent_at.is_(None)
        )
    )
    age = max(0.0, (reading.now - row.oldest).total_seconds()) if row.oldest else 0.0
    return {"pending": float(row.pending), "oldest_age_seconds": age}
