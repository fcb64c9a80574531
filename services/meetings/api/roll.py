"""The electoral roll over HTTP. Read only: membership's events keep it."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.meetings.queries import roll as queries
from services.meetings.schemas.roll import RollEntryView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import reading
from shared.web.pagination import CursorQuery, page_schema

blueprint = Blueprint("roll", __name__, url_prefix="/roll", description="Who may vote in which body")


@blueprint.route("/<string:body>")
class Roll(MethodView):
    """The units that may vote in a body now."""

    @access(signed_in=True, scopes={"roster:read"})
    @blueprint.arguments(CursorQuery, location="query")
    @blueprint.response(200, page_schema(RollEntryView))
    def get(self, query: dict[str, Any], body: str) -> dict[str, Any]:
        """The units that would be on the roll of a ballot opened now."""
        with reading() as look:
            return queries.list_roll(look, body, **query)
