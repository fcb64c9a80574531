"""The tables of meetings and nothing else.

The database itself holds, even against a bug: one ballot per body and application, one participation per unit and
ballot, and none by a unit that is not on the ballot's roll. Who took part and what was voted stand in two tables
without a key between them, and neither has a time.
"""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.columns import Identifier, Json, Utc, new_metadata

METADATA = new_metadata()

#: 256 random bits in hexadecimal: no time, no order.
Secret = sa.String(64)

charters = sa.Table(
    "charters",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", Json, nullable=False),
    # SHA-256 of the content, to notice that the same file comes again.
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("effective_from", Utc(), nullable=False),
)

# The electoral roll: the units that may vote, as membership's events tell it.
units = sa.Table(
    "units",
    METADATA,
    sa.Column("unit_id", Identifier, primary_key=True),
    sa.Column("number", sa.String(40), nullable=False),
    sa.Column("unit_name", sa.String(200), nullable=False),
    sa.Column("admitted_at", Utc(), nullable=False),
    sa.Column("left_at", Utc(), nullable=True),
    sa.Index("ix_units_number", "number", "unit_id"),
)

offices = sa.Table(
    "offices",
    METADATA,
    sa.Column("office_id", Identifier, primary_key=True),
    sa.Column("body", sa.String(40), nullable=False),
    sa.Column("office", sa.String(40), nullable=False),
    sa.Column("unit_id", Identifier, sa.ForeignKey("units.unit_id"), nullable=False, index=True),
    sa.Column("term_from", Utc(), nullable=False),
    sa.Column("term_to", Utc(), nullable=False),
)

ballots = sa.Table(
    "ballots",
    METADATA,
    sa.Column("ballot_id", Secret, primary_key=True),
    sa.Column("body", sa.String(40), nullable=False),
    sa.Column("application_id", Identifier, nullable=False, index=True),
    sa.Column("title", sa.String(200), nullable=False),
    # The story the ballot belongs to: whatever happens to it days later is told under this id.
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    # The rule as it stood when the ballot opened; later versions of the charter do not reach back.
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
    sa.UniqueConstraint("body", "application_id"),
    sa.Index("ix_ballots_due", "state", "closes_at"),
    sa.Index("ix_ballots_listing", "opened_at", "ballot_id"),
)

roll_entries = sa.Table(
    "roll_entries",
    METADATA,
    sa.Column("ballot_id", Secret, sa.ForeignKey("ballots.ballot_id"), primary_key=True),
    sa.Column("unit_id", Identifier, sa.ForeignKey("units.unit_id"), primary_key=True),
    sa.Column("struck", sa.Boolean, nullable=False),
    sa.Index("ix_roll_entries_unit", "unit_id"),
)

# That a unit has voted; the primary key is what makes a second vote impossible.
participations = sa.Table(
    "participations",
    METADATA,
    sa.Column("ballot_id", Secret, primary_key=True),
    sa.Column("unit_id", Identifier, primary_key=True),
    sa.ForeignKeyConstraint(["ballot_id", "unit_id"], ["roll_entries.ballot_id", "roll_entries.unit_id"]),
)

# What was voted, not by whom.
votes = sa.Table(
    "votes",
    METADATA,
    sa.Column("vote_id", Secret, primary_key=True),
    sa.Column("ballot_id", Secret, sa.ForeignKey("ballots.ballot_id"), nullable=False, index=True),
    sa.Column("choice", sa.String(10), nullable=False),
)
