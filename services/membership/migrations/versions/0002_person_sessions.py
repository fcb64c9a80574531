"""Sessions of people by authorization code: codes under way, sessions, refresh tokens already used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Authorization codes, sessions of people, spent refresh tokens."""
    op.create_table(
        "authorization_codes",
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("redirect_uri", sa.String(length=500), nullable=False),
        sa.Column("code_challenge", sa.String(length=43), nullable=False),
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("authenticated_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_authorization_codes_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("code_digest", name="pk_authorization_codes"),
    )
    op.create_index("ix_authorization_codes_expires_at", "authorization_codes", ["expires_at"])
    op.create_table(
        "person_sessions",
        sa.Column("session_id", Identifier, nullable=False),
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        sa.Column("refresh_digest", sa.String(length=64), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("authenticated_at", Utc(), nullable=False),
        sa.Column("used_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("ends_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_person_sessions_account_id_accounts"),
        sa.PrimaryKeyConstraint("session_id", name="pk_person_sessions"),
        sa.UniqueConstraint("code_digest", name="uq_person_sessions_code_digest"),
        sa.UniqueConstraint("refresh_digest", name="uq_person_sessions_refresh_digest"),
    )
    op.create_index("ix_person_sessions_account_id", "person_sessions", ["account_id"])
    op.create_index("ix_person_sessions_ends_at", "person_sessions", ["ends_at"])
    op.create_table(
        "spent_refresh_tokens",
        sa.Column("refresh_digest", sa.String(length=64), nullable=False),
        sa.Column("session_id", Identifier, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["person_sessions.session_id"],
            name="fk_spent_refresh_tokens_session_id_person_sessions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("refresh_digest", name="pk_spent_refresh_tokens"),
    )
    op.create_index("ix_spent_refresh_tokens_session_id", "spent_refresh_tokens", ["session_id"])


def downgrade() -> None:
    """Back to tokens alone."""
    op.drop_table("spent_refresh_tokens")
    op.drop_table("person_sessions")
    op.drop_table("authorization_codes")
