"""The tables of notifications and nothing else: archive, subscriptions, deliveries with their attempts, notices."""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.columns import Identifier, Json, Utc, new_metadata

METADATA = new_metadata()

#: Widths of what comes from elsewhere: what the envelope lets through.
Foreign = sa.String(200)

archive = sa.Table(
    "archive",
    METADATA,
    sa.Column("event_id", Foreign, primary_key=True),
    sa.Column("type", Foreign, nullable=False),
    sa.Column("source", Foreign, nullable=False),
    sa.Column("subject", Foreign, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("correlation_id", Foreign, nullable=False, index=True),
    sa.Column("causation_id", Foreign),
    sa.Column("article", Foreign),
    sa.Column("time", Utc(), nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("received_at", Utc(), nullable=False),
)

subscriptions = sa.Table(
    "subscriptions",
    METADATA,
    sa.Column("subscription_id", Identifier, primary_key=True),
    sa.Column("owner_kind", sa.String(10), nullable=False),
    sa.Column("owner", Foreign, nullable=False),
    sa.Column("channel", sa.String(10), nullable=False),
    # Gone, like the secret, once the subscription is deleted.
    sa.Column("target", sa.String(2000)),
    # In the clear: it is needed for every signature. Losing it costs a receiver's trust in our webhooks, nothing else.
    sa.Column("secret", sa.String(100)),
    sa.Column("language", sa.String(10), nullable=False),
    sa.Column("created_at", Utc(), nullable=False),
    sa.Column("disabled_at", Utc()),
    sa.Column("disabled_reason", sa.String(40)),
    sa.Column("deleted_at", Utc()),
    sa.CheckConstraint("channel IN ('inbox', 'email', 'webhook')", name="channel"),
    sa.CheckConstraint("owner_kind IN ('person', 'platform')", name="owner_kind"),
    sa.Index("ix_subscriptions_owner", "owner_kind", "owner", "created_at", "subscription_id"),
)

# A row per pattern: which subscriptions an event concerns is one look into an index, however many there are.
subscription_patterns = sa.Table(
    "subscription_patterns",
    METADATA,
    sa.Column("subscription_id", Identifier, sa.ForeignKey("subscriptions.subscription_id"), primary_key=True),
    sa.Column("pattern", sa.String(200), primary_key=True, index=True),
)

deliveries = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("delivery_id", Identifier, primary_key=True),
    sa.Column("subscription_id", Identifier, sa.ForeignKey("subscriptions.subscription_id"), nullable=False),
    sa.Column("event_id", Foreign, sa.ForeignKey("archive.event_id"), nullable=False, index=True),
    sa.Column("channel", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Attempts since it was last set going; a retry by hand begins a new round of the schedule.
    sa.Column("attempts_in_round", sa.Integer, nullable=False),
    # When it may be taken next. Whoever takes it moves this on by a lease: dying with it means it falls due again.
    sa.Column("due_at", Utc(), nullable=False),
    sa.Column("created_at", Utc(), nullable=False),
    sa.Column("settled_at", Utc()),
    sa.UniqueConstraint("subscription_id", "event_id"),
    sa.CheckConstraint("state IN ('pending', 'delivered', 'abandoned', 'cancelled')", name="state"),
    sa.Index(
        "ix_deliveries_due",
        "channel",
        "due_at",
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    ),
    sa.Index("ix_deliveries_order", "created_at", "delivery_id"),
)

attempts = sa.Table(
    "attempts",
    METADATA,
    sa.Column("delivery_id", Identifier, sa.ForeignKey("deliveries.delivery_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Utc(), nullable=False),
    sa.Column("taken", sa.Boolean, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.String(40)),
    sa.Column("milliseconds", sa.Integer, nullable=False),
)

# What the in-app inbox shows. A recipient is a person, a platform, or everybody who holds a role.
notices = sa.Table(
    "notices",
    METADATA,
    sa.Column("notice_id", Identifier, primary_key=True),
    sa.Column("recipient_kind", sa.String(10), nullable=False),
    sa.Column("recipient", Foreign, nullable=False),
    sa.Column("event_id", Foreign, sa.ForeignKey("archive.event_id"), nullable=False),
    sa.Column("created_at", Utc(), nullable=False),
    sa.UniqueConstraint("recipient_kind", "recipient", "event_id"),
    sa.CheckConstraint("recipient_kind IN ('person', 'platform', 'role')", name="recipient_kind"),
    sa.Index("ix_notices_order", "recipient_kind", "recipient", "created_at", "notice_id"),
)

notice_reads = sa.Table(
    "notice_reads",
    METADATA,
    sa.Column("notice_id", Identifier, sa.ForeignKey("notices.notice_id"), primary_key=True),
    sa.Column("reader", Foreign, primary_key=True),
    sa.Column("read_at", Utc(), nullable=False),
)
