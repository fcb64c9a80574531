"""The feed's head, order by subject in the inbox, and what operators did.

Revision ID: k0003
Revises: k0002
"""

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Json, Utc

revision = "k0003"
down_revision = "k0002"
branch_labels = None
depends_on = None

OLD_OPEN = sa.text("state <> 'done'")
OPEN = sa.text("state IN ('deferred', 'parked')")
DISCARDED = sa.text("state = 'discarded'")


def upgrade() -> None:
    """Number the feed from a row of its own, order the inbox by subject, allow discarding, keep an audit."""
    op.create_table(
        "outbox_feed",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("pruned_to", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_feed"),
    )
    op.execute("INSERT INTO outbox_feed (id, head, pruned_to) SELECT 1, coalesce(max(feed_number), 0), 0 FROM outbox")
    op.drop_index("ix_inbox_open", "inbox")
    with op.batch_alter_table("inbox") as inbox:
        inbox.drop_constraint("ck_inbox_state", type_="check")
        inbox.create_check_constraint("ck_inbox_state", "state IN ('done', 'deferred', 'parked', 'discarded')")
    columns = ["source", "subject", "sequence"]
    op.create_index("ix_inbox_open", "inbox", columns, postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_index("ix_inbox_source_subject_sequence", "inbox", columns)
    op.create_index("ix_inbox_discarded", "inbox", ["received_at"], postgresql_where=DISCARDED, sqlite_where=DISCARDED)
    op.create_table(
        "operator_actions",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("door", sa.String(10), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("source", sa.String(200)),
        sa.Column("event_id", sa.String(200)),
        sa.Column("reason", sa.String(500)),
        sa.Column("details", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operator_actions"),
    )
    op.create_index("ix_operator_actions_at_id", "operator_actions", ["at", "id"])


def downgrade() -> None:
    """Back to the old index; discarded events become done ones, and the audit is lost."""
    op.drop_table("operator_actions")
    op.drop_index("ix_inbox_discarded", "inbox")
    op.drop_index("ix_inbox_source_subject_sequence", "inbox")
    op.drop_index("ix_inbox_open", "inbox")
    op.execute("UPDATE inbox SET state = 'done' WHERE state = 'discarded'")
    with op.batch_alter_table("inbox") as inbox:
        inbox.drop_constraint("ck_inbox_state", type_="check")
        inbox.create_check_constraint("ck_inbox_state", "state IN ('done', 'deferred', 'parked')")
    op.create_index(
        "ix_inbox_open",
        "inbox",
        ["source", "subject", "sequence"],
        postgresql_where=OLD_OPEN,
        sqlite_where=OLD_OPEN,
    )
    op.drop_table("outbox_feed")
