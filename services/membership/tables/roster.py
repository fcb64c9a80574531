"""Who belongs to the alliance, since when, and until when."""

from __future__ import annotations

import sqlalchemy as sa

from services.membership.tables.columns import METADATA, BallotId
from shared.persistence.columns import Identifier, Json, Utc

members = sa.Table(
    "members",
    METADATA,
    sa.Column("member_id", Identifier, primary_key=True),
    sa.Column("number", sa.String(40), nullable=False, unique=True),
    sa.Column("unit_name", sa.String(100), nullable=False),
    # NULL where a founding file knows none; a unit that applies always gives one.
    sa.Column("credit_code", sa.String(40), nullable=True),
    # The credit code while the unit is a member, else NULL: unique, so that a unit is a member once (art. 7(1)), and may be
    # admitted again after it has left.
    sa.Column("present_credit_code", sa.String(40), nullable=True, unique=True),
    sa.Column("kind", sa.String(40), nullable=False, index=True),
    sa.Column("county", sa.String(40), nullable=False, index=True),
    sa.Column("profile", Json, nullable=False),
    sa.Column("admitted_at", Utc(), nullable=False),
    sa.Column("founding", sa.Boolean, nullable=False),
    sa.Column("application_id", Identifier, sa.ForeignKey("applications.application_id"), nullable=True, unique=True),
    sa.Column("ballot_id", BallotId, nullable=True, unique=True),
    # Art. 7(3): from when it leaves, as it has announced; NULL again where it took that back.
    sa.Column("leaves_at", Utc(), nullable=True),
    # Since when it is no member: set once, when that has taken effect.
    sa.Column("left_at", Utc(), nullable=True),
    # Art. 6(3): after the founding the roster grows only by a passed vote.
    sa.CheckConstraint("founding OR (application_id IS NOT NULL AND ballot_id IS NOT NULL)", name="by_ballot"),
    sa.CheckConstraint("left_at IS NULL OR (leaves_at IS NOT NULL AND left_at = leaves_at)", name="left_as_announced"),
    sa.CheckConstraint(
        "CASE WHEN left_at IS NULL THEN coalesce(present_credit_code, '') = coalesce(credit_code, '')"
        " ELSE present_credit_code IS NULL END",
        name="present_credit_code",
    ),
)

# Who said when, and why, that a unit leaves; also what was changed or taken back before it took effect.
leavings = sa.Table(
    "leavings",
    METADATA,
    sa.Column("leaving_id", Identifier, primary_key=True),
    sa.Column("member_id", Identifier, sa.ForeignKey("members.member_id"), nullable=False, index=True),
    # The unit while this is announced and has not taken effect, else NULL: unique, so that one word counts.
    sa.Column("pending_member_id", Identifier, nullable=True, unique=True),
    sa.Column("announced_at", Utc(), nullable=False),
    sa.Column("announced_by", sa.String(20), nullable=False),
    sa.Column("announced_by_account", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=True),
    sa.Column("leaves_at", Utc(), nullable=False),
    # The story: what happens on the day is told under what was announced.
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("retracted_at", Utc(), nullable=True),
    sa.Column("retracted_by_account", sa.String(64), nullable=True),
    sa.Column("took_effect_at", Utc(), nullable=True),
)
