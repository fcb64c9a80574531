"""The outbox: events wait here, in the transaction of the change they tell of, until the broker has them.

There is no cursor: what is unsent is found by `sent_at IS NULL`, so a transaction that commits late is found late
rather than skipped. Order holds per subject: a counter row per subject gives the sequence and keeps a second writer
of the same subject waiting until the first has committed. A unit's events are written together, just before its commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from shared.messaging import envelope
from shared.messaging.contracts import Published, check_published
from shared.persistence.columns import CountingKey, Identifier, Utc, kernel_metadata
from shared.persistence.database import count_up, count_up_each, insert_many, is_among
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

#: The service's feed, one row: the last number given, and the last one whose event was removed for its age.
outbox_feed = sa.Table(
    "outbox_feed",
    kernel_metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("head", sa.BigInteger, nullable=False),
    sa.Column("pruned_to", sa.BigInteger, nullable=False, server_default="0"),
)
#: The id of its only row.
FEED = 1


@dataclass(frozen=True)
class Noted:
    """An event that will be written when its unit commits; its sequence is not known yet."""

    event_id: str
    type: str
    major: int
    subject: str
    data: Mapping[str, Any]
    cause: Cause
    article: str | None
    time: datetime


class Outbox:
    """Records the events of one service. The `Recorder` of its units of work."""

    def __init__(self, service: str, publishes: Mapping[str, Published]) -> None:
        self._service = service
        self._publishes = publishes

    def note(
        self,
        work: UnitOfWork,
        event_type: str,
        *,
        subject: str,
        data: Mapping[str, Any],
        correlation_id: str,
        article: str | None,
    ) -> Noted:
        """See the port."""
        plain = {name: _as_json(value) for name, value in data.items()}
        contract = check_published(self._publishes, event_type, plain)
        return Noted(
            event_id=work.ids.new_id(f"{event_type} {subject}"),
            type=event_type,
            major=contract.major,
            subject=subject,
            data=plain,
            cause=Cause(correlation_id, work.cause.causation_id, work.cause.traceparent),
            article=article or contract.article,
            time=work.now,
        )

    def write(self, connection: sa.Connection, recorded: Sequence[Noted]) -> None:
        """See the port. Takes the subjects' counters, and keeps them locked until the transaction ends."""
        counts = Counter(noted.subject for noted in recorded)
        last = count_up_each(connection, outbox_subjects, "subject", "sequence", counts)
        following = {subject: last[subject] - count + 1 for subject, count in counts.items()}
        rows = []
        for noted in recorded:
            rows.append(self._row(noted, following[noted.subject]))
            following[noted.subject] += 1
        insert_many(connection, outbox, rows)

    def _row(self, noted: Noted, sequence: int) -> dict[str, Any]:
        built = envelope.build(
            event_id=noted.event_id,
            event_type=noted.type,
            major=noted.major,
            service=self._service,
            subject=noted.subject,
            sequence=sequence,
            time=noted.time,
            data=noted.data,
            cause=noted.cause,
            article=noted.article,
        )
        return {
            "event_id": noted.event_id,
            "type": noted.type,
            "subject": noted.subject,
            "sequence": sequence,
            "envelope": envelope.encode(built),
            "recorded_at": noted.time,
        }


def _as_json(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def unsent(
    reading: Reading, limit: int, *, without: Collection[str] = (), confirmed: Collection[int] = ()
) -> Sequence[sa.Row[Any]]:
    """The oldest unsent rows (position, event_id, type, subject, envelope).

    None of the subjects in `without`, and none at the positions in `confirmed`, which only wait to be marked.
    """
    waiting = sa.select(outbox.c.position, outbox.c.event_id, outbox.c.type, outbox.c.subject, outbox.c.envelope).where(
        outbox.c.sent_at.is_(None)
    )
    if without:
        waiting = waiting.where(outbox.c.subject.not_in(without))
    if confirmed:
        waiting = waiting.where(sa.not_(is_among(reading.connection, outbox.c.position, "confirmed")))
    found = reading.execute(
        waiting.order_by(outbox.c.position).limit(limit), {"confirmed": list(confirmed)} if confirmed else None
    )
    return found.all()


def mark_sent(work: UnitOfWork, event_ids: Sequence[str]) -> None:
    """Note that the broker has confirmed these, and give each the next number of the feed.

    By id, not by position: should the database have been restored under the relay, a position means another event.
    """
    if not event_ids:
        return
    # The feed's row first: should a second relay be at work, it waits here, and then finds these rows sent. Numbering
    # a row twice would tear a gap.
    head = count_up(work.connection, outbox_feed, {"id": FEED}, "head", by=0)
    still = (
        sa.select(outbox.c.position, sa.func.row_number().over(order_by=outbox.c.position).label("place"))
        .where(is_among(work.connection, outbox.c.event_id, "event_ids"), outbox.c.sent_at.is_(None))
        .subquery("still")
    )
    marked = work.execute(
        outbox.update()
        .where(outbox.c.position == still.c.position)
        .values(sent_at=work.now, feed_number=sa.bindparam("head", type_=sa.BigInteger) + still.c.place),
        {"event_ids": list(event_ids), "head": head},
    )
    count_up(work.connection, outbox_feed, {"id": FEED}, "head", by=marked.rowcount)


def outbox_state(reading: Reading) -> dict[str, float]:
    """For metrics: `pending` unsent events and the age of the oldest in seconds."""
    row = reading.one(
        sa.select(sa.func.count().label("pending"), sa.func.min(outbox.c.recorded_at).label("oldest")).where(
            outbox.c.sent_at.is_(None)
        )
    )
    age = max(0.0, (reading.now - row.oldest).total_seconds()) if row.oldest else 0.0
    return {"pending": float(row.pending), "oldest_age_seconds": age}
