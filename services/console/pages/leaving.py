"""A unit leaves the alliance: what happens then, from when, the same once more in large words, and taking it back.

For its own representative, and for the secretariat where it came on paper. Membership judges day and reason; nobody else
is asked, so these pages must make sure that it is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused, step
from services.console.browser import NotYours, apis, browser, for_roles, person
from services.console.pages import unconfirmed
from services.console.pages.application_form import refusal
from services.console.showing import go, new_key, page, say, typed_key

blueprint = Blueprint("leaving", __name__)

ROLES = ("representative", "secretariat")
AT_ONCE, LATER = "at_once", "later"
#: What is kept until it is confirmed (pages/unconfirmed.py).
LEAVING = "leaving"
EMPTY = {"when": "", "leaves_on": "", "reason": ""}


@blueprint.get("/members/<member_id>/leaving")
@for_roles(*ROLES)
def leaving(member_id: str) -> Response:
    """What leaving means, and from when."""
    return _form_page(_unit(member_id), EMPTY)


@blueprint.post("/members/<member_id>/leaving")
@for_roles(*ROLES)
def choose(member_id: str) -> AnyResponse:
    """What was typed is kept, and confirmed on a page of its own; over the password where it was given long ago."""
    unit = _unit(member_id)
    typed = {name: request.form.get(name, "").strip() for name in EMPTY}
    problem = _look_over(typed)
    if problem is not None:
        return _form_page(unit, typed, problem)
    told = {name: unit[name] for name in ("member_id", "number", "unit_name")}
    unconfirmed.keep(LEAVING, member_id, **typed, unit=told)
    confirmation = f"/members/{step(member_id)}/leaving/confirmation"
    return go(confirmation) if browser().is_recent else go("/sign-in", again="1", next=confirmation)


@blueprint.get("/members/<member_id>/leaving/confirmation")
@for_roles(*ROLES)
def confirm(member_id: str) -> AnyResponse:
    """The unit and the day once more, in large words, before it counts."""
    kept = unconfirmed.kept(LEAVING, member_id)
    if kept is None:
        return redirect(f"/members/{step(member_id)}/leaving", HTTPStatus.SEE_OTHER)
    _ensure_may_speak_for(member_id)
    return page("leaving-confirm.html", unit=kept["unit"], typed=kept, key=new_key())


@blueprint.post("/members/<member_id>/leaving/confirmation")
@for_roles(*ROLES)
def leave(member_id: str) -> AnyResponse:
    """The unit leaves."""
    kept, key = unconfirmed.kept(LEAVING, member_id), typed_key()
    if kept is None:
        return _form_page(_unit(member_id), EMPTY, refusal((), "leaving.lapsed"))
    body = {"leaves_on": kept["leaves_on"] or None, "reason": kept["reason"] or None}
    try:
        unit = apis().post("membership", f"members/{step(member_id)}/withdrawal", body, key=key)
    except Refused as problem:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            # Over the password, and back to the confirmation of what has been kept.
            return go("/sign-in", again="1", next=request.path)
        return _form_page(_unit(member_id), kept, problem)
    except Away as problem:
        # Sent again under the same key, it is done once.
        return page("leaving-confirm.html", unit=kept["unit"], typed=kept, key=key, problem=problem)
    unconfirmed.drop(LEAVING, member_id)
    if unit["left_at"] is None:
        return go(f"/members/{step(member_id)}", "leaving_announced")
    if person().member_id == member_id:
        # Membership has closed the account behind this very session.
        browser().sign_out()
        return go("/", "unit_left")
    return go(f"/members/{step(member_id)}", "leaving_recorded")


@blueprint.post("/members/<member_id>/leaving/retraction")
@for_roles(*ROLES)
def retract(member_id: str) -> AnyResponse:
    """The unit stays after all."""
    try:
        apis().delete("membership", f"members/{step(member_id)}/withdrawal")
    except (Refused, Away) as problem:
        return _form_page(_unit(member_id), EMPTY, problem)
    return go(f"/members/{step(member_id)}", "leaving_retracted")


def _unit(member_id: str) -> Any:
    _ensure_may_speak_for(member_id)
    return apis().get("membership", f"members/{step(member_id)}")


def _ensure_may_speak_for(member_id: str) -> None:
    if person().member_id != member_id and not person().has("secretariat"):
        raise NotYours


def _form_page(unit: Mapping[str, Any], typed: Mapping[str, str], problem: Refused | Away | None = None) -> Response:
    return page(
        "leaving.html",
        unit=unit,
        typed=typed,
        is_own=person().member_id == unit["member_id"],
        key=new_key(),
        problem=problem,
    )


def _look_over(typed: dict[str, str]) -> Refused | None:
    """What nobody else can know was meant: no choice, or a day that is none. What a day may be is membership's to say."""
    if typed["when"] == AT_ONCE:
        typed["leaves_on"] = ""
        return None
    if typed["when"] != LATER:
        return refusal([{"field": "when", "message": say("leaving.fault.when")}], "leaving.look_over")
    try:
        date.fromisoformat(typed["leaves_on"])
    except ValueError:
        return refusal([{"field": "leaves_on", "message": say("leaving.fault.day")}], "leaving.look_over")
    return None
