"""The inbox: every event that arrived, so that its effect happens once, and what became of it.

A row is written in the transaction of the effect. `deferred` events are tried again when they fall due, `parked` ones
wait for an operator; both keep their body, and both hold back the later events of their subject, and only those.
Rows must outlive every redelivery, parking and restore, or an old copy would be applied twice: they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from shared.persistence.columns import Utc, kernel_metadata
from shared.persistence.database import insert_ignoring_conflicts, listing
from shared.persistence.unit_of_work import Reading, UnitOfWork

DONE = "done"
DEFERRED = "deferred"
PARKED = "parked"
#: Closed by an operator: it has no effect and holds nothing back, and its body is kept.
DISCARDED = "discarded"
#: States in which something is still to be done, and which hold back later events of the subject.
OPEN = (DEFERRED, PARKED)
#: Reason of an event that waits for an earlier one of its subject.
BEHIND = "waits behind an earlier event of its subject"
#: Longest reason kept, in characters.
REASON_CHARACTERS_MAX = 500

inbox = sa.Table(
    "inbox",
    kernel_metadata,
    sa.Column("source", sa.String(200), primary_key=True),
    sa.Column("event_id", sa.String(200), primary_key=True),
    sa.Column("type", sa.String(200), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", Utc),
    sa.Column("reason", sa.String(REASON_CHARACTERS_MAX)),
    # Only while there is something left to do with it. Bytes: what is parked may be anything but text.
    sa.Column("body", sa.LargeBinary),
    sa.Column("received_at", Utc, nullable=False),
    sa.Column("settled_at", Utc),
    sa.CheckConstraint("state IN ('done', 'deferred', 'parked', 'discarded')", name="state"),
    sa.Index(None, "source", "subject", "sequence"),
    sa.Index(
        "ix_inbox_open",
        "source",
        "subject",
        "sequence",
        postgresql_where=sa.text("state IN ('deferred', 'parked')"),
        sqlite_where=sa.text("state IN ('deferred', 'parked')"),
    ),
    # For operators: what they have closed, among very many done.
    sa.Index(
        "ix_inbox_discarded",
        "received_at",
        postgresql_where=sa.text("state = 'discarded'"),
        sqlite_where=sa.text("state = 'discarded'"),
    ),
    sa.Index(
        "ix_inbox_due",
        "next_attempt_at",
        postgresql_where=sa.text("state = 'deferred'"),
        sqlite_where=sa.text("state = 'deferred'"),
    ),
)


@dataclass(frozen=True)
class Arrival:
    """What the inbox keeps of an event, understood or not."""

    source: str
    event_id: str
    type: str
    subject: str
    sequence: int
    body: bytes

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other event."""
        return self.source, self.event_id

    @property
    def order(self) -> tuple[str, str]:
        """What it keeps order with."""
        return self.source, self.subject


#: A row's key as one text: no source holds a blank, so the first one parts them.
_KEY = (inbox.c.source + " " + inbox.c.event_id).label("key")


def note_done(work: UnitOfWork, arrivals: Sequence[Arrival]) -> set[tuple[str, str]]:
    """Write rows as done; returns the keys that are new here. The others were had before."""
    same = {"state": DONE, "attempts": 1, "received_at": work.now, "settled_at": work.now}
    rows = [_columns(arrival) for arrival in arrivals]
    inserted = insert_ignoring_conflicts(work.connection, inbox, rows, _KEY, same)
    return {(source, event_id) for source, _, event_id in (text.partition(" ") for text in inserted)}


@dataclass(frozen=True)
class Standing:
    """How far a subject has come here."""

    #: Whether an event of it is still open.
    is_open: bool
    #: Sequence of the latest event of it that had its effect; -1 when none had.
    done_to: int


def standings(reading: Reading, arrivals: Sequence[Arrival]) -> dict[tuple[str, str], Standing]:
    """How far the (source, subject) of each arrival has come. Two index look-ups each, however long its history."""
    orders = sorted({arrival.order for arrival in arrivals})
    given, params = listing(
        reading.connection, source=[source for source, _ in orders], subject=[subject for _, subject in orders]
    )
    same = (inbox.c.source == given.c.source, inbox.c.subject == given.c.subject)
    is_open = sa.exists().where(*same, inbox.c.state.in_(OPEN))
    done_to = sa.select(inbox.c.sequence).where(*same, inbox.c.state == DONE).order_by(inbox.c.sequence.desc()).limit(1)
    looked_up = sa.select(
        given.c.source, given.c.subject, is_open.label("is_open"), done_to.scalar_subquery().label("done_to")
    )
    rows = reading.execute(looked_up, params)
    return {
        (row.source, row.subject): Standing(bool(row.is_open), -1 if row.done_to is None else row.done_to)
        for row in rows
    }


def put_aside(
    work: UnitOfWork, arrival: Arrival, state: str, reason: str, *, attempts: int, next_attempt_at: datetime | None
) -> bool:
    """Store an event as deferred or parked, whether its row exists or not. False: it was done before."""
    values = {
        "state": state,
        "reason": _storable(reason),
        "attempts": attempts,
        "next_attempt_at": next_attempt_at,
        "body": arrival.body,
        "settled_at": None,
    }
    row = {**_columns(arrival), **values, "received_at": work.now}
    if insert_ignoring_conflicts(work.connection, inbox, [row], inbox.c.event_id):
        return True
    # Here already: from an earlier attempt. One that is closed stays closed, whatever a late copy runs into.
    changed = work.execute(inbox.update().where(*_is(*arrival.key), inbox.c.state.in_(OPEN)).values(**values))
    return bool(changed.rowcount)


def hold(work: UnitOfWork, arrival: Arrival, state: str, reason: str) -> None:
    """Turn the row just noted as done into one that waits: deferred behind an earlier event, or parked."""
    next_attempt_at = work.now if state == DEFERRED else None
    work.execute(
        inbox.update()
        .where(*_is(*arrival.key))
        .values(
            state=state,
            attempts=0,
            reason=reason,
            next_attempt_at=next_attempt_at,
            body=arrival.body,
            settled_at=None,
        )
    )


def due(reading: Reading, limit: int) -> list[tuple[str, str]]:
    """Keys of deferred events whose time has come and before which nothing of their subject is open."""
    earlier = inbox.alias("earlier")
    blocked = sa.exists().where(
        earlier.c.source == inbox.c.source,
        earlier.c.subject == inbox.c.subject,
        earlier.c.state.in_(OPEN),
        sa.or_(
            earlier.c.sequence < inbox.c.sequence,
            sa.and_(earlier.c.sequence == inbox.c.sequence, earlier.c.event_id < inbox.c.event_id),
        ),
    )
    rows = reading.all(
        sa.select(inbox.c.source, inbox.c.event_id)
        .where(inbox.c.state == DEFERRED, inbox.c.next_attempt_at <= reading.now, ~blocked)
        .order_by(inbox.c.next_attempt_at)
        .limit(limit)
    )
    return [(row.source, row.event_id) for row in rows]


def lock_deferred(work: UnitOfWork, key: tuple[str, str]) -> sa.Row[Any] | None:
    """The row, locked, if it is still deferred and nobody else is at it."""
    return work.first(sa.select(inbox).where(*_is(*key), inbox.c.state == DEFERRED).with_for_update(skip_locked=True))


def count_attempt(work: UnitOfWork, key: tuple[str, str], next_attempt_at: datetime) -> None:
    """A deferred event is about to be tried; the next attempt is due then, unless this one says otherwise."""
    work.execute(
        inbox.update().where(*_is(*key)).values(attempts=inbox.c.attempts + 1, next_attempt_at=next_attempt_at)
    )


def settle(work: UnitOfWork, key: tuple[str, str]) -> None:
    """A deferred event has had its effect."""
    work.execute(
        inbox.update()
        .where(*_is(*key))
        .values(
            state=DONE,
            settled_at=work.now,
            next_attempt_at=None,
            reason=None,
            body=None,
        )
    )


def after(work: Reading, seconds: float) -> datetime:
    """The instant so many seconds after the unit's."""
    return work.now + timedelta(seconds=seconds)


def _columns(arrival: Arrival) -> dict[str, Any]:
    return {
        "source": arrival.source,
        "event_id": arrival.event_id,
        "type": arrival.type,
        "subject": arrival.subject,
        "sequence": arrival.sequence,
    }


def _storable(reason: str) -> str:
    # It may quote what came in, and no database stores NUL or half a surrogate pair.
    clean = reason.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
    return clean[:REASON_CHARACTERS_MAX]


def _is(source: str, event_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return inbox.c.source == source, inbox.c.event_id == event_id
