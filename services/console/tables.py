"""The tables of the console and nothing else: who is signed in, and what was typed and not sent yet.

What they hold of people is sealed with the secret of the browser's cookie, which is not stored: a copy of this
database opens no session and shows no form.
"""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.columns import Identifier, Utc, new_metadata

METADATA = new_metadata()

sessions = sa.Table(
    "sessions",
    METADATA,
    #: Of the cookie's secret.
    sa.Column("session_digest", sa.String(64), primary_key=True),
    sa.Column("account_id", Identifier, nullable=False, index=True),
    #: Tokens and person, as JSON.
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("started_at", Utc(), nullable=False),
    sa.Column("seen_at", Utc(), nullable=False),
    sa.Column("token_ends_at", Utc(), nullable=False),
    #: Until then somebody is getting a new token.
    sa.Column("renewing_until", Utc()),
    sa.Column("ends_at", Utc(), nullable=False, index=True),
)

drafts = sa.Table(
    "drafts",
    METADATA,
    #: Of the visitor's cookie's secret.
    sa.Column("visitor_digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(60), primary_key=True),
    #: What was typed, as JSON.
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("saved_at", Utc(), nullable=False, index=True),
)
