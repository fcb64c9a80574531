"""The tables of membership as they begin. Must not be edited once released: a change is a new revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Json, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Alliance, applications, roster, offices, accounts, platforms, signing keys."""
    op.create_table(
        "alliance",
        sa.Column("alliance_id", Identifier, nullable=False),
        sa.Column("only_one", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("number_prefix", sa.String(length=10), nullable=False),
        sa.Column("founded_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("alliance_id", name="pk_alliance"),
        sa.UniqueConstraint("only_one", name="uq_alliance_only_one"),
    )
    op.create_table(
        "applications",
        sa.Column("application_id", Identifier, nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("unit_name", sa.String(length=100), nullable=False),
        sa.Column("credit_code", sa.String(length=40), nullable=False),
        sa.Column("open_credit_code", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("county", sa.String(length=40), nullable=False),
        sa.Column("form", Json, nullable=False),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("charter_version", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("access_code_digest", sa.String(length=64), nullable=False),
        sa.Column("client_id", Identifier, nullable=True),
        sa.Column("external_reference", sa.String(length=100), nullable=True),
        sa.Column("submitted_at", Utc(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("member_id", Identifier, nullable=True),
        sa.PrimaryKeyConstraint("application_id", name="pk_applications"),
        sa.UniqueConstraint("client_id", "external_reference", name="uq_applications_client_id_external_reference"),
        sa.UniqueConstraint("number", name="uq_applications_number"),
        sa.UniqueConstraint("open_credit_code", name="uq_applications_open_credit_code"),
    )
    op.create_index("ix_applications_credit_code", "applications", ["credit_code"])
    op.create_index("ix_applications_state", "applications", ["state", "application_id"])
    op.create_table(
        "charters",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("effective_from", Utc(), nullable=False),
        sa.Column("member_kinds", Json, nullable=False),
        sa.Column("counties", Json, nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_charters"),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("registered_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name="pk_clients"),
    )
    op.create_table(
        "sequences",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sequences"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("username_digest", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("wait_until", Utc(), nullable=False),
        sa.Column("tried_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("username_digest", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_tried_at", "sign_in_attempts", ["tried_at"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("public_jwk", Json, nullable=False),
        sa.Column("sealed_private_key", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("signs_from", Utc(), nullable=False),
        sa.Column("announcement_id", Identifier, nullable=False),
        sa.Column("superseded_at", Utc(), nullable=True),
        sa.Column("retired_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
    op.create_table(
        "application_ballots",
        sa.Column("ballot_id", sa.String(length=64), nullable=False),
        sa.Column("application_id", Identifier, nullable=False),
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("opened_at", Utc(), nullable=True),
        sa.Column("closes_at", Utc(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.application_id"],
            name="fk_application_ballots_application_id_applications",
        ),
        sa.PrimaryKeyConstraint("ballot_id", name="pk_application_ballots"),
    )
    op.create_index("ix_application_ballots_application_id", "application_ballots", ["application_id"])
    op.create_table(
        "application_steps",
        sa.Column("application_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=True),
        sa.Column("article", sa.String(length=10), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.application_id"], name="fk_application_steps_application_id_applications"
        ),
        sa.PrimaryKeyConstraint("application_id", "position", name="pk_application_steps"),
    )
    op.create_table(
        "members",
        sa.Column("member_id", Identifier, nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("unit_name", sa.String(length=100), nullable=False),
        sa.Column("credit_code", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("county", sa.String(length=40), nullable=False),
        sa.Column("profile", Json, nullable=False),
        sa.Column("admitted_at", Utc(), nullable=False),
        sa.Column("founding", sa.Boolean(), nullable=False),
        sa.Column("application_id", Identifier, nullable=True),
        sa.Column("ballot_id", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "founding OR (application_id IS NOT NULL AND ballot_id IS NOT NULL)", name="ck_members_by_ballot"
        ),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.application_id"], name="fk_members_application_id_applications"
        ),
        sa.PrimaryKeyConstraint("member_id", name="pk_members"),
        sa.UniqueConstraint("application_id", name="uq_members_application_id"),
        sa.UniqueConstraint("ballot_id", name="uq_members_ballot_id"),
        sa.UniqueConstraint("credit_code", name="uq_members_credit_code"),
        sa.UniqueConstraint("number", name="uq_members_number"),
    )
    op.create_index("ix_members_county", "members", ["county"])
    op.create_index("ix_members_kind", "members", ["kind"])
    op.create_table(
        "notes",
        sa.Column("note_id", Identifier, nullable=False),
        sa.Column("application_id", Identifier, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_by", sa.String(length=64), nullable=False),
        sa.Column("written_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.application_id"], name="fk_notes_application_id_applications"
        ),
        sa.PrimaryKeyConstraint("note_id", name="pk_notes"),
    )
    op.create_index("ix_notes_application_id", "notes", ["application_id"])
    op.create_table(
        "questions",
        sa.Column("question_id", Identifier, nullable=False),
        sa.Column("application_id", Identifier, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("corrections", Json, nullable=True),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.application_id"], name="fk_questions_application_id_applications"
        ),
        sa.PrimaryKeyConstraint("question_id", name="pk_questions"),
    )
    op.create_index("ix_questions_application_id", "questions", ["application_id"])
    op.create_table(
        "accounts",
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("person_name", sa.String(length=50), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("staff_roles", Json, nullable=False),
        sa.Column("member_id", Identifier, nullable=True),
        sa.Column("invitation_digest", sa.String(length=64), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("activated_at", Utc(), nullable=True),
        sa.Column("signed_in_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["members.member_id"], name="fk_accounts_member_id_members"),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
        sa.UniqueConstraint("username", name="uq_accounts_username"),
    )
    op.create_index("ix_accounts_member_id", "accounts", ["member_id"])
    op.create_table(
        "offices",
        sa.Column("office_id", Identifier, nullable=False),
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("member_id", Identifier, nullable=False),
        sa.Column("person_name", sa.String(length=50), nullable=True),
        sa.Column("term_from", Utc(), nullable=False),
        sa.Column("term_to", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.member_id"], name="fk_offices_member_id_members"),
        sa.PrimaryKeyConstraint("office_id", name="pk_offices"),
    )
    op.create_index("ix_offices_member_id", "offices", ["member_id"])


def downgrade() -> None:
    """Back to nothing."""
    op.drop_table("offices")
    op.drop_table("accounts")
    op.drop_table("questions")
    op.drop_table("notes")
    op.drop_table("members")
    op.drop_table("application_steps")
    op.drop_table("application_ballots")
    op.drop_table("signing_keys")
    op.drop_table("sign_in_attempts")
    op.drop_table("sequences")
    op.drop_table("clients")
    op.drop_table("charters")
    op.drop_table("applications")
    op.drop_table("alliance")
