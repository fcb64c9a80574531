"""People over HTTP: signing in, activating an invitation, who am I, closing an account.

Hashing happens between two units of work, never inside one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask.views import MethodView

from services.membership.commands import accounts as commands
from services.membership.commands import sessions
from services.membership.commands.passwords import hash_password, verify_password
from services.membership.domain.accounts import ensure_password_allowed, normalise_username
from services.membership.queries import accounts as queries
from services.membership.queries.person_sessions import ensure_not_ended
from services.membership.schemas.accounts import (
    AccountView,
    ActivatedAccount,
    ActivationRequest,
    MeView,
    SessionRequest,
    TokenView,
)
from shared.persistence.unit_of_work import UnitOfWork
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, begin_work, caller, reading
from shared.web.pagination import CursorQuery, page_schema
from shared.web.rate_limits import rate_limited

session_routes = Blueprint("sessions", __name__, url_prefix="/sessions", description="Signing in")
me = Blueprint("me", __name__, url_prefix="/me", description="Who the token belongs to")
accounts = Blueprint("accounts", __name__, url_prefix="/accounts", description="Accounts of people")

ADMINISTRATORS = ("secretariat", "operator")


def issuer() -> sessions.Issuer:
    """Who signs the tokens here."""
    settings = assembly().settings
    return sessions.Issuer(settings.issuer, settings.secret_or_demo())


@contextmanager
def password_checked(username: str, password: str) -> Iterator[tuple[UnitOfWork, sa.Row[Any]]]:
    """The unit of work in which this person signs in, and their account. TooMany, Unauthenticated `session.refused`."""
    with begin_work() as work:
        sign_in = sessions.begin_sign_in(work, username)
    fits = verify_password(sign_in.password_hash, password)
    new_hash = sessions.rehash_if_outdated(sign_in, password) if fits else None
    with begin_work() as work:
        yield work, sessions.finish_sign_in(work, sign_in, fits=fits, new_hash=new_hash)


@session_routes.route("")
class Sessions(MethodView):
    @access(public=True)
    # Twenty-odd representatives may sit behind one office's address; the delay per account stops the guessing.
    @rate_limited("sign-in", per_minute=300, by="address")
    @session_routes.arguments(SessionRequest)
    @session_routes.response(200, TokenView)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """A short-lived token for a person. After repeated failures the answer is 429 with Retry-After."""
        with password_checked(normalise_username(body["username"]), body["password"]) as (work, account):
            return sessions.issue_person_token(work, account, issuer(), authenticated_at=work.now)


@me.route("")
class Me(MethodView):
    @access(signed_in=True)
    @me.response(200, MeView)
    def get(self) -> dict[str, Any]:
        """The account or platform behind the token, with the rights the token carries.

        401 `session.ended` where the account was closed or the session ended since the token was made.
        """
        who = caller()
        rights = {"kind": who.kind, "roles": sorted(who.roles), "scopes": sorted(who.scopes)}
        with reading() as look:
            if who.is_platform:
                client = queries.get_client(look, str(who.subject))
                return {**rights, "client_id": client["client_id"], "name": client["name"], "member": None}
            ensure_not_ended(look, str(who.subject), who.session_id)
            account = queries.get_account(look, str(who.subject))
        member = {name: account[name] for name in ("member_id", "number", "unit_name")}
        return {
            **rights,
            "account_id": account["account_id"],
            "username": account["username"],
            "name": account["person_name"],
            "member": member if account["member_id"] else None,
        }


@accounts.route("")
class Accounts(MethodView):
    @access(roles=ADMINISTRATORS)
    @accounts.arguments(CursorQuery, location="query")
    @accounts.response(200, page_schema(AccountView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Accounts by user name."""
        with reading() as look:
            return queries.list_accounts(look, **query)


@accounts.route("/activation")
class Activation(MethodView):
    @access(public=True)
    @rate_limited("activate", per_minute=60, by="address")
    @accounts.arguments(ActivationRequest)
    @accounts.response(200, ActivatedAccount)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Set the first password of an invited account."""
        username = normalise_username(body["username"])
        ensure_password_allowed(body["password"], username)
        with reading() as look:
            commands.ensure_invited(look, username=username, invitation_code=body["invitation_code"])
        password_hash = hash_password(body["password"])
        with begin_work() as work:
            return commands.activate_account(
                work, username=username, invitation_code=body["invitation_code"], password_hash=password_hash
            )


@accounts.route("/<string:account_id>")
class Account(MethodView):
    @access(roles=ADMINISTRATORS)
    @accounts.response(204)
    def delete(self, account_id: str) -> None:
        """Close an account."""
        with begin_work() as work:
            commands.close_account(work, account_id)
