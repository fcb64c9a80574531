"""The roster, the offices and the alliance over HTTP: read only. A ballot admits, and a unit leaves (api/leaving.py)."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.membership.domain.leaving import SECRETARIAT
from services.membership.queries import roster as queries
from services.membership.schemas.roster import AllianceView, MemberLine, MembersQuery, MemberView, OfficeList
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import caller, reading
from shared.web.pagination import page_schema

members = Blueprint("members", __name__, url_prefix="/members", description="The roster")
offices = Blueprint("offices", __name__, url_prefix="/offices", description="Who holds which office (art. 9, 11)")
alliance = Blueprint("alliance", __name__, url_prefix="/alliance", description="The alliance")

ROSTER_SCOPE = "roster:read"


@members.route("")
class Members(MethodView):
    @access(signed_in=True, scopes={ROSTER_SCOPE})
    @members.arguments(MembersQuery, location="query")
    @members.response(200, page_schema(MemberLine))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The roster by number, present members unless told otherwise; filter by kind, county, or part of a name."""
        with reading() as look:
            return queries.list_members(look, **query)


@members.route("/<string:member_id>")
class Member(MethodView):
    @access(signed_in=True, scopes={ROSTER_SCOPE})
    @members.response(200, MemberView)
    def get(self, member_id: str) -> dict[str, Any]:
        """One unit, with its offices, the ballot that admitted it, and how it left.

        Why it left, and by whose word, is told to the unit itself and to the secretariat.
        """
        who = caller()
        with reading() as look:
            in_confidence = who.unit_id == member_id or who.has_role(SECRETARIAT)
            return queries.get_member(look, member_id, in_confidence=in_confidence)


@offices.route("")
class Offices(MethodView):
    @access(signed_in=True, scopes={ROSTER_SCOPE})
    @offices.response(200, OfficeList)
    def get(self) -> dict[str, Any]:
        """Offices with their holders, the latest terms first."""
        with reading() as look:
            return {"items": queries.list_offices(look)}


@alliance.route("")
class Alliance(MethodView):
    @access(public=True)
    @alliance.response(200, AllianceView)
    def get(self) -> dict[str, Any]:
        """Name, founding and size of the alliance."""
        with reading() as look:
            return queries.get_alliance(look)
