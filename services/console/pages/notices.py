"""A person's inbox: what they were told, what it is about, and marking it as read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused, step
from services.console.browser import Person, apis, for_roles, person
from services.console.pages.subscriptions import all_subscriptions, offer
from services.console.showing import go, new_key, page, typed_key

blueprint = Blueprint("notices", __name__)

#: Notices on a page; marking all of them is one question to the API each.
NOTICES = 20
#: Those who may open an application.
APPLICATION_READERS = ("secretariat", "committee")


@blueprint.get("/notices")
@for_roles()
def notices() -> Response:
    """The inbox."""
    return _page()


@blueprint.post("/notices/<notice_id>/read")
@for_roles()
def read(notice_id: str) -> AnyResponse:
    """Mark one as read."""
    try:
        apis().post("notifications", f"inbox/{step(notice_id)}/read", key=typed_key())
    except (Refused, Away) as problem:
        return _page(problem)
    return go(_address(), "notice_read")


@blueprint.post("/notices/read")
@for_roles()
def read_all() -> AnyResponse:
    """Mark those of a page as read; twice is as good as once."""
    try:
        for notice_id in request.form.getlist("notice_id")[:NOTICES]:
            apis().post("notifications", f"inbox/{step(notice_id)}/read", key=new_key())
    except (Refused, Away) as problem:
        return _page(problem)
    return go(_address(), "notices_read")


def _page(problem: Refused | Away | None = None) -> Response:
    unread, cursor = _is_unread(), request.values.get("cursor", "")
    query: dict[str, Any] = {"limit": NOTICES, "cursor": cursor, "unread": "true" if unread else None}
    found = apis().part("notifications", "inbox", **query)
    items = found["items"] if found else []
    following = found["next_cursor"] if found else None
    kept = {"unread": "1"} if unread else {}
    return page(
        "notices.html",
        problem=problem,
        notices=[{**each, "links": links_of(each, person())} for each in items],
        is_here=found is not None,
        unread=unread,
        cursor=cursor,
        offer=[] if items or unread or cursor or found is None else offer(person(), all_subscriptions()),
        new_key=new_key,
        next_address=f"/notices?{urlencode({**kept, 'cursor': following})}" if following else "",
        first_address=f"/notices?{urlencode(kept)}".rstrip("?") if cursor else "",
    )


def _is_unread() -> bool:
    return request.values.get("unread", "") == "1"


def _address() -> str:
    """The page of the inbox from which the form was sent."""
    kept = {name: request.form[name] for name in ("unread", "cursor") if request.form.get(name)}
    return f"/notices?{urlencode(kept)}" if kept else "/notices"


def links_of(notice: Mapping[str, Any], who: Person) -> list[tuple[str, str]]:
    """What the notice is about, as (name of the text, address), the nearest first; its story always."""
    data = notice["data"]
    application = data.get("application_id") or (data.get("matter") or {}).get("application_id")
    links: list[tuple[str, str]] = []
    if data.get("ballot_id"):
        links.append(("ballot", f"/ballots/{step(str(data['ballot_id']))}"))
    if data.get("member_id"):
        links.append(("member", f"/members/{step(str(data['member_id']))}"))
    if application and who.has(*APPLICATION_READERS):
        links.append(("application", f"/applications/{step(str(application))}"))
    if str(notice["type"]).startswith("membership."):
        links.sort(key=lambda link: link[0] == "ballot")  # it tells what came of the ballot, not of the ballot
    return [*links, ("timeline", f"/timelines/{step(str(notice['correlation_id']))}")]
