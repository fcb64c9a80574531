"""Making derived tables anew from the feeds, in the shadow of the real ones, and comparing the two row by row.

A projection is a set of tables that hold nothing but what events of others said. A rebuild plays those events, in the
order and at the times at which they once had their effect, through the very same reactions; whatever else a reaction
writes or records goes nowhere. Then what is there is held against what should be there, and mended where wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from shared.errors import Refusal
from shared.messaging.consumer import Consumer
from shared.messaging.contracts import EVERYTHING
from shared.messaging.envelope import source_of
from shared.messaging.inbox import DONE, inbox
from shared.messaging.sources import Read, Source, in_batches, read_all
from shared.persistence.columns import Utc
from shared.persistence.shadow import DerivedTable, Difference, Shadows, create_temporary, keep_writers_out, take_time
from shared.persistence.unit_of_work import UnitOfWork

#: Events staged and played in one go.
PAGE = 500
#: Differences and problems kept for the report; what lies beyond is counted.
SHOWN_MAX = 100


@dataclass(frozen=True)
class Projection:
    """Tables that follow from these event types and from nothing else; those that others refer to come first."""

    name: str
    events: Sequence[str]
    tables: Sequence[DerivedTable]


@dataclass
class Rebuilt:
    """What a rebuild found."""

    #: Events played.
    played: int = 0
    #: Events of the feeds that have not had their effect here yet: still on their way, deferred, parked, discarded.
    waiting: int = 0
    #: Events that had their effect here and are in no feed any more.
    unsourced: list[str] = field(default_factory=list)
    #: Events whose reaction refused them when played, with the reason.
    refused: list[tuple[str, str]] = field(default_factory=list)
    #: The first differences, and how many there were by projection.
    differences: list[Difference] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    #: Rows mended.
    mended: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything that had its effect here could be played: only then is a difference a fault."""
        return not self.unsourced and not self.refused

    @property
    def differ(self) -> int:
        """How many rows are not as they should be."""
        return sum(self.counts.values())


class Silent:
    """The recorder of a rebuild: what was told once is not told again."""

    def note(self, work: UnitOfWork, event_type: str, **rest: Any) -> _Untold:  # noqa: ARG002 - the port's names
        """Nothing is checked and nothing kept."""
        return _Untold(event_type)

    def write(self, connection: sa.Connection, recorded: Sequence[Any]) -> None:
        """Nothing to write."""


@dataclass
class _Untold:
    type: str
    event_id: str = ""


_staged = sa.Table(
    "rebuild_events",
    sa.MetaData(),
    sa.Column("source", sa.String(200), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.String(200), nullable=False, index=True),
    sa.Column("settled_at", Utc, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("ix_rebuild_events_order", "settled_at", "source", "number"),
    prefixes=["TEMPORARY"],
)


def rebuild(
    work: UnitOfWork,
    consumer: Consumer,
    projections: Sequence[Projection],
    sources: Collection[Source],
    *,
    all_tables: Iterable[sa.Table],
    swap: bool,
    accept_unsourced: bool = False,
    report: Callable[[Mapping[str, int]], object] = id,
) -> Rebuilt:
    """Rebuild, compare, and with `swap` mend. The unit's connection must not be used again: it keeps the shadows.

    `all_tables` are all that reactions write; every one is shadowed, so that a reaction cannot touch a real row. With
    events that no feed has, nothing is mended unless `accept_unsourced`: the rows they made would be taken for wrong.
    """
    take_time(work)
    # The consumer waits until this is over: what it did is then what the inbox says.
    keep_writers_out(work, inbox)
    found = Rebuilt()
    create_temporary(work.connection, _staged)
    types = sorted({each for projection in projections for each in projection.events})
    _stage(work, sources, types, found, report)
    _note_unsourced(work, types, found)
    shadows = Shadows(work, all_tables)
    _play(work, consumer, found, report)
    for projection in projections:
        _compare(shadows, projection, found)
    if swap and found.differ and (found.is_whole or (accept_unsourced and not found.refused)):
        for projection in projections:
            found.mended += shadows.mend(projection.tables)
    return found


def _stage(
    work: UnitOfWork,
    sources: Collection[Source],
    types: Sequence[str],
    found: Rebuilt,
    report: Callable[[Mapping[str, int]], object],
) -> None:
    numbers: dict[str, int] = {}
    for source in sources:
        wanted = [] if EVERYTHING in types else [each for each in types if each.startswith(f"{source.service}.")]
        if not wanted and EVERYTHING not in types:
            continue
        for page in in_batches(read_all(source, 0, wanted), PAGE):
            found.waiting += len(page) - _stage_page(work, source.service, page)
            numbers[source.service] = page[-1].number
            report(numbers)


def _stage_page(work: UnitOfWork, service: str, page: Sequence[Read]) -> int:
    """Keep those that are done, with the instant at which they were; returns how many."""
    rows = work.all(
        sa.select(inbox.c.event_id, inbox.c.settled_at).where(
            inbox.c.source == source_of(service),
            inbox.c.event_id.in_([read.event.id for read in page]),
            inbox.c.state == DONE,
        )
    )
    settled = {row.event_id: row.settled_at for row in rows}
    staged = [
        {
            "source": source_of(service),
            "number": read.number,
            "event_id": read.event.id,
            "settled_at": settled[read.event.id],
            "body": read.body,
        }
        for read in page
        if read.event.id in settled
    ]
    if staged:
        work.execute(_staged.insert(), staged)
    return len(staged)


def _note_unsourced(work: UnitOfWork, types: Sequence[str], found: Rebuilt) -> None:
    is_staged = sa.exists().where(_staged.c.source == inbox.c.source, _staged.c.event_id == inbox.c.event_id)
    wanted = [inbox.c.state == DONE, ~is_staged]
    if EVERYTHING not in types:
        wanted.append(inbox.c.type.in_(types))
    rows = work.all(
        sa.select(inbox.c.source, inbox.c.event_id).where(*wanted).order_by(inbox.c.settled_at).limit(SHOWN_MAX)
    )
    found.unsourced = [f"{row.source} {row.event_id}" for row in rows]


def _play(work: UnitOfWork, consumer: Consumer, found: Rebuilt, report: Callable[[Mapping[str, int]], object]) -> None:
    """Every staged event through its reaction; what is refused for want of another gets its turn after the others."""
    waiting: list[sa.Row[Any]] = []
    for row in _staged_in_order(work):
        if _refusal_of(work, consumer, row) is None:
            found.played += 1
        else:
            waiting.append(row)
        if found.played % PAGE == 0:
            report({"": found.played})
    while waiting:
        again = [(row, _refusal_of(work, consumer, row)) for row in waiting]
        found.played += sum(1 for _, reason in again if reason is None)
        refused = [(row, reason) for row, reason in again if reason is not None]
        if len(refused) == len(waiting):
            found.refused = [(f"{row.source} {row.event_id}", reason) for row, reason in refused][:SHOWN_MAX]
            return
        waiting = [row for row, _ in refused]


def _staged_in_order(work: UnitOfWork) -> Iterator[sa.Row[Any]]:
    place = (_staged.c.settled_at, _staged.c.source, _staged.c.number)
    wanted = sa.select(_staged).order_by(*place).limit(PAGE)
    page = work.all(wanted)
    while page:
        yield from page
        last = page[-1]
        here = sa.tuple_(*(sa.literal(getattr(last, column.name), column.type) for column in place))
        page = work.all(wanted.where(sa.tuple_(*place) > here))


def _refusal_of(work: UnitOfWork, consumer: Consumer, row: sa.Row[Any]) -> str | None:
    """Play one event at the instant at which it once had its effect; the reason where its reaction refuses it."""
    then = UnitOfWork(work.connection, row.settled_at, ids=work.ids, cause=work.cause, recorder=Silent())
    try:
        with work.connection.begin_nested():
            consumer.replay(then, bytes(row.body))
            then.write()
    except Refusal as refusal:
        return str(refusal)
    return None


def _compare(shadows: Shadows, projection: Projection, found: Rebuilt) -> None:
    found.counts[projection.name] = 0
    for derived in projection.tables:
        for difference in shadows.differences(derived):
            found.counts[projection.name] += 1
            if len(found.differences) < SHOWN_MAX:
                found.differences.append(difference)
