"""The tables of membership and nothing else.

No rule lives here, except those the database can hold even against a bug: one open application per unit, one
present roster entry per unit and one per application, no roster entry without its ballot. Triggers of the migration add
that a roster entry is never deleted and that its end is set once.
"""

from __future__ import annotations

from services.membership.tables.accounts import (
    accounts,
    authorization_codes,
    clients,
    person_sessions,
    sign_in_attempts,
    signing_keys,
    spent_refresh_tokens,
)
from services.membership.tables.applications import (
    application_ballots,
    application_steps,
    applications,
    notes,
    questions,
)
from services.membership.tables.basis import alliance, charters, sequences
from services.membership.tables.columns import METADATA
from services.membership.tables.offices import offices
from services.membership.tables.roster import leavings, members

__all__ = [
    "METADATA",
    "accounts",
    "alliance",
    "application_ballots",
    "application_steps",
    "applications",
    "authorization_codes",
    "charters",
    "clients",
    "leavings",
    "members",
    "notes",
    "offices",
    "person_sessions",
    "questions",
    "sequences",
    "sign_in_attempts",
    "signing_keys",
    "spent_refresh_tokens",
]
