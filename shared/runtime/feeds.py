"""What an operator does with the feeds of all services for one of them: catching up, rebuilding.

Where the feeds are read from is handed in (`shared.messaging.sources.Source`); in what words things are reported is
`shared.web.feed_commands`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from shared.errors import Conflict
from shared.messaging import feed, sources
from shared.messaging.contracts import EVERYTHING
from shared.messaging.envelope import source_of
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox_state
from shared.messaging.rebuilding import Rebuilt, Silent, rebuild
from shared.messaging.sources import Source
from shared.persistence.database import Database, Leadership
from shared.persistence.unit_of_work import Units
from shared.runtime.assembly import Assembly
from shared.runtime.clock import rfc3339

#: Archived events compared in one go.
PAGE = 500
#: Numbers left out above those that are known to have been given: events that had been numbered, and whose copies had
#: not reached the archive when it was asked. A relay numbers 500 at a time.
RESTORE_MARGIN = 1_000

#: Called with how far each feed was read.
Report = Callable[[Mapping[str, int]], object]


@dataclass(frozen=True)
class FeedAtHand:
    """The feed of a service whose database this process holds anyway."""

    assembly: Assembly

    @property
    def service(self) -> str:
        """Whose feed it is."""
        return self.assembly.service.name

    def page(self, after: int, types: Sequence[str]) -> feed.Page:
        """See the port."""
        with self.assembly.reading() as reading:
            return feed.read(reading, after, types=types)


def services_heard(assembly: Assembly) -> list[str]:
    """The services whose feeds matter to this one: those it names, and where it hears everything, those it has heard."""
    found = sources.heard(assembly.service.consumes)
    if EVERYTHING in assembly.service.consumes:
        found.add(assembly.service.name)
        with assembly.reading() as reading:
            rows = reading.all(sa.select(inbox.c.source).distinct().limit(100))
        ours = source_of("")
        found |= {row.source.removeprefix(ours) for row in rows if row.source.startswith(ours)}
    return sorted(found)


@contextmanager
def worker_kept_out(assembly: Assembly) -> Iterator[None]:
    """Nobody relays for this service while the block runs. Conflict `feed.worker_runs` where a worker does already."""
    leadership = Leadership(assembly.database, f"relay:{assembly.service.name}", may_be_silent=True)
    if not leadership.ensure():
        raise Conflict("feed.worker_runs", service=assembly.service.name)
    try:
        yield
    finally:
        leadership.release()


def catch_up(
    assembly: Assembly, feeds: Collection[Source], *, after: Mapping[str, int], report: Report
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Take in everything of these feeds that was not had; returns how far each was read, and the counts of outcomes."""
    consumer = assembly.consumer()
    numbers = sources.catch_up(
        consumer,
        assembly.service.consumes,
        feeds,
        after=after,
        batch=assembly.settings.consumer_batch,
        report=report,
    )
    return numbers, dict(vars(consumer.counts))


def rebuild_projections(
    assembly: Assembly, feeds: Collection[Source], *, swap: bool, accept_unsourced: bool = False, report: Report
) -> Rebuilt:
    """Rebuild what the service derives from others, compare, and with `swap` mend what differs."""
    projections = assembly.service.projections
    derived = {each.table for projection in projections for each in projection.tables}
    own = assembly.service.metadata.sorted_tables
    # A connection of its own, closed afterwards: the shadows live and end with it.
    database = Database(assembly.settings.database_url, pool_size=1)
    units = Units(database, assembly.wakeups, assembly.clock, assembly.ids, Silent())
    try:
        with units.begin() as work:
            return rebuild(
                work,
                assembly.consumer(),
                projections,
                feeds,
                all_tables=[*own, *(table for table in derived if table not in own)],
                swap=swap,
                accept_unsourced=accept_unsourced,
                report=report,
            )
    finally:
        database.dispose()


@dataclass(frozen=True)
class RestorePoint:
    """What a service that was restored to an earlier point must know."""

    #: Events it had told, which others have and its outbox has not.
    lost: int
    #: The last number of its feed that may have been given, and more.
    head: int
    #: Subjects of lost events.
    subjects: int


def restore_point(
    assembly: Assembly,
    archived: Iterable[Mapping[str, Any]],
    *,
    apply: bool,
    lost: Callable[[Mapping[str, Any]], object],
) -> RestorePoint:
    """Compare the outbox with the archive of what this service has told; `lost` hears of every event that is missing.

    With `apply`, the feed's head and the subjects' sequences are raised above everything that was ever given, so that
    nobody takes what is told from now on for old. Doing so again changes nothing.
    """
    sequences: dict[str, int] = {}
    count = 0
    with assembly.reading() as reading:
        oldest = feed.oldest_kept(reading)
    for page in sources.in_batches(archived, PAGE):
        with assembly.reading() as reading:
            missing = feed.unknown_here(reading, [event["event_id"] for event in page])
        for event in page:
            # What was removed for its age is not lost.
            if event["event_id"] in missing and (oldest is None or event["time"] >= rfc3339(oldest)):
                sequences[event["subject"]] = max(sequences.get(event["subject"], 0), event["sequence"])
                count += 1
                lost(event)
    with assembly.reading() as reading:
        # An event told had one number at most. Those that were still unsent in the backup may have been sent since,
        # and some numbered ones may have reached nobody's archive yet.
        head = feed.last_numbered(reading) + count + int(outbox_state(reading)["pending"]) + RESTORE_MARGIN
    if apply:
        with assembly.begin() as work:
            feed.raise_above(work, head=head, sequences=sequences)
    return RestorePoint(count, head, len(sequences))
