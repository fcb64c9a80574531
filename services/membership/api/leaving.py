"""Leaving the alliance over HTTP: a unit for itself, or the secretariat for one that has written a letter."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.membership.commands.leaving import Announcement, announce_leaving, retract_leaving
from services.membership.domain.leaving import ARTICLE, REPRESENTATIVE, SECRETARIAT
from services.membership.queries import roster as queries
from services.membership.schemas.leaving import LeavingRequest
from services.membership.schemas.roster import MemberView
from shared.errors import Forbidden
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import begin_work, caller, current_work
from shared.web.idempotency import idempotent

blueprint = Blueprint(
    "leaving", __name__, url_prefix="/members", description="Leaving the alliance at will (art. 7(3))"
)


@blueprint.route("/<string:member_id>/withdrawal")
class Withdrawal(MethodView):
    @access(roles={REPRESENTATIVE, SECRETARIAT}, recent=True)
    @idempotent
    @blueprint.arguments(LeavingRequest)
    @blueprint.response(200, MemberView)
    def post(self, body: dict[str, Any], member_id: str) -> dict[str, Any]:
        """The unit leaves, at once or from a later day on; nobody has to agree. Said again before that day, it is changed.

        For a unit by its own representative; the secretariat records what came on paper and names it as the reason. The
        password must have been given within the last ten minutes, else 401 `access.step_up_needed`.
        """
        work = current_work()
        announce_leaving(work, member_id, Announcement(_speaking_for(member_id), str(caller().subject), **body))
        return queries.get_member(work, member_id, in_confidence=True)

    @access(roles={REPRESENTATIVE, SECRETARIAT})
    @blueprint.response(204)
    def delete(self, member_id: str) -> None:
        """The unit takes back that it leaves on a later day."""
        _speaking_for(member_id)
        with begin_work() as work:
            retract_leaving(work, member_id, retracted_by=str(caller().subject))


def _speaking_for(member_id: str) -> str:
    """In which capacity the caller speaks for the unit; Forbidden `leaving.not_own_unit`."""
    who = caller()
    if who.unit_id == member_id and who.has_role(REPRESENTATIVE):
        return REPRESENTATIVE
    if who.has_role(SECRETARIAT):
        return SECRETARIAT
    raise Forbidden("leaving.not_own_unit", article=ARTICLE)
