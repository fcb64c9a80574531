"""Who holds which office."""

from __future__ import annotations

import sqlalchemy as sa

from services.membership.tables.columns import METADATA
from shared.persistence.columns import Identifier, Utc

offices = sa.Table(
    "offices",
    METADATA,
    sa.Column("office_id", Identifier, primary_key=True),
    sa.Column("body", sa.String(40), nullable=False),
    sa.Column("office", sa.String(40), nullable=False),
    sa.Column("member_id", Identifier, sa.ForeignKey("members.member_id"), nullable=False, index=True),
    sa.Column("person_name", sa.String(50), nullable=True),
    sa.Column("term_from", Utc(), nullable=False),
    sa.Column("term_to", Utc(), nullable=False),
)
