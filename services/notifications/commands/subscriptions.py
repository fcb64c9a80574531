"""Subscribing and unsubscribing."""

from __future__ import annotations

import base64
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
    decided = decide_subscription(wish, email_works=email_works, subscriptions_so_far=so_far)
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
    ended = work.execute(
        sa.update(subscriptions)
        .where(subscriptions.c.subscription_id == subscription_id, *_of(owner), subscriptions.c.deleted_at.is_(None))
        .values(deleted_at=work.now, target=None, secret=None)
    )
    if not ended.rowcount:
        raise NotFound("subscription.not_found")
    work.execute(
        sa.delete(tables.subscription_patterns).where(tables.subscription_patterns.c.subscription_id == subscription_id)
    )
    cancel_pending(work, subscription_id)


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


def _of(owner: Owner) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.subscriptions.c.owner_kind == owner.kind, tables.subscriptions.c.owner == owner.subject


def _new_secret(work: UnitOfWork) -> str:
    """A Standard Webhooks secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(bytes.fromhex(work.ids.secret())).decode()
