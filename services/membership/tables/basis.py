"""The alliance itself, its numbers, and the parts of the charter that membership keeps."""

from __future__ import annotations

import sqlalchemy as sa

from services.membership.tables.columns import METADATA
from shared.persistence.columns import Identifier, Json, Utc

alliance = sa.Table(
    "alliance",
    METADATA,
    sa.Column("alliance_id", Identifier, primary_key=True),
    # Always 1 and unique: there is one alliance per installation, whoever founds it at the same instant.
    sa.Column("only_one", sa.Integer, nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("number_prefix", sa.String(10), nullable=False),
    sa.Column("founded_at", Utc(), nullable=False),
)

# A row per kind of number. Counting in a row instead of a database sequence leaves no gaps: a rolled back
# admission gives its number back.
sequences = sa.Table(
    "sequences",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)

# The charter's sections that membership needs, every version, because a later version is not retroactive.
charters = sa.Table(
    "charters",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("effective_from", Utc(), nullable=False),
    sa.Column("member_kinds", Json, nullable=False),
    sa.Column("counties", Json, nullable=False),
    sa.Column("received_at", Utc(), nullable=False),
)
