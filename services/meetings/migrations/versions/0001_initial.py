"""The tables of meetings as they begin. Must not be edited once released: a change is a new revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Json, Utc

revision = "0001"
down_revision = None

Secret = sa.String(64)


def upgrade() -> None:
    """Charter, electoral roll, ballots."""
    op.create_table(
        "charters",
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("effective_from", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_charters"),
    )
    op.create_table(
        "units",
        sa.Column("unit_id", Identifier, nullable=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("unit_name", sa.String(200), nullable=False),
        sa.Column("admitted_at", Utc(), nullable=False),
        sa.Column("left_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("unit_id", name="pk_units"),
    )
    op.create_index("ix_units_number", "units", ["number", "unit_id"])
    op.create_table(
        "offices",
        sa.Column("office_id", Identifier, nullable=False),
        sa.Column("body", sa.String(40), nullable=False),
        sa.Column("office", sa.String(40), nullable=False),
        sa.Column("unit_id", Identifier, nullable=False),
        sa.Column("term_from", Utc(), nullable=False),
        sa.Column("term_to", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("office_id", name="pk_offices"),
        sa.ForeignKeyConstraint(["unit_id"], ["units.unit_id"], name="fk_offices_unit_id_units"),
    )
    op.create_index("ix_offices_unit_id", "offices", ["unit_id"])
    op.create_table(
        "ballots",
        sa.Column("ballot_id", Secret, nullable=False),
        sa.Column("body", sa.String(40), nullable=False),
        sa.Column("application_id", Identifier, nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("rule", Json, nullable=False),
        sa.Column("all_members", sa.Integer, nullable=False),
        sa.Column("roll_size", sa.Integer, nullable=False),
        sa.Column("struck", sa.Integer, nullable=False),
        sa.Column("votes_cast", sa.Integer, nullable=False),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("closes_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("ended_because", sa.String(20), nullable=True),
        sa.Column("result", Json, nullable=True),
        sa.PrimaryKeyConstraint("ballot_id", name="pk_ballots"),
        sa.UniqueConstraint("body", "application_id", name="uq_ballots_body_application_id"),
    )
    op.create_index("ix_ballots_application_id", "ballots", ["application_id"])
    op.create_index("ix_ballots_due", "ballots", ["state", "closes_at"])
    op.create_index("ix_ballots_listing", "ballots", ["opened_at", "ballot_id"])
    op.create_table(
        "roll_entries",
        sa.Column("ballot_id", Secret, nullable=False),
        sa.Column("unit_id", Identifier, nullable=False),
        sa.Column("struck", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("ballot_id", "unit_id", name="pk_roll_entries"),
        sa.ForeignKeyConstraint(["ballot_id"], ["ballots.ballot_id"], name="fk_roll_entries_ballot_id_ballots"),
        sa.ForeignKeyConstraint(["unit_id"], ["units.unit_id"], name="fk_roll_entries_unit_id_units"),
    )
    op.create_index("ix_roll_entries_unit", "roll_entries", ["unit_id"])
    op.create_table(
        "participations",
        sa.Column("ballot_id", Secret, nullable=False),
        sa.Column("unit_id", Identifier, nullable=False),
        sa.PrimaryKeyConstraint("ballot_id", "unit_id", name="pk_participations"),
        sa.ForeignKeyConstraint(
            ["ballot_id", "unit_id"],
            ["roll_entries.ballot_id", "roll_entries.unit_id"],
            name="fk_participations_ballot_id_unit_id_roll_entries",
        ),
    )
    op.create_table(
        "votes",
        sa.Column("vote_id", Secret, nullable=False),
        sa.Column("ballot_id", Secret, nullable=False),
        sa.Column("choice", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("vote_id", name="pk_votes"),
        sa.ForeignKeyConstraint(["ballot_id"], ["ballots.ballot_id"], name="fk_votes_ballot_id_ballots"),
    )
    op.create_index("ix_votes_ballot_id", "votes", ["ballot_id"])


def downgrade() -> None:
    """Back to nothing."""
    for name in ("votes", "participations", "roll_entries", "ballots", "offices", "units", "charters"):
        op.drop_table(name)
