"""The tables of notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Json, Utc

revision = "notifications_0001"
down_revision = None
branch_labels = None
depends_on = None

Foreign = sa.String(200)


def upgrade() -> None:
    op.create_table(
        "archive",
        sa.Column("event_id", Foreign, nullable=False),
        sa.Column("type", Foreign, nullable=False),
        sa.Column("source", Foreign, nullable=False),
        sa.Column("subject", Foreign, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("correlation_id", Foreign, nullable=False),
        sa.Column("causation_id", Foreign),
        sa.Column("article", Foreign),
        sa.Column("time", Utc(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_archive"),
    )
    op.create_index("ix_archive_correlation_id", "archive", ["correlation_id"])
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("owner_kind", sa.String(10), nullable=False),
        sa.Column("owner", Foreign, nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("target", sa.String(2000)),
        sa.Column("secret", sa.String(100)),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("disabled_at", Utc()),
        sa.Column("disabled_reason", sa.String(40)),
        sa.Column("deleted_at", Utc()),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_subscriptions"),
        sa.CheckConstraint("channel IN ('inbox', 'email', 'webhook')", name=op.f("ck_subscriptions_channel")),
        sa.CheckConstraint("owner_kind IN ('person', 'platform')", name=op.f("ck_subscriptions_owner_kind")),
    )
    op.create_index("ix_subscriptions_owner", "subscriptions", ["owner_kind", "owner", "created_at", "subscription_id"])
    op.create_table(
        "subscription_patterns",
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("pattern", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "pattern", name="pk_subscription_patterns"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.subscription_id"],
            name="fk_subscription_patterns_subscription_id_subscriptions",
        ),
    )
    op.create_index("ix_subscription_patterns_pattern", "subscription_patterns", ["pattern"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", Identifier, nullable=False),
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("event_id", Foreign, nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("attempts_in_round", sa.Integer, nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("settled_at", Utc()),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
        sa.UniqueConstraint("subscription_id", "event_id", name="uq_deliveries_subscription_id_event_id"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.subscription_id"], name="fk_deliveries_subscription_id_subscriptions"
        ),
        sa.ForeignKeyConstraint(["event_id"], ["archive.event_id"], name="fk_deliveries_event_id_archive"),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'abandoned', 'cancelled')", name=op.f("ck_deliveries_state")
        ),
    )
    op.create_index("ix_deliveries_event_id", "deliveries", ["event_id"])
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["channel", "due_at"],
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_deliveries_order", "deliveries", ["created_at", "delivery_id"])
    op.create_table(
        "attempts",
        sa.Column("delivery_id", Identifier, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("taken", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.String(40)),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_attempts"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.delivery_id"], name="fk_attempts_delivery_id_deliveries"),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", Identifier, nullable=False),
        sa.Column("recipient_kind", sa.String(10), nullable=False),
        sa.Column("recipient", Foreign, nullable=False),
        sa.Column("event_id", Foreign, nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notices"),
        sa.UniqueConstraint(
            "recipient_kind", "recipient", "event_id", name="uq_notices_recipient_kind_recipient_event_id"
        ),
        sa.ForeignKeyConstraint(["event_id"], ["archive.event_id"], name="fk_notices_event_id_archive"),
        sa.CheckConstraint("recipient_kind IN ('person', 'platform', 'role')", name=op.f("ck_notices_recipient_kind")),
    )
    op.create_index("ix_notices_order", "notices", ["recipient_kind", "recipient", "created_at", "notice_id"])
    op.create_table(
        "notice_reads",
        sa.Column("notice_id", Identifier, nullable=False),
        sa.Column("reader", Foreign, nullable=False),
        sa.Column("read_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "reader", name="pk_notice_reads"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.notice_id"], name="fk_notice_reads_notice_id_notices"),
    )


def downgrade() -> None:
    for table in (
        "notice_reads",
        "notices",
        "attempts",
        "deliveries",
        "subscription_patterns",
        "subscriptions",
        "archive",
    ):
        op.drop_table(table)
