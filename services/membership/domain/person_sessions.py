"""Sessions of people in their applications: how long they last, and why they end. Holds no token."""

from __future__ import annotations

from datetime import datetime, timedelta

#: Without a refresh for so long, whoever sits there now may be another (NIST SP 800-63B-4, AAL2, asks for it after an hour
#: at most). Three lifetimes of an access token: an application that is in use refreshes once per lifetime.
IDLE_LIMIT = timedelta(minutes=30)
#: However busy: a working day with its breaks, and less than the 24 hours of NIST SP 800-63B-4, AAL2.
SESSION_LIMIT = timedelta(hours=12)

#: Why a session was ended before its time.
SIGNED_OUT = "signed_out"
ACCOUNT_CLOSED = "account_closed"
#: Somebody has a copy of what only the application should have, and nobody can tell which of the two is the thief.
CODE_REUSED = "code_reused"
REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a reason, no secret


def decide_expiry(ends_at: datetime, now: datetime) -> datetime:
    """Until when a session lasts that is used now and not again."""
    return min(now + IDLE_LIMIT, ends_at)
