"""The in-app inbox over HTTP."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.notifications.api.callers import SCOPE, owner
from services.notifications.commands.notices import mark_read
from services.notifications.queries import notices as queries
from services.notifications.schemas.notices import InboxQuery, NoticeView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, caller, current_work, language, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import page, page_schema

blueprint = Blueprint(
    "inbox", __name__, url_prefix="/inbox", description="What the caller was told, inside the platform"
)


@blueprint.route("")
class Inbox(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @blueprint.arguments(InboxQuery, location="query")
    @blueprint.response(200, page_schema(NoticeView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Notices to the caller and to its roles, newest first."""
        me = owner()
        with reading() as look:
            rows = queries.list_notices(
                look,
                assembly().texts,
                language(),
                kind=me.kind,
                subject=me.subject,
                roles=caller().roles,
                limit=query["limit"],
                position=query["cursor"],
                unread=query["unread"],
            )
        return page(rows, query["limit"], key=lambda row: (row["created_at"], row["notice_id"]))


@blueprint.route("/<string:notice_id>/read")
class Read(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @idempotent
    @blueprint.response(200, NoticeView)
    def post(self, notice_id: str) -> dict[str, Any]:
        """Mark a notice as read."""
        work, me, roles = current_work(), owner(), caller().roles
        mark_read(work, me, roles, notice_id)
        return queries.get_notice(
            work, assembly().texts, language(), kind=me.kind, subject=me.subject, roles=roles, notice_id=notice_id
        )
