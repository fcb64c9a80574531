"""Keeping events, and making a delivery for every subscription that asked for one."""

from __future__ import annotations

import sqlalchemy as sa

from services.notifications import tables
from services.notifications.domain.deliveries import State
from services.notifications.domain.messages import ArchivedEvent
from services.notifications.domain.subscriptions import Channel, is_fanned_out, patterns_matching
from services.notifications.events import DELIVERY_ABANDONED
from shared.errors import Conflict
from shared.persistence.unit_of_work import UnitOfWork

#: The role whose holders find abandoned deliveries in their inbox.
OPERATORS = "operator"


def archive_event(work: UnitOfWork, event: ArchivedEvent) -> None:
    """Keep the event and fan it out; an event that is kept already is not fanned out again."""
    row = {
        "event_id": event.event_id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "sequence": event.sequence,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "article": event.article,
        "time": event.time,
        "data": dict(event.data),
        "received_at": work.now,
    }
    if not work.insert_if_absent(tables.archive, row):
        known = work.scalar(sa.select(tables.archive.c.source).where(tables.archive.c.event_id == event.event_id))
        if known != event.source:
            raise Conflict("archive.id_taken", event_id=event.event_id)
        return
    if is_fanned_out(event.type):
        _fan_out(work, event)
    elif event.type == DELIVERY_ABANDONED:
        _put_notice(work, "role", OPERATORS, event.event_id)


def _fan_out(work: UnitOfWork, event: ArchivedEvent) -> None:
    patterns, subscriptions = tables.subscription_patterns, tables.subscriptions
    matching = work.all(
        sa.select(
            subscriptions.c.subscription_id,
            subscriptions.c.channel,
            subscriptions.c.owner_kind,
            subscriptions.c.owner,
        )
        .join(patterns, patterns.c.subscription_id == subscriptions.c.subscription_id)
        .where(
            patterns.c.pattern.in_(patterns_matching(event.type)),
            subscriptions.c.disabled_at.is_(None),
            subscriptions.c.deleted_at.is_(None),
        )
        .distinct()
    )
    for each in matching:
        at_once = each.channel == Channel.INBOX
        work.add(
            tables.deliveries,
            {
                "delivery_id": work.ids.new_id(each.subscription_id),
                "subscription_id": each.subscription_id,
                "event_id": event.event_id,
                "channel": each.channel,
                "state": (State.DELIVERED if at_once else State.PENDING).value,
                "attempts": 0,
                "attempts_in_round": 0,
                "due_at": work.now,
                "created_at": work.now,
                "settled_at": work.now if at_once else None,
            },
        )
        if at_once:
            _put_notice(work, each.owner_kind, each.owner, event.event_id)


def _put_notice(work: UnitOfWork, recipient_kind: str, recipient: str, event_id: str) -> None:
    # Two subscriptions of one owner may want the same event; the inbox shows it once.
    work.insert_if_absent(
        tables.notices,
        {
            "notice_id": work.ids.new_id(),
            "recipient_kind": recipient_kind,
            "recipient": recipient,
            "event_id": event_id,
            "created_at": work.now,
        },
    )
