"""The relay: takes unsent events from the outbox to the bus. One leader per service keeps the order per subject.

Reads in one transaction, publishes in none, marks in others, while the rest is still on its way: that of the same look, or
of the next one where more is known to wait. A crash in between publishes again; the consumers' inboxes make that harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from shared.messaging.outbox import mark_sent, unsent
from shared.messaging.transport import BrokerUnavailable, Message, Publisher
from shared.persistence.unit_of_work import Units
from shared.runtime.failpoints import Failpoints
from shared.runtime.logging import get_logger

#: Batches that one look into the outbox is good for. All but the last are marked while the bus works on those behind them;
#: with many more, events would be read long before they are sent.
BATCHES_PER_LOOK = 4
#: Refused subjects passed over in one round at most; with more, the bus is at fault rather than a few events.
REFUSED_SUBJECTS_MAX = 1_000

log = get_logger(__name__)


class Relay:
    """One service's relay. Not thread-safe: it belongs to one thread."""

    def __init__(self, units: Units, publisher: Publisher, failpoints: Failpoints, batch: int) -> None:
        self._units = units
        self._publisher = publisher
        self._failpoints = failpoints
        self._batch = batch
        #: Confirmed rows that are not yet marked. The next look leaves them out; they are marked while the bus works on
        #: what it finds, or at once when there is nothing.
        self._unmarked: list[sa.Row[Any]] = []
        #: Subjects whose oldest event was refused in this round. They are passed over, or a long row of events behind
        #: one that nobody takes would fill every batch and keep all other subjects waiting.
        self._refused_subjects: set[str] = set()
        #: Whether the last look found all there was, and nothing is passed over: no need to look again before a commit tells.
        self.found_all = False
        #: Refusals since the start, for metrics; an event that stays refused counts at every try.
        self.refusals = 0

    def publish_waiting(
        self, still_here: Callable[[], object] = lambda: None, more_waits: Callable[[], bool] = lambda: False
    ) -> tuple[int, int]:
        """Look once and send what is found. Returns how many were confirmed and how many refused; (0, 0): the round is over.

        The next round tries what was refused again. `still_here` is called between two batches, for a leader who must not be
        silent for long. `more_waits` says whether this will be called again at once: the last batch is then marked behind the
        next publishing, so that what waits does not wait for that too. Raises BrokerUnavailable; what was not confirmed by
        then stays unsent.
        """
        if len(self._refused_subjects) >= REFUSED_SUBJECTS_MAX:
            self._refused_subjects.clear()
        limit = self._batch * BATCHES_PER_LOOK
        with self._units.reading() as reading:
            unmarked = [row.position for row in self._unmarked]
            rows = unsent(reading, limit, without=self._refused_subjects, confirmed=unmarked)
        if not rows:
            self._mark()
            self._refused_subjects.clear()
            return 0, 0
        told: list[str | None] = []

        def settled(outcomes: Sequence[str | None]) -> None:
            batch = rows[len(told) : len(told) + len(outcomes)]
            told.extend(outcomes)
            self._settle(list(zip(batch, outcomes, strict=True)))
            is_last = len(told) == len(rows)
            if not (is_last and more_waits()):
                self._mark()
            if not is_last:
                still_here()

        self._failpoints.reach("relay.before_publish", [row.type for row in rows])
        messages = [Message(row.event_id, row.type, row.subject, row.envelope.encode("utf-8")) for row in rows]
        try:
            self._publisher.publish(messages, portion=self._batch, meanwhile=self._mark, settled=settled)
        except BrokerUnavailable:
            self._mark()
            raise
        self.found_all = len(rows) < limit and not self._refused_subjects
        confirmed = told.count(None)
        return confirmed, len(told) - confirmed

    def _settle(self, told: Sequence[tuple[sa.Row[Any], str | None]]) -> None:
        """Remember what was taken of a batch, to mark it, and pass over the subjects of what was not."""
        self._failpoints.reach("relay.after_confirm", [row.type for row, _ in told])
        self._unmarked += [row for row, reason in told if reason is None]
        if refused := [(row, reason) for row, reason in told if reason is not None]:
            self.refusals += len(refused)
            self._refused_subjects.update(row.subject for row, _ in refused)
            # One line a batch: with a queue gone there may be thousands, and each is tried again every few seconds.
            row, reason = refused[0]
            log.error("relay.refused", events=len(refused), first=row.event_id, type=row.type, reason=reason)

    def _mark(self) -> None:
        """Mark what is confirmed. When that fails, it is confirmed still, and marked the next time."""
        if not self._unmarked:
            return
        with self._units.begin(quiet=True) as work:
            mark_sent(work, [row.event_id for row in self._unmarked])
        marked, self._unmarked = self._unmarked, []
        self._failpoints.reach("relay.after_mark", [row.type for row in marked])
