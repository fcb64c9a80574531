"""The tables of the console as they begin. Must not be edited once released: a change is a new revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Sessions and drafts."""
    op.create_table(
        "sessions",
        sa.Column("session_digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("seen_at", Utc(), nullable=False),
        sa.Column("token_ends_at", Utc(), nullable=False),
        sa.Column("renewing_until", Utc(), nullable=True),
        sa.Column("ends_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("session_digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_index("ix_sessions_ends_at", "sessions", ["ends_at"])
    op.create_table(
        "drafts",
        sa.Column("visitor_digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("saved_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("visitor_digest", "name", name="pk_drafts"),
    )
    op.create_index("ix_drafts_saved_at", "drafts", ["saved_at"])
