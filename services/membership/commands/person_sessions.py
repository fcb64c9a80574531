"""Sessions of people in their applications: started by a code, kept alive by refresh tokens that serve once, ended.

A refresh token or a code that comes again ends its session (RFC 9700, 4.14): of two holders one is not the person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.sessions import Issuer, issue_person_token
from services.membership.domain.accounts import ACTIVE
from services.membership.domain.authorization import ACCOUNT_SCOPE
from services.membership.domain.credentials import digest
from services.membership.domain.person_sessions import (
    REFRESH_TOKEN_REUSED,
    SESSION_LIMIT,
    SIGNED_OUT,
    decide_expiry,
)
from shared.errors import NotFound
from shared.persistence.unit_of_work import UnitOfWork


def start_session(
    work: UnitOfWork,
    account: sa.Row[Any],
    *,
    client_id: str,
    code_digest: str,
    authenticated_at: datetime,
    issuer: Issuer,
) -> dict[str, Any]:
    """Start a session of the person in the application; its first tokens."""
    session_id, refresh_token = work.ids.new_id(), work.ids.secret()
    ends_at = work.now + SESSION_LIMIT
    work.execute(
        sa.insert(tables.person_sessions).values(
            session_id=session_id,
            account_id=account.account_id,
            client_id=client_id,
            code_digest=code_digest,
            refresh_digest=digest(refresh_token),
            started_at=work.now,
            authenticated_at=authenticated_at,
            used_at=work.now,
            expires_at=decide_expiry(ends_at, work.now),
            ends_at=ends_at,
        )
    )
    return _tokens(work, account, session_id, refresh_token, issuer=issuer)


def refresh_session(work: UnitOfWork, *, client_id: str, refresh_token: str, issuer: Issuer) -> dict[str, Any] | None:
    """The session's next tokens, with the roles its person has now; nothing where the refresh token is not good.

    Nothing, and no exception: a token that was used before ends its session, and that is to be stored.
    """
    table = tables.person_sessions
    session = work.lock(sa.select(table).where(table.c.refresh_digest == digest(refresh_token)))
    if session is None:
        end_sessions(work, _has_spent(refresh_token), reason=REFRESH_TOKEN_REUSED)
        return None
    if session.client_id != client_id or session.ended_at is not None or session.expires_at <= work.now:
        return None
    account = work.first(sa.select(tables.accounts).where(tables.accounts.c.account_id == session.account_id))
    if account is None or account.state != ACTIVE:
        return None
    following = work.ids.secret()
    spent = {"refresh_digest": session.refresh_digest, "session_id": session.session_id}
    work.execute(sa.insert(tables.spent_refresh_tokens).values(spent))
    work.execute(
        sa.update(table)
        .where(table.c.session_id == session.session_id)
        .values(refresh_digest=digest(following), used_at=work.now, expires_at=decide_expiry(session.ends_at, work.now))
    )
    return _tokens(work, account, session.session_id, following, issuer=issuer)


def revoke_refresh_token(work: UnitOfWork, *, refresh_token: str, client_id: str | None) -> None:
    """End the session that the refresh token belongs to (RFC 7009). An unknown one, or another application's, changes
    nothing.
    """
    table = tables.person_sessions
    its = sa.or_(table.c.refresh_digest == digest(refresh_token), _has_spent(refresh_token))
    end_sessions(work, its if client_id is None else sa.and_(its, table.c.client_id == client_id), reason=SIGNED_OUT)


def end_own_session(work: UnitOfWork, *, account_id: str, session_id: str) -> None:
    """End one session of the person's; NotFound `session.not_found`. Ending twice changes nothing."""
    table = tables.person_sessions
    mine = sa.and_(table.c.session_id == session_id, table.c.account_id == account_id)
    if work.first(sa.select(table.c.session_id).where(mine)) is None:
        raise NotFound("session.not_found")
    end_sessions(work, mine, reason=SIGNED_OUT)


def end_sessions_of(work: UnitOfWork, account_id: str, *, reason: str) -> None:
    """End every session of the person's."""
    end_sessions(work, tables.person_sessions.c.account_id == account_id, reason=reason)


def end_sessions(work: UnitOfWork, which: sa.ColumnElement[bool], *, reason: str) -> None:
    """End these sessions where they have not ended already: no refresh any more, and `/me` says so at once."""
    table = tables.person_sessions
    work.execute(sa.update(table).where(which, table.c.ended_at.is_(None)).values(ended_at=work.now, end_reason=reason))


def prune_sessions(work: UnitOfWork) -> None:
    """Drop sessions past their limit, with their spent refresh tokens: none of their tokens is good any more."""
    table = tables.person_sessions
    work.execute(sa.delete(table).where(table.c.ends_at <= work.now))


def _has_spent(refresh_token: str) -> sa.ColumnElement[bool]:
    spent = tables.spent_refresh_tokens
    its = sa.select(spent.c.session_id).where(spent.c.refresh_digest == digest(refresh_token))
    return tables.person_sessions.c.session_id.in_(its)


def _tokens(
    work: UnitOfWork, account: sa.Row[Any], session_id: str, refresh_token: str, *, issuer: Issuer
) -> dict[str, Any]:
    table = tables.person_sessions
    session = work.one(sa.select(table).where(table.c.session_id == session_id))
    return {
        **issue_person_token(work, account, issuer, authenticated_at=session.authenticated_at, session=session),
        "refresh_token": refresh_token,
        "refresh_expires_in": int((session.expires_at - work.now).total_seconds()),
        "scope": ACCOUNT_SCOPE,
    }
