"""The archive over HTTP: every event that was ever told, with its whole data. For operators and trusted platforms.

It remembers what a service restored to an earlier point has forgotten of its own.
"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.notifications.queries.archive import archived_events
from services.notifications.schemas.archive import ArchivedEventView, ArchiveQuery
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import reading
from shared.web.feed import OPERATOR, SCOPE
from shared.web.pagination import page, page_schema

blueprint = Blueprint("archive", __name__, url_prefix="/archive", description="Every event that was ever told")


@blueprint.route("")
class Archive(MethodView):
    @access(roles={OPERATOR}, scopes={SCOPE})
    @blueprint.arguments(ArchiveQuery, location="query")
    @blueprint.response(200, page_schema(ArchivedEventView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Events of one service, by their ids, which sort by the time of telling."""
        with reading() as look:
            rows = archived_events(look, query["service"], cursor=query["cursor"], limit=query["limit"])
        return page(rows, query["limit"], key=lambda row: (row.event_id,))
