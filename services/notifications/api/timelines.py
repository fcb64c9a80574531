"""Timelines over HTTP: the alliance's decisions are open to all its members (Art. 7)."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.notifications.queries.timelines import timeline
from services.notifications.schemas.timelines import TimelineView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, language, reading

blueprint = Blueprint(
    "timelines", __name__, url_prefix="/timelines", description="A story across all services, in order"
)


@blueprint.route("/<string:correlation_id>")
class Timeline(MethodView):
    @access(signed_in=True, scopes={"timeline:read"})
    @blueprint.response(200, TimelineView)
    def get(self, correlation_id: str) -> dict[str, Any]:
        """Everything that happened under one correlation id, deliveries included, with the article of each step."""
        with reading() as look:
            return timeline(look, assembly().texts, language(), correlation_id)
