"""The tables of membership and nothing else.

No rule lives here, except those the database can hold even against a bug: one open application per unit, one
present roster entry per unit and one per application, no roster entry without its ballot. Triggers of the migration add
that a roster entry is never deleted and that its end is set once.
"""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.columns import Identifier, Json, Utc, new_metadata

METADATA = new_metadata()

#: SHA-256 in hexadecimal.
Digest = sa.String(64)
#: A ballot's identifier carries 256 bits and no time.
BallotId = sa.String(64)

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
