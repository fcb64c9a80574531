"""The consumer: takes batches from the bus into the inbox and runs the reactions.

One transaction per batch: inbox rows, effects, follow-up events. When anything in it fails, each event gets a
transaction of its own, so that one bad event costs its neighbours nothing but a second try. What fails is deferred or
parked in the database; returning from `accept` always means that every event of the batch is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from shared.errors import Invalid, Refusal, Unavailable
from shared.messaging import inbox
from shared.messaging.contracts import EVERYTHING, Consumed, Reaction, take_view
from shared.messaging.envelope import Event, parse
from shared.messaging.inbox import Arrival, Standing
from shared.messaging.retry import EVENT_DELAYS_SECONDS, delay_seconds
from shared.persistence.unit_of_work import UnitOfWork, Units
from shared.runtime.failpoints import Failpoints
from shared.runtime.identifiers import Identifiers
from shared.runtime.logging import get_logger

#: Source under which a message is kept that could not be read far enough to know its own.
UNREADABLE = "unreadable"
#: Reason of an event that came after a later one of its subject had its effect.
OUT_OF_ORDER = "event.out_of_order"
#: Reason of an event that the broker set aside.
DEAD_LETTERED = "event.dead_lettered"
#: Reason of an event whose attempts all ended with the process, so that none could say why.
CUT_SHORT = "event.cut_short"
#: Deferred events tried in one go.
RETRY_BATCH = 50

log = get_logger(__name__)


@dataclass
class Counts:
    """What a consumer has seen since it started, for metrics."""

    done: int = 0
    duplicates: int = 0
    deferred: int = 0
    parked: int = 0
    #: Dead letters that came home; those that had not had their effect are now parked, and not counted there.
    dead_lettered: int = 0


@dataclass(frozen=True)
class _Taken:
    arrival: Arrival
    event: Event | None
    refusal: Refusal | None


class Consumer:
    """One service's consumer. `accept` may be called from several threads, on different subjects or the same."""

    def __init__(
        self,
        units: Units,
        ids: Identifiers,
        consumes: Mapping[str, Consumed],
        reactions: Mapping[str, Reaction],
        failpoints: Failpoints,
    ) -> None:
        assert set(consumes) == set(reactions), "every consumed type needs a reaction, and the other way round"
        self._units = units
        self._ids = ids
        self._consumes = consumes
        self._reactions = reactions
        self._failpoints = failpoints
        self.counts = Counts()

    @property
    def patterns(self) -> list[str]:
        """What the service's queue is bound to; `#` covers the rest."""
        return [EVERYTHING] if EVERYTHING in self._consumes else sorted(self._consumes)

    def accept(self, bodies: Sequence[bytes]) -> None:
        """Store every message of the batch with its effect. Raises only when the database cannot store anything."""
        batch = [self._take(body) for body in bodies]
        if all(taken.event for taken in batch) and self._accept_together(batch):
            return
        for taken in batch:
            self._accept_one(taken)

    def accept_dead(self, bodies: Sequence[bytes]) -> None:
        """Park what the broker set aside because it was in hand at too many crashes of ours.

        What is done or discarded stays so. What is deferred is parked: to try it by ourselves would be the next crash.
        """
        batch = [self._take(body) for body in bodies]
        with self._units.begin(quiet=True) as work:
            for taken in batch:
                reason = " ".join(str(each) for each in (Invalid(DEAD_LETTERED), taken.refusal) if each is not None)
                inbox.put_aside(work, taken.arrival, inbox.PARKED, reason, attempts=0, next_attempt_at=None)
        self.counts.dead_lettered += len(batch)
        log.error("consumer.dead_lettered", events=len(batch), first=batch[0].arrival.event_id)

    def retry_due(self) -> int:
        """Try deferred events whose time has come; returns how many were tried."""
        with self._units.reading() as reading:
            keys = inbox.due(reading, RETRY_BATCH)
        for key in keys:
            self._retry(key)
        return len(keys)

    def replay(self, work: UnitOfWork, body: bytes) -> None:
        """Run the reaction to an event once more, in a unit of the caller's, past the inbox: for rebuilding."""
        self._react(work, take_view(self._consumes, parse(body)))

    def _take(self, body: bytes) -> _Taken:
        try:
            raw = parse(body)
        except Refusal as refusal:
            return _Taken(_arrival_of_unreadable(body), None, refusal)
        arrival = Arrival(raw.source, raw.id, raw.type, raw.subject, raw.sequence, body)
        try:
            return _Taken(arrival, take_view(self._consumes, raw), None)
        except Refusal as refusal:
            return _Taken(arrival, None, refusal)

    def _accept_together(self, batch: Sequence[_Taken]) -> bool:
        """The whole batch in one transaction; False when something in it failed and nothing was stored."""
        arrivals = [taken.arrival for taken in batch]
        try:
            with self._units.begin() as work:
                counts = self._take_in(work, batch)
                self._failpoints.reach("consumer.before_commit", [arrival.type for arrival in arrivals])
        except Exception as error:  # noqa: BLE001 - sorted out event by event, each with its own verdict
            if len(batch) > 1:
                log.info("consumer.batch_split", events=len(batch), error=repr(error))
            return False
        self._failpoints.reach("consumer.after_commit", [arrival.type for arrival in arrivals])
        self._add(counts)
        return True

    def _take_in(self, work: UnitOfWork, batch: Sequence[_Taken]) -> Counts:
        counts = Counts()
        arrivals = [taken.arrival for taken in batch]
        standings = inbox.standings(work, arrivals)
        fresh = inbox.note_done(work, arrivals)
        for taken in batch:
            arrival = taken.arrival
            if arrival.key not in fresh:
                counts.duplicates += 1
                continue
            fresh.discard(arrival.key)
            standings[arrival.order] = self._take_fresh(work, taken, standings[arrival.order], counts)
        return counts

    def _take_fresh(self, work: UnitOfWork, taken: _Taken, standing: Standing, counts: Counts) -> Standing:
        """React to an event whose turn it is; hold one whose turn it is not. Returns how far its subject is then."""
        arrival = taken.arrival
        if standing.is_open:
            inbox.hold(work, arrival, inbox.DEFERRED, inbox.BEHIND)
            counts.deferred += 1
            return standing
        if arrival.sequence <= standing.done_to:
            # No copy, and yet behind one that had its effect: the bus or the publisher broke the order. What it would
            # do now nobody can say in general; a person decides.
            _park_out_of_order(work, arrival, standing)
            counts.parked += 1
            return Standing(is_open=True, done_to=standing.done_to)
        assert taken.event is not None
        self._react(work, taken.event)
        counts.done += 1
        return Standing(is_open=False, done_to=arrival.sequence)

    def _react(self, work: UnitOfWork, event: Event) -> None:
        work.cause = event.as_cause()
        work.ids = self._ids.derived_from(f"{event.source} {event.id}", event.time)
        reaction = self._reactions.get(event.type) or self._reactions[EVERYTHING]
        reaction(work, event)

    def _accept_one(self, taken: _Taken) -> None:
        if taken.refusal is not None:
            self._park_unreadable(taken)
            return
        try:
            with self._units.begin() as work:
                counts = self._take_in(work, [taken])
                self._failpoints.reach("consumer.before_commit", [taken.arrival.type])
        except Exception as error:  # noqa: BLE001 - every failure has its place: deferred or parked, with its reason
            self._put_aside(taken.arrival, error, attempts=1)
            return
        self._failpoints.reach("consumer.after_commit", [taken.arrival.type])
        self._add(counts)

    def _park_unreadable(self, taken: _Taken) -> None:
        with self._units.begin(quiet=True) as work:
            inbox.put_aside(work, taken.arrival, inbox.PARKED, str(taken.refusal), attempts=1, next_attempt_at=None)
        self.counts.parked += 1
        log.error("consumer.parked", type=taken.arrival.type, reason=str(taken.refusal))

    def _put_aside(self, arrival: Arrival, error: Exception, *, attempts: int) -> None:
        """Defer or park by what the error says about another try. Raises when the database takes nothing at all."""
        seconds = None if _is_final(error) else delay_seconds(attempts, EVENT_DELAYS_SECONDS, self._ids.fraction())
        state = inbox.PARKED if seconds is None else inbox.DEFERRED
        with self._units.begin(quiet=True) as work:
            next_attempt_at = None if seconds is None else inbox.after(work, seconds)
            inbox.put_aside(work, arrival, state, _reason(error), attempts=attempts, next_attempt_at=next_attempt_at)
        if state == inbox.PARKED:
            self.counts.parked += 1
            log.error("consumer.parked", event_id=arrival.event_id, type=arrival.type, reason=_reason(error))
        else:
            self.counts.deferred += 1
            expected = isinstance(error, Refusal | OperationalError)
            log.log(
                20 if expected else 40,
                "consumer.deferred",
                event_id=arrival.event_id,
                type=arrival.type,
                attempts=attempts,
                seconds=seconds,
                reason=_reason(error),
                exc_info=None if expected else error,
            )

    def _retry(self, key: tuple[str, str]) -> None:
        begun = self._begin_attempt(key)
        if begun is None:
            return
        arrival, attempts = begun
        try:
            with self._units.begin() as work:
                if inbox.lock_deferred(work, key) is None:
                    return
                self._react(work, take_view(self._consumes, parse(arrival.body)))
                inbox.settle(work, key)
                self._failpoints.reach("consumer.before_commit", [arrival.type])
        except Exception as error:  # noqa: BLE001 - every failure has its place: deferred or parked, with its reason
            self._put_aside(arrival, error, attempts=attempts)
            return
        self.counts.done += 1

    def _begin_attempt(self, key: tuple[str, str]) -> tuple[Arrival, int] | None:
        """Count the attempt before it is made: an event that kills its process must not have them without end.

        Returns the event and which attempt this is; None when it is not to be tried now.
        """
        with self._units.begin(quiet=True) as work:
            row = inbox.lock_deferred(work, key)
            if row is None:
                return None
            arrival = Arrival(row.source, row.event_id, row.type, row.subject, row.sequence, bytes(row.body))
            if not _is_redriven(row) and _is_overtaken(work, arrival):
                self.counts.parked += 1
                return None
            attempts = row.attempts + 1
            if attempts > len(EVENT_DELAYS_SECONDS) + 1:
                reason = str(Invalid(CUT_SHORT))
                inbox.put_aside(work, arrival, inbox.PARKED, reason, attempts=row.attempts, next_attempt_at=None)
                self.counts.parked += 1
                log.error("consumer.cut_short", event_id=arrival.event_id, type=arrival.type)
                return None
            # Should this attempt end with the process, the next one comes after the usual wait.
            seconds = delay_seconds(
                min(attempts, len(EVENT_DELAYS_SECONDS)), EVENT_DELAYS_SECONDS, self._ids.fraction()
            )
            assert seconds is not None
            inbox.count_attempt(work, key, inbox.after(work, seconds))
            return arrival, attempts

    def _add(self, counts: Counts) -> None:
        self.counts.done += counts.done
        self.counts.duplicates += counts.duplicates
        self.counts.deferred += counts.deferred
        self.counts.parked += counts.parked


def _is_redriven(row: sa.Row[Any]) -> bool:
    """Whether an operator has just decided that this event is to be tried: only then has nothing been tried yet."""
    return bool(row.attempts == 0 and row.reason != inbox.BEHIND)


def _is_overtaken(work: UnitOfWork, arrival: Arrival) -> bool:
    """Park an event when a later one of its subject has had its effect.

    It may have been put aside before its order was looked at: behind others, or because the database failed.
    """
    standing = inbox.standings(work, [arrival])[arrival.order]
    if arrival.sequence > standing.done_to:
        return False
    _park_out_of_order(work, arrival, standing)
    return True


def _park_out_of_order(work: UnitOfWork, arrival: Arrival, standing: Standing) -> None:
    inbox.hold(work, arrival, inbox.PARKED, str(Invalid(OUT_OF_ORDER, done_to=standing.done_to)))
    log.error("consumer.out_of_order", event_id=arrival.event_id, type=arrival.type, done_to=standing.done_to)


def _is_final(error: Exception) -> bool:
    """A refusal that no repetition changes. Unknown errors get their attempts: most are bugs, some are weather."""
    return isinstance(error, Refusal) and not isinstance(error, Unavailable)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _arrival_of_unreadable(body: bytes) -> Arrival:
    """A stand-in identity, so that the same unreadable bytes are kept once and can be looked at.

    Its subject is its own digest: what cannot be read cannot hold back anything.
    """
    digest = hashlib.sha256(body).hexdigest()
    return Arrival(UNREADABLE, digest, UNREADABLE, digest, 0, body)
