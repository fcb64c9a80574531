"""Ballots and votes over HTTP. Who may vote in which ballot is the roll's to say, not this module's."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.meetings.commands.ballots import VoteReceipt, cast_vote
from services.meetings.queries import ballots as queries
from services.meetings.schemas.ballots import BallotsQuery, BallotView, VoteReceiptView, VoteRequest
from shared.runtime.citing import article_label
from shared.runtime.texts import Texts
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, caller, current_work, language, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import page_schema

blueprint = Blueprint("ballots", __name__, url_prefix="/ballots", description="What the bodies vote on, and how")


@blueprint.route("")
class Ballots(MethodView):
    """All ballots of all bodies: every member may see what is decided (art. 7(1))."""

    @access(signed_in=True, scopes={"ballots:read"})
    @blueprint.arguments(BallotsQuery, location="query")
    @blueprint.response(200, page_schema(BallotView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Ballots, newest first. Counts appear once a ballot has closed."""
        with reading() as look:
            found = queries.list_ballots(look, **query, unit_id=caller().unit_id)
        return {**found, "items": [_rendered(each) for each in found["items"]]}


@blueprint.route("/<string:ballot_id>")
class Ballot(MethodView):
    """One ballot."""

    @access(signed_in=True, scopes={"ballots:read"})
    @blueprint.response(200, BallotView)
    def get(self, ballot_id: str) -> dict[str, Any]:
        """One ballot; after its close with the result and the explanation, line by line, in the caller's language."""
        with reading() as look:
            return _rendered(queries.get_ballot(look, ballot_id, unit_id=caller().unit_id))


@blueprint.route("/<string:ballot_id>/votes")
class Votes(MethodView):
    """The votes of a ballot: they can be cast, never read."""

    @access(roles={"committee", "representative"}, recent=True)
    @idempotent
    @blueprint.arguments(VoteRequest)
    @blueprint.response(201, VoteReceiptView)
    def post(self, body: dict[str, str], ballot_id: str) -> VoteReceipt:
        """Cast the vote of the caller's unit. It stands: there is no second one.

        The password must have been given within the last ten minutes, else 401 `access.step_up_needed`.
        """
        return cast_vote(current_work(), ballot_id, unit_id=caller().unit_id, choice=body["choice"])


def _rendered(ballot: dict[str, Any]) -> dict[str, Any]:
    """The ballot with its explanation in words."""
    if ballot["result"] is None:
        return ballot
    texts, tongue = assembly().texts, language()
    lines = [{**line, "text": _in_words(texts, tongue, line)} for line in ballot["result"]["explanation"]]
    return {**ballot, "result": {**ballot["result"], "explanation": lines}}


def _in_words(texts: Texts, tongue: str, line: dict[str, Any]) -> str:
    params = dict(line["params"])
    if "article" in params:
        params["article"] = article_label(texts, tongue, params["article"])
    return texts.render(line["code"], tongue, **params)
