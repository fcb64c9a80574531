"""Outbox and inbox.

Revision ID: k0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import CountingKey, Identifier, Utc

revision = "k0001"
down_revision = None
branch_labels = None
depends_on = None

UNSENT = sa.text("sent_at IS NULL")
OPEN = sa.text("state <> 'done'")
DEFERRED = sa.text("state = 'deferred'")


def upgrade() -> None:
    """Create the tables of messaging."""
    op.create_table(
        "outbox",
        sa.Column("position", CountingKey, sa.Identity(), nullable=False),
        sa.Column("event_id", Identifier, nullable=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.Column("sent_at", Utc()),
        sa.Column("feed_number", sa.BigInteger),
        sa.PrimaryKeyConstraint("position", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
        sa.UniqueConstraint("feed_number", name="uq_outbox_feed_number"),
        sa.UniqueConstraint("subject", "sequence", name="uq_outbox_subject_sequence"),
    )
    op.create_index("ix_outbox_unsent", "outbox", ["position"], postgresql_where=UNSENT, sqlite_where=UNSENT)
    op.create_table(
        "outbox_subjects",
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_outbox_subjects"),
    )
    op.create_table(
        "inbox",
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.Column("type", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", Utc()),
        sa.Column("reason", sa.String(500)),
        sa.Column("body", sa.LargeBinary),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("settled_at", Utc()),
        sa.PrimaryKeyConstraint("source", "event_id", name="pk_inbox"),
        sa.CheckConstraint("state IN ('done', 'deferred', 'parked')", name="ck_inbox_state"),
    )
    op.create_index(
        "ix_inbox_open", "inbox", ["source", "subject", "sequence"], postgresql_where=OPEN, sqlite_where=OPEN
    )
    op.create_index("ix_inbox_due", "inbox", ["next_attempt_at"], postgresql_where=DEFERRED, sqlite_where=DEFERRED)


def downgrade() -> None:
    """Drop them; events not yet sent are lost."""
    op.drop_table("inbox")
    op.drop_table("outbox_subjects")
    op.drop_table("outbox")
