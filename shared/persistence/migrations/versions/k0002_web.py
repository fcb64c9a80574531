"""Idempotency keys and verification keys.

Revision ID: k0002
Revises: k0001
"""

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Json, Utc

revision = "k0002"
down_revision = "k0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the web processes."""
    op.create_table(
        "idempotency_keys",
        sa.Column("lookup", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", Json),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("lookup", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
    op.create_table(
        "verification_keys",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("jwk", Json, nullable=False),
        sa.Column("accepted_at", Utc(), nullable=False),
        sa.Column("retired_at", Utc()),
        sa.PrimaryKeyConstraint("kid", name="pk_verification_keys"),
    )


def downgrade() -> None:
    """Drop them; repeated requests would be carried out again, and tokens be believed by nobody."""
    op.drop_table("verification_keys")
    op.drop_table("idempotency_keys")
