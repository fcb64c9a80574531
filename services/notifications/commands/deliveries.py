"""Taking due deliveries, writing down attempts, trying again by hand. The sending itself happens outside any unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from services.notifications import tables
from services.notifications.commands.subscriptions import disable
from services.notifications.domain.deliveries import Attempt, State, Step, decide_after_attempt, decide_step
from services.notifications.domain.messages import ArchivedEvent
from services.notifications.domain.subscriptions import Channel
from services.notifications.events import DELIVERY_ABANDONED
from shared.errors import Conflict, NotFound
from shared.persistence.unit_of_work import UnitOfWork

#: Rows looked at for each that is taken, so that one busy receiver does not hide the others behind it.
LOOK_AHEAD = 5
REASON_GONE = "receiver_gone"


@dataclass(frozen=True)
class Claimed:
    """A delivery taken for sending, with all that sending needs."""

    delivery_id: str
    subscription_id: str
    target: str
    secret: str | None
    language: str
    event: ArchivedEvent


def claim_due(
    work: UnitOfWork,
    channel: Channel,
    *,
    limit: int,
    lease_seconds: float,
    in_flight: Mapping[str, int] | None = None,
    per_subscription: int | None = None,
) -> list[Claimed]:
    """Take up to `limit` due deliveries, oldest first. Whoever dies with one loses it when the lease ends.

    What an event left for a subscription that ended at the same moment is cancelled instead: it has no target any more.
    `in_flight` counts what each subscription has under way; with `per_subscription` no one gets more than its share.
    """
    deliveries, subscriptions, archive = tables.deliveries, tables.subscriptions, tables.archive
    in_flight = in_flight or {}
    full = [each for each, count in in_flight.items() if per_subscription is not None and count >= per_subscription]
    rows = work.all(
        sa.select(deliveries.c.delivery_id, subscriptions, archive)
        .join(subscriptions, subscriptions.c.subscription_id == deliveries.c.subscription_id)
        .join(archive, archive.c.event_id == deliveries.c.event_id)
        .where(
            deliveries.c.channel == channel.value,
            deliveries.c.state == State.PENDING.value,
            deliveries.c.due_at <= work.now,
            deliveries.c.subscription_id.not_in(full),
        )
        .order_by(deliveries.c.due_at, deliveries.c.delivery_id)
        .limit(limit if per_subscription is None else limit * LOOK_AHEAD)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    ended = [row.delivery_id for row in rows if row.deleted_at is not None or row.disabled_at is not None]
    if ended:
        work.execute(
            sa.update(deliveries)
            .where(deliveries.c.delivery_id.in_(ended))
            .values(state=decide_step(State.PENDING, Step.CANCELLED).value, settled_at=work.now)
        )
    alive = [row for row in rows if row.delivery_id not in ended]
    taken = _fair_share(alive, limit, Counter(in_flight), per_subscription)
    if taken:
        work.execute(
            sa.update(deliveries)
            .where(deliveries.c.delivery_id.in_([row.delivery_id for row in taken]))
            .values(due_at=work.now + timedelta(seconds=lease_seconds))
        )
    return [_claimed(row) for row in taken]


def release(work: UnitOfWork, delivery_ids: Collection[str], delay_seconds: float) -> None:
    """Give back deliveries that were taken and not tried; no attempt is counted."""
    work.execute(
        sa.update(tables.deliveries)
        .where(tables.deliveries.c.delivery_id.in_(delivery_ids), tables.deliveries.c.state == State.PENDING.value)
        .values(due_at=work.now + timedelta(seconds=delay_seconds))
    )


def record_attempt(work: UnitOfWork, delivery_id: str, attempt: Attempt) -> None:
    """Write down what came of an attempt and what follows from it.

    An attempt that ends after somebody else settled the delivery (its lease had run out) is logged and changes nothing.
    """
    deliveries = tables.deliveries
    if attempt.gone:
        _lock_subscription_of(work, delivery_id)
    row = work.lock(sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id))
    assert row is not None, "deliveries are never deleted"
    number = row.attempts + 1
    work.execute(
        sa.insert(tables.attempts).values(
            delivery_id=delivery_id,
            number=number,
            at=work.now,
            taken=attempt.taken,
            status=attempt.status,
            error=attempt.error,
            milliseconds=attempt.milliseconds,
        )
    )
    values: dict[str, object] = {"attempts": number}
    verdict = decide_after_attempt(row.attempts_in_round + 1, attempt, work.ids.fraction())
    if row.state == State.PENDING:
        state = decide_step(State(row.state), verdict.step)
        values |= {"state": state.value, "attempts_in_round": row.attempts_in_round + 1}
        if verdict.delay_seconds is not None:
            values["due_at"] = work.now + timedelta(seconds=verdict.delay_seconds)
        if state is not State.PENDING:
            values["settled_at"] = work.now
    work.execute(sa.update(deliveries).where(deliveries.c.delivery_id == delivery_id).values(**values))
    if row.state == State.PENDING and verdict.step is Step.GIVEN_UP:
        _tell_operators(work, row, number)
    if verdict.disables_subscription:
        disable(work, row.subscription_id, REASON_GONE)


def retry_delivery(work: UnitOfWork, delivery_id: str) -> None:
    """Begin a new round of attempts for a delivery that was given up. Raises NotFound and Conflict."""
    deliveries, subscriptions = tables.deliveries, tables.subscriptions
    row = work.lock(sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id))
    if row is None:
        raise NotFound("delivery.not_found")
    state = decide_step(State(row.state), Step.RETRIED)
    subscription = work.one(
        sa.select(subscriptions.c.disabled_at, subscriptions.c.deleted_at).where(
            subscriptions.c.subscription_id == row.subscription_id
        )
    )
    if subscription.disabled_at is not None or subscription.deleted_at is not None:
        raise Conflict("delivery.subscription_ended")
    work.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id)
        .values(state=state.value, attempts_in_round=0, due_at=work.now, settled_at=None)
    )


def _lock_subscription_of(work: UnitOfWork, delivery_id: str) -> None:
    """Lock the subscription before its deliveries, the order in which unsubscribing does it: no two units can then hold
    a delivery each and wait for one another.
    """
    mine = sa.select(tables.deliveries.c.subscription_id).where(tables.deliveries.c.delivery_id == delivery_id)
    subscriptions = tables.subscriptions
    work.lock(
        sa.select(subscriptions.c.subscription_id).where(subscriptions.c.subscription_id == mine.scalar_subquery())
    )


def _fair_share(
    rows: Sequence[sa.Row[Any]], limit: int, count: Counter[str], per_subscription: int | None
) -> list[sa.Row[Any]]:
    taken: list[sa.Row[Any]] = []
    for row in rows:
        if len(taken) == limit:
            break
        if per_subscription is not None and count[row.subscription_id] >= per_subscription:
            continue
        count[row.subscription_id] += 1
        taken.append(row)
    return taken


def _claimed(row: sa.Row[Any]) -> Claimed:
    event = ArchivedEvent(
        event_id=row.event_id,
        type=row.type,
        source=row.source,
        subject=row.subject,
        sequence=row.sequence,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        article=row.article,
        time=row.time,
        data=row.data,
    )
    return Claimed(row.delivery_id, row.subscription_id, row.target, row.secret, row.language, event)


def _tell_operators(work: UnitOfWork, row: sa.Row[Any], attempts: int) -> None:
    archive = tables.archive
    event = work.one(sa.select(archive.c.type, archive.c.correlation_id).where(archive.c.event_id == row.event_id))
    work.record(
        DELIVERY_ABANDONED,
        subject=row.delivery_id,
        data={
            "delivery_id": row.delivery_id,
            "channel": row.channel,
            "event_id": row.event_id,
            "event_type": event.type,
            "attempts": attempts,
        },
        correlation_id=event.correlation_id,
    )
