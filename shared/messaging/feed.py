"""The feed: a service's sent events under gap-free numbers, for whoever was not there when they were sent.

Numbers are given in the order of sending (`outbox.mark_sent`), so who has read up to N has missed nothing below it:
there are no late-comers. Removing old events (`prune`) is done from the low end only and leaves its mark. Must not
know HTTP; `shared.web.feed` serves it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from shared.errors import Gone, Invalid
from shared.messaging.outbox import FEED, outbox, outbox_feed, outbox_subjects
from shared.persistence.database import count_up
from shared.persistence.unit_of_work import Reading, UnitOfWork

#: Events on a page at most: half a megabyte of our envelopes.
LIMIT_MAX = 500
#: Numbers looked through for one page. Of a rare type there may be one in a million; the reader comes back instead of
#: waiting for a look at everything.
WINDOW = 20_000
#: Events removed in one transaction, so that its locks are short.
PRUNE_BATCH = 1_000


@dataclass(frozen=True)
class Entry:
    """One event of a feed; `envelope` is the text that was published."""

    number: int
    type: str
    envelope: str


@dataclass(frozen=True)
class Page:
    """What a look at the feed gave. `next` is how far it has read, events of other types and all."""

    entries: Sequence[Entry]
    next: int
    head: int
    pruned_to: int

    @property
    def is_last(self) -> bool:
        """Whether there was nothing beyond it."""
        return self.next >= self.head


@dataclass(frozen=True)
class Bounds:
    """How far a feed reaches: the last number given, and the last one that was removed."""

    head: int
    pruned_to: int


def bounds(reading: Reading) -> Bounds:
    """Where the feed ends and begins. The cheapest question, for those who wait."""
    row = reading.first(sa.select(outbox_feed.c.head, outbox_feed.c.pruned_to).where(outbox_feed.c.id == FEED))
    return Bounds(row.head, row.pruned_to) if row is not None else Bounds(0, 0)


def read(
    reading: Reading, after: int, *, types: Collection[str] = (), limit: int = LIMIT_MAX, window: int = WINDOW
) -> Page:
    """The events behind number `after`, of these types or of all.

    Gone `feed.removed` where some of them were removed for their age; Invalid `feed.beyond_head` where the feed does
    not reach that far. One statement: bounds and events are of the same moment.
    """
    assert 0 < limit <= LIMIT_MAX, "bounded by the caller's form"
    wanted = [outbox.c.feed_number > after, outbox.c.feed_number <= after + window]
    if types:
        wanted.append(outbox.c.type.in_(sorted(types)))
    rows = reading.all(
        sa.select(outbox_feed.c.head, outbox_feed.c.pruned_to, outbox.c.feed_number, outbox.c.type, outbox.c.envelope)
        .select_from(outbox_feed.outerjoin(outbox, sa.and_(*wanted)))
        .where(outbox_feed.c.id == FEED)
        .order_by(outbox.c.feed_number)
        .limit(limit)
    )
    head, pruned_to = (rows[0].head, rows[0].pruned_to) if rows else (0, 0)
    if after < pruned_to:
        raise Gone("feed.removed", field="after", first=pruned_to + 1)
    if after > head:
        raise Invalid("feed.beyond_head", field="after", head=head)
    entries = [Entry(row.feed_number, row.type, row.envelope) for row in rows if row.feed_number is not None]
    is_full = len(entries) == limit
    return Page(entries, entries[-1].number if is_full else min(head, after + window), head, pruned_to)


def prune(work: UnitOfWork, sent_before: datetime, batch: int = PRUNE_BATCH) -> int:
    """Remove the oldest events that were sent before an instant, a batch at most; returns how many went.

    From the low end only, up to the first that is younger: what is left has no holes. The subjects' counters stay, or
    their sequences would begin anew.
    """
    oldest = work.all(
        sa.select(outbox.c.feed_number, outbox.c.sent_at)
        .where(outbox.c.feed_number > bounds(work).pruned_to)
        .order_by(outbox.c.feed_number)
        .limit(batch)
    )
    old: list[int] = []
    for row in oldest:
        if row.sent_at >= sent_before:
            break
        old.append(row.feed_number)
    if not old:
        return 0
    removed = work.execute(outbox.delete().where(outbox.c.feed_number <= old[-1]))
    work.execute(
        outbox_feed.update()
        .where(outbox_feed.c.id == FEED, outbox_feed.c.pruned_to < old[-1])
        .values(pruned_to=old[-1])
    )
    return int(removed.rowcount)


def raise_above(work: UnitOfWork, *, head: int, sequences: Mapping[str, int]) -> int:
    """Never again give a number up to `head`, nor one of these subjects a sequence it had; returns what was raised.

    For a service that was restored to an earlier point: what it published after that, others have seen. Doing so again
    changes nothing.
    """
    raised = 0
    count_up(work.connection, outbox_feed, {"id": FEED}, "head", by=0)
    for subject in sorted(sequences):
        known = count_up(work.connection, outbox_subjects, {"subject": subject}, "sequence", by=0)
        if known < sequences[subject]:
            count_up(work.connection, outbox_subjects, {"subject": subject}, "sequence", by=sequences[subject] - known)
            raised += 1
    changed = work.execute(
        outbox_feed.update().where(outbox_feed.c.id == FEED, outbox_feed.c.head < head).values(head=head)
    )
    return raised + int(changed.rowcount)


def unknown_here(reading: Reading, event_ids: Collection[str]) -> set[str]:
    """Those of these events that the outbox has not."""
    known = reading.all(sa.select(outbox.c.event_id).where(outbox.c.event_id.in_(event_ids)))
    return set(event_ids) - {row.event_id for row in known}


def oldest_kept(reading: Reading) -> datetime | None:
    """When the oldest event still in the outbox was recorded; None while none was removed for its age."""
    if not bounds(reading).pruned_to:
        return None
    oldest: datetime | None = reading.scalar(sa.select(outbox.c.recorded_at).order_by(outbox.c.position).limit(1))
    return oldest


def last_numbered(reading: Reading) -> int:
    """The highest number that an event of the outbox has; below the head where that was raised."""
    number = reading.scalar(sa.select(sa.func.max(outbox.c.feed_number)))
    return int(number or bounds(reading).pruned_to)
