"""The roster and each unit's own page: facts, offices, how it came in, and its account for those whom finance lets see it.

Read only, like the roster: a ballot admits; leaving has pages of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from services.console.apis import Away, Refused, step
from services.console.browser import Person, apis, for_roles, person
from services.console.rulebook import charter_in_force, names
from services.console.showing import page
from shared.web.context import assembly

blueprint = Blueprint("roster", __name__)

#: Units on a page: a founding alliance on one sheet of paper or two, 10,000 members in 200 equally quick pages.
UNITS = 50
FILTERS = ("q", "kind", "county", "status")
#: Those who may read every unit's account; finance decides, this spares a question with a known answer.
BOOKKEEPERS = ("treasurer", "secretariat")
#: Lines of the statement on the unit's page, and on the statement's own.
LATEST_LINES, STATEMENT_LINES = 5, 50
#: Finance tells statements from the beginning. So many pages of a hundred are walked to their end; ten years of an
#: account that moves twice a month. Longer ones are read on the statement's page.
WALKED_PAGES = 3


@blueprint.get("/members")
@for_roles()
def members() -> Response:
    """The roster by number."""
    wanted: dict[str, Any] = {name: request.args.get(name, "").strip() for name in FILTERS}
    cursor = request.args.get("cursor", "")
    found = apis().get("membership", "members", limit=UNITS, cursor=cursor, **wanted)
    charter = charter_in_force()
    kept = {name: value for name, value in wanted.items() if value}
    return page(
        "roster.html",
        members=found["items"],
        alliance=apis().part("membership", "alliance"),
        wanted=wanted,
        is_filtered=bool(kept),
        charter=charter,
        names=names(charter),
        next_address=f"/members?{urlencode({**kept, 'cursor': found['next_cursor']})}" if found["next_cursor"] else "",
        first_address=f"/members?{urlencode(kept)}".rstrip("?") if cursor else "",
        printed_at=assembly().clock.now().isoformat(),
    )


@blueprint.get("/members/<member_id>")
@for_roles()
def member(member_id: str) -> Response:
    """One unit."""
    unit = apis().get("membership", f"members/{step(member_id)}")
    account = _account(person(), member_id)
    return page(
        "roster-unit.html",
        unit=unit,
        names=names(charter_in_force()),
        ballot=_deciding_ballot(unit["ballot_id"]),
        account=account,
        latest=_latest_lines(account["account_id"]) if account else None,
    )


@blueprint.get("/members/<member_id>/account")
@for_roles()
def statement(member_id: str) -> Response:
    """All lines of a unit's account, oldest first."""
    account = apis().get("finance", f"members/{step(member_id)}/account")
    cursor = request.args.get("cursor", "")
    path = f"accounts/{step(account['account_id'])}/statement"
    found = apis().get("finance", path, limit=STATEMENT_LINES, cursor=cursor)
    address = f"/members/{step(member_id)}/account"
    following = found["next_cursor"]
    return page(
        "roster-statement.html",
        unit=_named(member_id),
        member_id=member_id,
        account=account,
        lines=found["items"],
        next_address=f"{address}?{urlencode({'cursor': following})}" if following else "",
        first_address=address if cursor else "",
    )


def _named(member_id: str) -> Mapping[str, Any] | None:
    """The unit, for its name; the books can be read without membership."""
    found: Mapping[str, Any] | None = apis().part("membership", f"members/{step(member_id)}")
    return found


def _deciding_ballot(ballot_id: str | None) -> Mapping[str, Any] | None:
    if ballot_id is None:
        return None
    found: Mapping[str, Any] | None = _or_none("meetings", f"ballots/{step(ballot_id)}")
    return found


def _account(who: Person, member_id: str) -> Mapping[str, Any] | None:
    """The unit's account, where finance shows it to this person."""
    if who.member_id != member_id and not who.has(*BOOKKEEPERS):
        return None
    found: Mapping[str, Any] | None = _or_none("finance", f"members/{step(member_id)}/account")
    return found


def _latest_lines(account_id: str) -> list[Mapping[str, Any]] | None:
    """The last lines of the statement, newest first; None where it is too long to walk, or finance has gone."""
    lines: list[Mapping[str, Any]] = []
    cursor = None
    for _ in range(WALKED_PAGES):
        try:
            found = apis().get("finance", f"accounts/{step(account_id)}/statement", limit=100, cursor=cursor)
        except Away:
            return None
        lines = [*lines, *found["items"]][-LATEST_LINES:]
        cursor = found["next_cursor"]
        if cursor is None:
            return lines[::-1]
    return None


def _or_none(service: str, path: str) -> Any:
    """A part of the page; None where the service is away, or has nothing under this path for this person."""
    try:
        return apis().part(service, path)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
