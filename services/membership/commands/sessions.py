"""Signing in: people with a password, platforms with a secret; both get the same short-lived token.

The steps of a password sign-in are apart (`begin_sign_in`, the hash, `finish_sign_in`), because hashing takes tens of
milliseconds and must not hold a transaction open. Never says whether a name exists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.passwords import hash_password, needs_rehash
from services.membership.commands.signing_keys import sign_token
from services.membership.domain import accounts as rules
from services.membership.domain.clients import decide_scopes
from services.membership.domain.credentials import matches
from services.membership.domain.signing_keys import TOKEN_LIFETIME
from shared.errors import TooMany, Unauthenticated, Unavailable
from shared.persistence.unit_of_work import Reading, UnitOfWork
from shared.security.tokens import AUDIENCE

#: Tries to get hold of a name's row while it is being pruned. Two would do.
LOCK_ATTEMPTS = 3


@dataclass(frozen=True)
class SignIn:
    """A sign-in under way: what the password is to be compared with. No account means that none fits the name."""

    username_digest: str
    account_id: str | None
    password_hash: str | None


@dataclass(frozen=True)
class Issuer:
    """Who signs the tokens, and what opens the keys: from the settings."""

    name: str
    master_secret: str


def begin_sign_in(work: UnitOfWork, username: str) -> SignIn:
    """Count the attempt as failed until it succeeds; TooMany while the last failures still make one wait.

    Counting first is what keeps fifty guesses sent at the same instant from being fifty free ones.
    """
    digest = rules.username_digest(username)
    table = tables.sign_in_attempts
    row = _lock_attempts(work, digest)
    if work.now < row.wait_until:
        seconds = math.ceil((row.wait_until - work.now).total_seconds())
        raise TooMany("session.wait", retry_after_seconds=seconds, seconds=seconds)
    failures, wait_until = rules.count_attempt(row.failures, row.tried_at, work.now)
    work.execute(
        sa.update(table)
        .where(table.c.username_digest == digest)
        .values(failures=failures, wait_until=wait_until, tried_at=work.now)
    )
    account = work.first(sa.select(tables.accounts).where(tables.accounts.c.username == username))
    if account is None or account.state != rules.ACTIVE:
        return SignIn(digest, None, None)
    return SignIn(digest, account.account_id, account.password_hash)


def _lock_attempts(work: UnitOfWork, digest: str) -> sa.Row[Any]:
    """The name's row, locked; made where there is none."""
    table = tables.sign_in_attempts
    for _ in range(LOCK_ATTEMPTS):
        work.insert_if_absent(
            table, {"username_digest": digest, "failures": 0, "wait_until": work.now, "tried_at": work.now}
        )
        row = work.lock(sa.select(table).where(table.c.username_digest == digest))
        if row is not None:
            return row
        # It stood in the way of the insert and was pruned before we had it; the next insert finds the way free.
    raise Unavailable("session.busy", retry_after_seconds=1)


def finish_sign_in(work: UnitOfWork, sign_in: SignIn, *, fits: bool, new_hash: str | None) -> sa.Row[Any]:
    """The account, locked, or Unauthenticated `session.refused`: one answer for a wrong name and a wrong password."""
    if not fits or sign_in.account_id is None:
        raise Unauthenticated("session.refused")
    mine = tables.accounts.c.account_id == sign_in.account_id
    account = work.lock(sa.select(tables.accounts).where(mine))
    if account is None or account.state != rules.ACTIVE or account.password_hash != sign_in.password_hash:
        # Closed, or the password changed, while the old one was being hashed.
        raise Unauthenticated("session.refused")
    forget_attempts(work, sign_in.username_digest)
    changed: dict[str, Any] = {"signed_in_at": work.now}
    if new_hash is not None:
        changed["password_hash"] = new_hash
    work.execute(sa.update(tables.accounts).where(mine).values(**changed))
    return account


def rehash_if_outdated(sign_in: SignIn, password: str) -> str | None:
    """A fresh hash when the stored one was made with other parameters; call only with the right password."""
    if sign_in.password_hash is None or not needs_rehash(sign_in.password_hash):
        return None
    return hash_password(password)


def forget_attempts(work: UnitOfWork, username_digest: str) -> None:
    """The right password was given: start counting from nothing."""
    table = tables.sign_in_attempts
    # Reset rather than deleted: another sign-in of the same person may be waiting for this very row.
    reset = {"failures": 0, "wait_until": work.now, "tried_at": work.now}
    work.execute(sa.update(table).where(table.c.username_digest == username_digest).values(**reset))


def prune_attempts(work: UnitOfWork) -> None:
    """Drop counts that no longer matter, most of them of names that do not exist."""
    table = tables.sign_in_attempts
    work.execute(sa.delete(table).where(table.c.tried_at < work.now - rules.FORGET_AFTER))


def issue_person_token(
    work: UnitOfWork,
    account: sa.Row[Any],
    issuer: Issuer,
    *,
    authenticated_at: datetime,
    session: sa.Row[Any] | None = None,
) -> dict[str, Any]:
    """A token for a person, with the roles they have at this moment.

    `authenticated_at`: when the password was checked. A token of a session names it and does not outlive it.
    """
    offices = find_offices(work, account.member_id, work.now) if account.member_id else ()
    roles = rules.derive_roles(account.staff_roles, represents_member=account.member_id is not None, offices=offices)
    claims: dict[str, Any] = {"sub": account.account_id, "kind": "person", "roles": sorted(roles)}
    claims["auth_time"] = int(authenticated_at.timestamp())
    if account.member_id is not None:
        claims["unit"] = account.member_id
    if session is None:
        return _issue(work, claims, issuer)
    claims |= {"sid": session.session_id, "client_id": session.client_id}
    return _issue(work, claims, issuer, lifetime=min(TOKEN_LIFETIME, session.ends_at - work.now))


def issue_client_token(
    work: UnitOfWork, *, client_id: str, client_secret: str, scope: str | None, issuer: Issuer
) -> dict[str, Any]:
    """A token for a platform (RFC 6749, 4.4). Unauthenticated `client.refused`; ScopeRefused."""
    client = work.first(sa.select(tables.clients).where(tables.clients.c.client_id == client_id))
    known = client is not None and client.closed_at is None
    if not matches(client.secret_digest if client is not None and known else None, client_secret) or client is None:
        raise Unauthenticated("client.refused")
    scopes = " ".join(decide_scopes(scope, client.scopes))
    claims = {"sub": client_id, "kind": "platform", "client_id": client_id, "scope": scopes}
    return {**_issue(work, claims, issuer), "scope": scopes}


def find_offices(reading: Reading, member_id: str, now: datetime) -> Iterable[str]:
    """The offices a unit holds at this moment."""
    table = tables.offices
    held = sa.and_(table.c.member_id == member_id, table.c.term_from <= now, table.c.term_to > now)
    return [row.office for row in reading.all(sa.select(table.c.office).where(held))]


def _issue(
    work: UnitOfWork, claims: dict[str, Any], issuer: Issuer, *, lifetime: timedelta = TOKEN_LIFETIME
) -> dict[str, Any]:
    issued, seconds = int(work.now.timestamp()), int(lifetime.total_seconds())
    token = sign_token(
        work,
        {
            "iss": issuer.name,
            "aud": AUDIENCE,
            "iat": issued,
            "nbf": issued,
            "exp": issued + seconds,
            "jti": work.ids.new_id(),
            **claims,
        },
        master_secret=issuer.master_secret,
    )
    return {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
