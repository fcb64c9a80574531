"""Sessions of signed-in people: begun, seen, renewed, ended. The tokens in them are membership's.

A new secret at every sign-in: one that somebody put into a browser beforehand is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.console.sealing import digest_of, seal, unseal
from services.console.tables import sessions
from shared.persistence.unit_of_work import Reading, UnitOfWork

#: Without a click for so long, a session ends (OWASP ASVS 7.3.1). What was typed is kept as a draft.
IDLE = timedelta(minutes=30)
#: However busy, one signs in anew every working day (ASVS 7.3.2).
LIFETIME = timedelta(hours=12)
#: How exactly the last click is noted: a write for every page would cost more than it tells.
SEEN_STEP = timedelta(minutes=1)
#: A token is renewed so long before it ends; a page needs seconds.
RENEW_EARLY = timedelta(minutes=2)
#: After this time whoever was getting a new token has failed, and the next may try.
RENEWAL = timedelta(seconds=15)


@dataclass(frozen=True)
class Session:
    """A session as the browser's secret opens it."""

    secret: str
    account_id: str
    token: str
    refresh_token: str
    #: Epoch seconds of the last time the password was given.
    authenticated_at: int
    token_ends_at: datetime
    seen_at: datetime
    #: What membership last said of the person; shown while membership is away.
    person: dict[str, Any]


def begin_session(work: UnitOfWork, secret: str, granted: dict[str, Any], person: dict[str, Any]) -> Session:
    """A session from what the token endpoint has granted, and from who it is. Drops those that have ended."""
    session = Session(
        secret=secret,
        account_id=person["account_id"],
        token=granted["access_token"],
        refresh_token=granted["refresh_token"],
        authenticated_at=int(work.now.timestamp()),
        token_ends_at=work.now + timedelta(seconds=granted["expires_in"]),
        seen_at=work.now,
        person=person,
    )
    work.execute(
        sa.insert(sessions).values(
            session_digest=digest_of(secret),
            account_id=session.account_id,
            sealed=_sealed(session),
            started_at=work.now,
            seen_at=work.now,
            token_ends_at=session.token_ends_at,
            ends_at=work.now + LIFETIME,
        )
    )
    work.execute(sa.delete(sessions).where(sa.or_(sessions.c.ends_at < work.now, sessions.c.seen_at < work.now - IDLE)))
    return session


def find_session(reading: Reading, secret: str) -> Session | None:
    """The session that this secret opens, unless it has ended."""
    row = reading.first(sa.select(sessions).where(sessions.c.session_digest == digest_of(secret)))
    if row is None or row.ends_at <= reading.now or row.seen_at <= reading.now - IDLE:
        return None
    content = unseal(secret, row.sealed)
    if content is None:
        return None
    return Session(
        secret=secret, account_id=row.account_id, token_ends_at=row.token_ends_at, seen_at=row.seen_at, **content
    )


def note_seen(work: UnitOfWork, secret: str) -> None:
    """The person has clicked."""
    work.execute(sa.update(sessions).where(_is(secret)).values(seen_at=work.now))


def note_person(work: UnitOfWork, session: Session, person: dict[str, Any]) -> None:
    """Membership tells something else of the person than last time."""
    sealed = _sealed(replace(session, person=person))
    unchanged = sessions.c.token_ends_at == session.token_ends_at
    # Not over a token that somebody has renewed meanwhile; the next page tells it again.
    work.execute(sa.update(sessions).where(_is(session.secret), unchanged).values(sealed=sealed))


def claim_renewal(work: UnitOfWork, session: Session) -> bool:
    """Whether the caller is the one to get a new token: two who use the same refresh token would end the session."""
    free = sa.or_(sessions.c.renewing_until.is_(None), sessions.c.renewing_until < work.now)
    mine = sa.and_(_is(session.secret), sessions.c.token_ends_at == session.token_ends_at, free)
    claimed = work.execute(sa.update(sessions).where(mine).values(renewing_until=work.now + RENEWAL))
    return claimed.rowcount == 1


def renew_session(work: UnitOfWork, session: Session, granted: dict[str, Any]) -> Session:
    """The session with its new tokens."""
    renewed = replace(
        session,
        token=granted["access_token"],
        refresh_token=granted["refresh_token"],
        token_ends_at=work.now + timedelta(seconds=granted["expires_in"]),
    )
    values = {"sealed": _sealed(renewed), "token_ends_at": renewed.token_ends_at, "renewing_until": None}
    work.execute(sa.update(sessions).where(_is(session.secret)).values(**values))
    return renewed


def release_renewal(work: UnitOfWork, session: Session) -> None:
    """It did not work out; somebody else may try."""
    work.execute(sa.update(sessions).where(_is(session.secret)).values(renewing_until=None))


def end_session(work: UnitOfWork, secret: str) -> None:
    """Signed out."""
    work.execute(sa.delete(sessions).where(_is(secret)))


def end_sessions_of(work: UnitOfWork, account_id: str) -> None:
    """Signed out everywhere."""
    work.execute(sa.delete(sessions).where(sessions.c.account_id == account_id))


def _is(secret: str) -> sa.ColumnElement[bool]:
    return sessions.c.session_digest == digest_of(secret)


def _sealed(session: Session) -> str:
    names = ("token", "refresh_token", "authenticated_at", "person")
    return seal(session.secret, {name: getattr(session, name) for name in names})
