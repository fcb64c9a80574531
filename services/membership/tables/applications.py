"""Applications, their history, and the ballots about them."""

from __future__ import annotations

import sqlalchemy as sa

from services.membership.tables.columns import METADATA, BallotId, Digest
from shared.persistence.columns import Identifier, Json, Utc

applications = sa.Table(
    "applications",
    METADATA,
    sa.Column("application_id", Identifier, primary_key=True),
    sa.Column("number", sa.String(40), nullable=False, unique=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("unit_name", sa.String(100), nullable=False),
    sa.Column("credit_code", sa.String(40), nullable=False, index=True),
    # The credit code while the application is open, else NULL: unique, so that of two forms sent at the same
    # instant for one unit only one is taken.
    sa.Column("open_credit_code", sa.String(40), nullable=True, unique=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("county", sa.String(40), nullable=False),
    sa.Column("form", Json, nullable=False),
    sa.Column("warnings", Json, nullable=False),
    sa.Column("charter_version", sa.Integer, nullable=False),
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("access_code_digest", Digest, nullable=False),
    sa.Column("client_id", Identifier, nullable=True),
    sa.Column("external_reference", sa.String(100), nullable=True),
    sa.Column("submitted_at", Utc(), nullable=False),
    sa.Column("changed_at", Utc(), nullable=False),
    sa.Column("member_id", Identifier, nullable=True),
    sa.UniqueConstraint("client_id", "external_reference"),
    sa.Index("ix_applications_state", "state", "application_id"),
)

# Who did what when, and why: the applicant and the secretariat read the same history.
application_steps = sa.Table(
    "application_steps",
    METADATA,
    sa.Column("application_id", Identifier, sa.ForeignKey("applications.application_id"), primary_key=True),
    # From 1. A time alone would not order the steps of one unit of work.
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("step", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("at", Utc(), nullable=False),
    sa.Column("actor_kind", sa.String(20), nullable=False),
    sa.Column("actor_id", sa.String(64), nullable=True),
    sa.Column("article", sa.String(10), nullable=True),
    sa.Column("reason", sa.Text, nullable=True),
)

questions = sa.Table(
    "questions",
    METADATA,
    sa.Column("question_id", Identifier, primary_key=True),
    sa.Column("application_id", Identifier, sa.ForeignKey("applications.application_id"), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("asked_by", sa.String(64), nullable=False),
    sa.Column("asked_at", Utc(), nullable=False),
    sa.Column("answer", sa.Text, nullable=True),
    sa.Column("corrections", Json, nullable=True),
    sa.Column("answered_at", Utc(), nullable=True),
)

# The secretariat's own notes; the applicant never sees them.
notes = sa.Table(
    "notes",
    METADATA,
    sa.Column("note_id", Identifier, primary_key=True),
    sa.Column("application_id", Identifier, sa.ForeignKey("applications.application_id"), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("written_by", sa.String(64), nullable=False),
    sa.Column("written_at", Utc(), nullable=False),
)

application_ballots = sa.Table(
    "application_ballots",
    METADATA,
    sa.Column("ballot_id", BallotId, primary_key=True),
    sa.Column("application_id", Identifier, sa.ForeignKey("applications.application_id"), nullable=False, index=True),
    sa.Column("body", sa.String(40), nullable=False),
    sa.Column("opened_at", Utc(), nullable=True),
    sa.Column("closes_at", Utc(), nullable=True),
    sa.Column("outcome", sa.String(20), nullable=True),
    sa.Column("closed_at", Utc(), nullable=True),
)
