"""The rulebook over HTTP: anybody may read it, nobody changes it here."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.meetings.queries import charter as queries
from services.meetings.schemas.charter import CharterView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import reading

blueprint = Blueprint("charter", __name__, url_prefix="/charter", description="The charter in force, as data")


@blueprint.route("")
class CurrentCharter(MethodView):
    """The version in force."""

    @access(public=True)
    @blueprint.response(200, CharterView)
    def get(self) -> dict[str, Any]:
        """The charter in force: every value with its article, and what the text leaves open."""
        with reading() as look:
            return queries.get_charter_view(look)
