"""Subscribing and unsubscribing."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from services.notifications import tables
from services.notifications.domain.deliveries import State
from services.notifications.domain.subscriptions import Channel, Wish, decide_subscription
from shared.errors import NotFound
from shared.persistence.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Owner:
    """A person (account id) or a platform (client id)."""

    kind: str
    subject: str


def subscribe(
    work: UnitOfWork, owner: Owner, wish: Wish, *, language: str, email_works: bool
) -> tuple[str, str | None]:
    """Keep a subscription; returns its id and, for a webhook, the signing secret, which is shown this once."""
    subscriptions = tables.subscriptions
    so_far = work.scalar(
        sa.select(sa.func.count()).select_from(subscriptions).where(*_of(owner), subscriptions.c.deleted_at.is_(None))
    )
    decided = decide_subscription(
        wish,
        email_works=email_works,
        subscriptions_so_far=so_far,
        told_already=_told_already(work, owner, wish),
    )
    subscription_id = work.ids.new_id()
    secret = _new_secret(work) if decided.channel is Channel.WEBHOOK else None
    work.execute(
        sa.insert(subscriptions).values(
            subscription_id=subscription_id,
            owner_kind=owner.kind,
            owner=owner.subject,
            channel=decided.channel.value,
            target=decided.target,
            secret=secret,
            language=language,
            created_at=work.now,
        )
    )
    work.execute(
        sa.insert(tables.subscription_patterns),
        [{"subscription_id": subscription_id, "pattern": pattern} for pattern in decided.event_types],
    )
    return subscription_id, secret


def unsubscribe(work: UnitOfWork, owner: Owner, subscription_id: str) -> None:
    """End a subscription: nothing more is sent, target and secret are forgotten. Raises NotFound."""
    subscriptions = tables.subscriptions
    if not _end(work, subscriptions.c.subscription_id == subscription_id, *_of(owner)):
        raise NotFound("subscription.not_found")


def end_subscriptions(work: UnitOfWork, owner: Owner) -> None:
    """End every subscription of an owner who may no longer come in. Doing so again changes nothing."""
    _end(work, *_of(owner))


def disable(work: UnitOfWork, subscription_id: str, reason: str) -> None:
    """Stop sending because the receiver asked for it; the owner sees why."""
    subscriptions = tables.subscriptions
    work.execute(
        sa.update(subscriptions)
        .where(subscriptions.c.subscription_id == subscription_id, subscriptions.c.disabled_at.is_(None))
        .values(disabled_at=work.now, disabled_reason=reason)
    )
    cancel_pending(work, subscription_id)


def cancel_pending(work: UnitOfWork, subscription_id: str) -> None:
    """Let go of everything of a subscription that has not been delivered."""
    deliveries = tables.deliveries
    work.execute(
        sa.update(deliveries)
        .where(deliveries.c.subscription_id == subscription_id, deliveries.c.state == State.PENDING.value)
        .values(state=State.CANCELLED.value, settled_at=work.now)
    )


def _end(work: UnitOfWork, *which: sa.ColumnElement[bool]) -> list[str]:
    """End the living subscriptions among `which`; their ids. The subscription's row first, then its deliveries'."""
    subscriptions, patterns = tables.subscriptions, tables.subscription_patterns
    ended = [
        row.subscription_id
        for row in work.all(
            sa.update(subscriptions)
            .where(*which, subscriptions.c.deleted_at.is_(None))
            .values(deleted_at=work.now, target=None, secret=None)
            .returning(subscriptions.c.subscription_id)
        )
    ]
    if ended:
        work.execute(sa.delete(patterns).where(patterns.c.subscription_id.in_(ended)))
    for subscription_id in sorted(ended):
        cancel_pending(work, subscription_id)
    return ended


def _told_already(work: UnitOfWork, owner: Owner, wish: Wish) -> list[frozenset[str]]:
    """The patterns of each of the owner's subscriptions that sends to the wished channel and target."""
    subscriptions, patterns = tables.subscriptions, tables.subscription_patterns
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in work.all(
        sa.select(patterns)
        .join(subscriptions, subscriptions.c.subscription_id == patterns.c.subscription_id)
        .where(
            *_of(owner),
            subscriptions.c.channel == wish.channel.value,
            subscriptions.c.target == wish.target,
            subscriptions.c.disabled_at.is_(None),
            subscriptions.c.deleted_at.is_(None),
        )
    ):
        found[row.subscription_id].add(row.pattern)
    return [frozenset(each) for each in found.values()]


def _of(owner: Owner) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.subscriptions.c.owner_kind == owner.kind, tables.subscriptions.c.owner == owner.subject


def _new_secret(work: UnitOfWork) -> str:
    """A Standard Webhooks secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(bytes.fromhex(work.ids.secret())).decode()
