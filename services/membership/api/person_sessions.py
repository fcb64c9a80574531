"""A person's own sessions over HTTP: where they are signed in, and ending that."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.membership.commands import person_sessions as commands
from services.membership.domain.person_sessions import SIGNED_OUT
from services.membership.queries.person_sessions import ensure_not_ended, list_sessions
from services.membership.schemas.accounts import PersonSessionView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import begin_work, caller, reading
from shared.web.pagination import CursorQuery, page_schema

my_sessions = Blueprint("my_sessions", __name__, url_prefix="/me/sessions", description="Where one is signed in")


@my_sessions.route("")
class MySessions(MethodView):
    @access(signed_in=True)
    @my_sessions.arguments(CursorQuery, location="query")
    @my_sessions.response(200, page_schema(PersonSessionView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The caller's sessions that have not ended, newest first. Tokens of `POST /sessions` have none."""
        who = caller()
        with reading() as look:
            ensure_not_ended(look, str(who.subject), who.session_id)
            return list_sessions(look, str(who.subject), current=who.session_id, **query)

    @access(signed_in=True)
    @my_sessions.response(204)
    def delete(self) -> None:
        """Sign out everywhere. Access tokens already given run out within ten minutes."""
        who = caller()
        with begin_work() as work:
            ensure_not_ended(work, str(who.subject), who.session_id)
            commands.end_sessions_of(work, str(who.subject), reason=SIGNED_OUT)


@my_sessions.route("/<string:session_id>")
class MySession(MethodView):
    @access(signed_in=True)
    @my_sessions.response(204)
    def delete(self, session_id: str) -> None:
        """End one session of the caller's."""
        who = caller()
        with begin_work() as work:
            ensure_not_ended(work, str(who.subject), who.session_id)
            commands.end_own_session(work, account_id=str(who.subject), session_id=session_id)
