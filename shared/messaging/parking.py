"""What operators do with events that have not had their effect: look them through, let them be tried again, discard.

An act changes rows of the inbox and writes a row of the audit for each, in one transaction and in one function:
there is no other way to either. A dry run finds the same events and changes nothing. Who may act is decided by the
doors (the command line, the API); this module wants to be told who did.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import sqlalchemy as sa

from shared.errors import Fault, Invalid, NotFound
from shared.messaging.envelope import ENVELOPE_BYTES_MAX, read_json
from shared.messaging.inbox import BEHIND, DEFERRED, DISCARDED, DONE, OPEN, PARKED, inbox
from shared.persistence.columns import Identifier, Json, Utc, kernel_metadata
from shared.persistence.unit_of_work import Reading, UnitOfWork
from shared.runtime.clock import rfc3339
from shared.runtime.logging import get_logger

REDRIVE: Final = "redrive"
DISCARD: Final = "discard"
#: States that are listed. What is done needs nobody.
STATES = (PARKED, DEFERRED, DISCARDED)
#: Events of one act at most, so that its locks are held for a moment only.
ACT_EVENTS_MAX = 1_000
#: Events of one act where nobody said how many.
ACT_EVENTS_DEFAULT = 100
#: Longest reason of an operator, in characters.
REASON_CHARACTERS_MAX = 500
#: Later events of the subject shown with an event.
BEHIND_SHOWN = 20
#: Bytes shown of what is no envelope; enough to recognise what it is.
EXCERPT_BYTES = 2_000
#: Levels of an envelope that is shown as it is. Ours have four.
ENVELOPE_DEPTH_MAX = 32

operator_actions = sa.Table(
    "operator_actions",
    kernel_metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("at", Utc, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("door", sa.String(10), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("source", sa.String(200)),
    sa.Column("event_id", sa.String(200)),
    sa.Column("reason", sa.String(REASON_CHARACTERS_MAX)),
    sa.Column("details", Json, nullable=False),
    sa.Index(None, "at", "id"),
)

Action = Literal["redrive", "discard"]
#: Source and id: what tells an event from every other.
Key = tuple[str, str]
#: Where a listing goes on: arrival, source and id of the last event shown.
Position = tuple[datetime, str, str]

_later = inbox.alias("later")
#: The latest sequence of the same subject that has had its effect, where that is later than the event's own.
_overtaken_by = (
    sa.select(_later.c.sequence)
    .where(
        _later.c.source == inbox.c.source,
        _later.c.subject == inbox.c.subject,
        _later.c.sequence > inbox.c.sequence,
        _later.c.state == DONE,
    )
    .order_by(_later.c.sequence.desc())
    .limit(1)
    .correlate(inbox)
    .scalar_subquery()
    .label("overtaken_by")
)
#: What is shown of an event without its body.
_SHOWN = [*(each for each in inbox.c if each is not inbox.c.body), _overtaken_by]
#: Oldest first.
_ORDER = (inbox.c.received_at, inbox.c.source, inbox.c.event_id)

log = get_logger(__name__)


@dataclass(frozen=True)
class Operator:
    """Who acts, and by which door."""

    actor: str
    door: Literal["command", "api"]


@dataclass(frozen=True)
class Selection:
    """Events by what they have in common; what is None does not matter."""

    states: tuple[str, ...] = (PARKED,)
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    event_id: str | None = None
    received_before: datetime | None = None
    received_after: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As conditions on the inbox."""
        found: list[sa.ColumnElement[bool]] = [inbox.c.state.in_(self.states)]
        found += [
            inbox.c[name] == value
            for name in ("type", "source", "subject", "event_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.received_before is not None:
            found.append(inbox.c.received_at < self.received_before)
        if self.received_after is not None:
            found.append(inbox.c.received_at > self.received_after)
        return found

    def told(self) -> dict[str, Any]:
        """As plain JSON, for the audit."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: rfc3339(value) if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }


@dataclass(frozen=True)
class Wish:
    """An act as it was asked for: on the named events, or on the oldest `limit` of a selection."""

    action: Action
    which: Selection | Sequence[Key]
    reason: str | None = None
    limit: int = ACT_EVENTS_DEFAULT
    dry_run: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a wish, or would come of it."""

    action: Action
    dry_run: bool
    #: Events that the act changed, as they were before it.
    changed: Sequence[sa.Row[Any]]
    #: Named events that it left as they are, because there was nothing to change.
    unchanged: Sequence[sa.Row[Any]]
    #: Events of the selection beyond the limit.
    remaining: int


def key_text(source: str, event_id: str) -> str:
    """An event's key as one word, fit for a command line and a path: `source/id`, the id escaped as in URLs."""
    return f"{source}/{quote(event_id, safe='')}"


def parse_key(text: str) -> Key:
    """The key that a word stands for. Raises Invalid."""
    source, slash, event_id = text.rpartition("/")
    if not (source and slash and event_id):
        raise Invalid("event.key_malformed", field="key")
    return source, unquote(event_id)


def list_events(reading: Reading, selection: Selection, *, limit: int, after: Position | None = None) -> list[Any]:
    """Events of the selection without their bodies, oldest first, up to `limit` after a position."""
    statement = sa.select(*_SHOWN).where(*selection.conditions())
    if after is not None:
        here = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(after, _ORDER, strict=True)))
        statement = statement.where(sa.tuple_(*_ORDER) > here)
    return list(reading.all(statement.order_by(*_ORDER).limit(limit)))


def get_event(reading: Reading, key: Key) -> sa.Row[Any]:
    """One event with its body, in whatever state. Raises NotFound."""
    row = reading.first(sa.select(inbox, _overtaken_by).where(inbox.c.source == key[0], inbox.c.event_id == key[1]))
    if row is None:
        raise NotFound("event.unknown", event_id=key[1])
    return row


def read_body(body: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """The envelope, or, where the bytes are none that could be shown as JSON again, a harmless excerpt of them."""
    try:
        envelope = read_json(body)
        # Half characters cannot be written, and what nests too deep not even here.
        json.dumps(envelope, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        envelope = None
    if isinstance(envelope, dict) and len(body) <= ENVELOPE_BYTES_MAX and _is_shallow(envelope):
        return envelope, None
    text = body[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
    return None, "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(ENVELOPE_DEPTH_MAX):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


def waiting_behind(reading: Reading, row: sa.Row[Any]) -> tuple[int, Sequence[sa.Row[Any]]]:
    """How many later events of the subject an open event holds back, and the first of them."""
    if row.state not in OPEN:
        return 0, []
    place = sa.tuple_(inbox.c.sequence, inbox.c.event_id)
    later = (
        inbox.c.source == row.source,
        inbox.c.subject == row.subject,
        inbox.c.state.in_(OPEN),
        place > sa.tuple_(sa.literal(row.sequence, sa.BigInteger), sa.literal(row.event_id, sa.String)),
    )
    count: int = reading.scalar(sa.select(sa.func.count()).select_from(inbox).where(*later))
    first = sa.select(*_SHOWN).where(*later).order_by(inbox.c.sequence, inbox.c.event_id).limit(BEHIND_SHOWN)
    return count, reading.all(first)


def list_actions(
    reading: Reading, *, limit: int, key: Key | None = None, after: tuple[datetime, str] | None = None
) -> list[Any]:
    """The audit, newest first; of one event where a key is given."""
    statement = sa.select(operator_actions)
    if key is not None:
        statement = statement.where(operator_actions.c.source == key[0], operator_actions.c.event_id == key[1])
    order = (operator_actions.c.at, operator_actions.c.id)
    if after is not None:
        here = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(after, order, strict=True)))
        statement = statement.where(sa.tuple_(*order) < here)
    return list(reading.all(statement.order_by(*(column.desc() for column in order)).limit(limit)))


def act(work: UnitOfWork, operator: Operator, wish: Wish) -> Outcome:
    """Let events be tried again at once and with all their attempts, or close them without an effect.

    Redriving takes what is parked or discarded, and what is deferred to a later time; discarding takes what is parked
    or deferred, and wants a reason. Events for which there is nothing to change stay as they are, so that the same
    wish twice does no harm. Raises Invalid for a missing reason and for named events that are not in the inbox.
    """
    if wish.action == DISCARD and not (wish.reason or "").strip():
        raise Invalid("parking.reason_missing", field="reason")
    changeable = _changeable(work, wish.action)
    if isinstance(wish.which, Selection):
        conditions = [*wish.which.conditions(), changeable]
        matched: int = work.scalar(sa.select(sa.func.count()).select_from(inbox).where(*conditions))
        rows = _take(work, wish, conditions, min(wish.limit, ACT_EVENTS_MAX))
        unchanged: list[sa.Row[Any]] = []
    else:
        rows = _take(work, wish, [_any_of(wish.which), changeable], ACT_EVENTS_MAX)
        named = _named(work, wish.which)  # after waiting for them, so that they are told as they are now
        taken = {(row.source, row.event_id) for row in rows}
        unchanged = [row for key, row in named.items() if key not in taken]
        matched = len(rows)
    if rows and not wish.dry_run:
        _change(work, operator, wish, rows)
    return Outcome(wish.action, wish.dry_run, rows, unchanged, matched - len(rows))


def _changeable(work: UnitOfWork, action: Action) -> sa.ColumnElement[bool]:
    if action == DISCARD:
        return inbox.c.state.in_(OPEN)
    later = sa.and_(inbox.c.state == DEFERRED, inbox.c.next_attempt_at > work.now)
    return sa.or_(inbox.c.state.in_((PARKED, DISCARDED)), later)


def _named(work: UnitOfWork, keys: Sequence[Key]) -> dict[Key, sa.Row[Any]]:
    assert len(keys) <= ACT_EVENTS_MAX, "the doors limit how many events may be named"
    rows = work.all(sa.select(*_SHOWN).where(_any_of(keys)))
    found = {(row.source, row.event_id): row for row in rows}
    missing = [
        Fault("event.unknown", f"events.{index}", {"event_id": key[1]})
        for index, key in enumerate(keys)
        if key not in found
    ]
    if missing:
        # A slip in one of them may be a slip in all: nothing is done.
        raise Invalid.of(missing)
    return found


def _any_of(keys: Sequence[Key]) -> sa.ColumnElement[bool]:
    return sa.tuple_(inbox.c.source, inbox.c.event_id).in_(list(keys))


def _take(
    work: UnitOfWork, wish: Wish, conditions: Sequence[sa.ColumnElement[bool]], limit: int
) -> Sequence[sa.Row[Any]]:
    statement = sa.select(*_SHOWN).where(*conditions).order_by(*_ORDER).limit(limit)
    # Waits for whoever has an event in hand just now; what that one has settled is then no longer among them.
    return work.all(statement if wish.dry_run else statement.with_for_update())


def _change(work: UnitOfWork, operator: Operator, wish: Wish, rows: Sequence[sa.Row[Any]]) -> None:
    """Change the events and write the audit: the only home of both."""
    # What once waited its turn waits for it no more: an operator has decided that it is tried, overtaken or not.
    reason = sa.case((inbox.c.reason == BEHIND, sa.null()), else_=inbox.c.reason)
    values: dict[str, Any] = (
        {"state": DEFERRED, "attempts": 0, "next_attempt_at": work.now, "settled_at": None, "reason": reason}
        if wish.action == REDRIVE
        else {"state": DISCARDED, "next_attempt_at": None, "settled_at": work.now}
    )
    this = (inbox.c.source == sa.bindparam("of_source"), inbox.c.event_id == sa.bindparam("of_event"))
    work.execute(
        inbox.update().where(*this).values(**values),
        [{"of_source": row.source, "of_event": row.event_id} for row in rows],
    )
    told = {"selection": wish.which.told()} if isinstance(wish.which, Selection) else {}
    audit = [
        {
            "id": work.ids.new_id(),
            "at": work.now,
            "actor": operator.actor[:200],
            "door": operator.door,
            "action": wish.action,
            "source": row.source,
            "event_id": row.event_id,
            "reason": wish.reason,
            "details": {
                "from_state": row.state, "attempts": row.attempts, "failure": row.reason,
                "type": row.type, "subject": row.subject, "overtaken_by": row.overtaken_by, **told,
            },
        }
        for row in rows
    ]  # fmt: skip
    work.execute(operator_actions.insert(), audit)
    # Both make something due: the events themselves, or those that waited behind them.
    work.has_made_due = True
    log.warning("parking.acted", action=wish.action, events=len(rows), door=operator.door, first=rows[0].event_id)


def parking_state(reading: Reading) -> dict[str, float]:
    """For metrics: how many events are deferred, parked and discarded, and the age of the oldest parked in seconds."""
    rows = reading.all(
        sa.select(inbox.c.state, sa.func.count().label("events"), sa.func.min(inbox.c.received_at).label("oldest"))
        .where(inbox.c.state.in_(OPEN))
        .group_by(inbox.c.state)
    )
    of_state = {row.state: row for row in rows}
    counts = {state: float(of_state[state].events) if state in of_state else 0.0 for state in OPEN}
    discarded: int = reading.scalar(sa.select(sa.func.count()).select_from(inbox).where(inbox.c.state == DISCARDED))
    age = max(0.0, (reading.now - of_state[PARKED].oldest).total_seconds()) if PARKED in of_state else 0.0
    return {**counts, DISCARDED: float(discarded), "oldest_parked_age_seconds": age}
