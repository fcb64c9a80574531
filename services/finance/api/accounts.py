"""Accounts, statements and the trial balance over HTTP. A member sees its own account, the staff sees all."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.finance.queries import accounts as account_queries
from services.finance.schemas.accounts import AccountsQuery, AccountView, StatementLineView, TrialBalanceView
from shared.errors import NotFound
from shared.persistence.unit_of_work import Reading
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import caller, reading
from shared.web.pagination import CursorQuery, page, page_schema

#: Offices that keep the books.
STAFF = frozenset({"treasurer", "secretariat"})

blueprint = Blueprint(
    "accounts", __name__, url_prefix="/accounts", description="The chart of accounts and its balances"
)
members = Blueprint("member_accounts", __name__, url_prefix="/members", description="A member's own account")
trial_balance = Blueprint(
    "trial_balance", __name__, url_prefix="/trial-balance", description="Whether the ledger balances"
)


@blueprint.route("")
class Accounts(MethodView):
    @access(roles=STAFF)
    @blueprint.arguments(AccountsQuery, location="query")
    @blueprint.response(200, page_schema(AccountView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Every account with its balance, in the order of the codes."""
        limit = query["limit"]
        with reading() as look:
            rows = account_queries.list_accounts(
                look, limit=limit, position=query["cursor"], account_class=query["account_class"]
            )
        return page(rows, limit, key=lambda row: (row["code"],))


@blueprint.route("/<string:account_id>")
class Account(MethodView):
    @access(signed_in=True)
    @blueprint.response(200, AccountView)
    def get(self, account_id: str) -> dict[str, Any]:
        """One account; a member sees its own."""
        with reading() as look:
            return _readable_account(look, account_id)


@blueprint.route("/<string:account_id>/statement")
class Statement(MethodView):
    @access(signed_in=True)
    @blueprint.arguments(CursorQuery, location="query")
    @blueprint.response(200, page_schema(StatementLineView))
    def get(self, query: dict[str, Any], account_id: str) -> dict[str, Any]:
        """What was posted to the account, oldest first, with the balance after each line."""
        limit = query["limit"]
        with reading() as look:
            account = _readable_account(look, account_id)
            rows = account_queries.statement_of_account(
                look, account["account_id"], limit=limit, position=query["cursor"]
            )
        return page(rows, limit, key=lambda row: (row["number"],))


@members.route("/<string:member_id>/account")
class MemberAccount(MethodView):
    @access(signed_in=True)
    @members.response(200, AccountView)
    def get(self, member_id: str) -> dict[str, Any]:
        """The member's account: what it owes the alliance, or is owed by it."""
        _ensure_may_read(member_id)
        with reading() as look:
            return account_queries.get_member_account(look, member_id)


@trial_balance.route("")
class TrialBalance(MethodView):
    @access(roles=STAFF)
    @trial_balance.response(200, TrialBalanceView)
    def get(self) -> dict[str, Any]:
        """Debits and credits of every account; the two totals are equal."""
        with reading() as look:
            return account_queries.trial_balance(look)


def _readable_account(look: Reading, account_id: str) -> dict[str, Any]:
    account = account_queries.get_account(look, account_id)
    _ensure_may_read(account["member_id"])
    return account


def _ensure_may_read(member_id: str | None) -> None:
    who = caller()
    if who.has_role(*STAFF) or (member_id is not None and who.unit_id == member_id):
        return
    # The same answer as for an account that does not exist: who has one is nobody else's business.
    raise NotFound("account.not_found")
