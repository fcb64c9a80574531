"""A person's own page: who they are here, where they are signed in, and ending that. Their unit has a page in the roster."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused, step
from services.console.browser import CLIENT_ID, apis, browser, for_roles
from services.console.showing import go, page

blueprint = Blueprint("me", __name__)

#: Sessions shown; somebody with more of them ends them all.
SESSIONS = 20


@blueprint.get("/me")
@for_roles()
def me() -> Response:
    """Who am I."""
    return _page()


@blueprint.post("/me/sessions/<session_id>/end")
@for_roles()
def end_session(session_id: str) -> AnyResponse:
    """Sign out in one other place."""
    try:
        apis().delete("membership", f"me/sessions/{step(session_id)}")
    except (Refused, Away) as problem:
        return _page(problem)
    return go("/me", "session_ended")


@blueprint.get("/me/sign-out-everywhere")
@for_roles()
def confirm_sign_out() -> Response:
    """Ask before every device is signed out."""
    return page("me-sign-out.html")


def _page(problem: Refused | Away | None = None) -> Response:
    return page("me.html", problem=problem, sessions=_sessions(), own_client=CLIENT_ID, is_recent=browser().is_recent)


def _sessions() -> list[dict[str, Any]] | None:
    """Where the person is signed in; None where nobody can say."""
    try:
        found = apis().part("membership", "me/sessions", limit=SESSIONS)
    except Refused as refused:
        # A sign-in that is itself no session, such as one begun by a program, may not ask.
        if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            raise
        return None
    return found["items"] if found else None
