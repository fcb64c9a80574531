"""Authorization codes: given out by the sign-in page, exchanged once for a session (RFC 6749, 4.1; RFC 7636)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.person_sessions import end_sessions, start_session
from services.membership.commands.sessions import Issuer
from services.membership.domain.accounts import ACTIVE
from services.membership.domain.authorization import CODE_LIFETIME, AuthorizationRequest, fits_challenge
from services.membership.domain.credentials import digest
from services.membership.domain.person_sessions import CODE_REUSED
from shared.persistence.unit_of_work import UnitOfWork


def issue_code(work: UnitOfWork, request: AuthorizationRequest, *, account_id: str) -> str:
    """A code for the application, for the person who has just given the right password."""
    code = work.ids.secret()
    work.execute(
        sa.insert(tables.authorization_codes).values(
            code_digest=digest(code),
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            account_id=account_id,
            authenticated_at=work.now,
            expires_at=work.now + CODE_LIFETIME,
        )
    )
    return code


def exchange_code(
    work: UnitOfWork, *, client_id: str, code: str, redirect_uri: str, code_verifier: str, issuer: Issuer
) -> dict[str, Any] | None:
    """The tokens of a new session; nothing where the code is not good for this.

    Nothing, and no exception: a code that comes a second time ends the session it made, and that is to be stored.
    """
    table = tables.authorization_codes
    mine = table.c.code_digest == digest(code)
    found = work.lock(sa.select(table).where(mine))
    if found is None:
        end_sessions(work, tables.person_sessions.c.code_digest == digest(code), reason=CODE_REUSED)
        return None
    asked_alike = found.client_id == client_id and found.redirect_uri == redirect_uri
    if not asked_alike or found.expires_at <= work.now or not fits_challenge(code_verifier, found.code_challenge):
        return None
    # Locked, so that whoever closes the account at this moment finds the session and ends it.
    account = work.lock(sa.select(tables.accounts).where(tables.accounts.c.account_id == found.account_id))
    if account is None or account.state != ACTIVE:
        return None
    work.execute(sa.delete(table).where(mine))
    return start_session(
        work,
        account,
        client_id=client_id,
        code_digest=found.code_digest,
        authenticated_at=found.authenticated_at,
        issuer=issuer,
    )


def prune_codes(work: UnitOfWork) -> None:
    """Drop codes that nobody came for."""
    table = tables.authorization_codes
    work.execute(sa.delete(table).where(table.c.expires_at <= work.now))
