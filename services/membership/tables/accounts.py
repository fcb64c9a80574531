"""Accounts of people and platforms, their sessions, and the keys that sign tokens."""

from __future__ import annotations

import sqlalchemy as sa

from services.membership.tables.columns import METADATA, Digest
from shared.persistence.columns import Identifier, Json, Utc

accounts = sa.Table(
    "accounts",
    METADATA,
    sa.Column("account_id", Identifier, primary_key=True),
    # Normalised (domain/accounts.py): signing in does not depend on case or width.
    sa.Column("username", sa.String(64), nullable=False, unique=True),
    sa.Column("person_name", sa.String(50), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("staff_roles", Json, nullable=False),
    sa.Column("member_id", Identifier, sa.ForeignKey("members.member_id"), nullable=True, index=True),
    sa.Column("invitation_digest", Digest, nullable=True),
    sa.Column("password_hash", sa.String(200), nullable=True),
    sa.Column("opened_at", Utc(), nullable=False),
    sa.Column("activated_at", Utc(), nullable=True),
    sa.Column("signed_in_at", Utc(), nullable=True),
)

# Failures by the digest of the name tried, known or not: an answer must not betray which names exist.
sign_in_attempts = sa.Table(
    "sign_in_attempts",
    METADATA,
    sa.Column("username_digest", Digest, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("wait_until", Utc(), nullable=False),
    sa.Column("tried_at", Utc(), nullable=False, index=True),
)

# What the sign-in page hands to an application, until it is exchanged. The code itself is stored nowhere.
authorization_codes = sa.Table(
    "authorization_codes",
    METADATA,
    sa.Column("code_digest", Digest, primary_key=True),
    sa.Column("client_id", sa.String(40), nullable=False),
    sa.Column("redirect_uri", sa.String(500), nullable=False),
    sa.Column("code_challenge", sa.String(43), nullable=False),
    sa.Column("account_id", Identifier, sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("authenticated_at", Utc(), nullable=False),
    sa.Column("expires_at", Utc(), nullable=False, index=True),
)

person_sessions = sa.Table(
    "person_sessions",
    METADATA,
    sa.Column("session_id", Identifier, primary_key=True),
    sa.Column("account_id", Identifier, sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("client_id", sa.String(40), nullable=False),
    # Of the code that made it: who comes with that code again is known by it.
    sa.Column("code_digest", Digest, nullable=False, unique=True),
    # Of the one refresh token that is good now.
    sa.Column("refresh_digest", Digest, nullable=False, unique=True),
    sa.Column("started_at", Utc(), nullable=False),
    sa.Column("authenticated_at", Utc(), nullable=False),
    sa.Column("used_at", Utc(), nullable=False),
    # Unless it is used again; never later than `ends_at`.
    sa.Column("expires_at", Utc(), nullable=False),
    sa.Column("ends_at", Utc(), nullable=False, index=True),
    sa.Column("ended_at", Utc(), nullable=True),
    sa.Column("end_reason", sa.String(40), nullable=True),
)

# Refresh tokens that were exchanged for the next one. Seen again, one of them ends its session.
spent_refresh_tokens = sa.Table(
    "spent_refresh_tokens",
    METADATA,
    sa.Column("refresh_digest", Digest, primary_key=True),
    sa.Column(
        "session_id",
        Identifier,
        sa.ForeignKey("person_sessions.session_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)

clients = sa.Table(
    "clients",
    METADATA,
    sa.Column("client_id", Identifier, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    # SHA-256 is enough: the secret has 256 random bits, there is nothing to guess that a slow hash would slow.
    sa.Column("secret_digest", Digest, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("registered_by", sa.String(64), nullable=False),
    sa.Column("registered_at", Utc(), nullable=False),
    sa.Column("closed_at", Utc(), nullable=True),
)

signing_keys = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("public_jwk", Json, nullable=False),
    # Encrypted with a key derived from the master secret: a copy of the database signs nothing.
    sa.Column("sealed_private_key", sa.Text, nullable=False),
    sa.Column("created_at", Utc(), nullable=False),
    sa.Column("signs_from", Utc(), nullable=False),
    sa.Column("announcement_id", Identifier, nullable=False),
    sa.Column("superseded_at", Utc(), nullable=True),
    sa.Column("retired_at", Utc(), nullable=True),
)
