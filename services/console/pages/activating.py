"""Activating an invited account: the first password. Membership judges it; it is shown again nowhere."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from services.console.apis import Away, Refused, step
from services.console.pages.application_form import refusal
from services.console.pages.remembered import applicants_apis, recall, with_code
from services.console.showing import go, page, say

blueprint = Blueprint("activating", __name__, url_prefix="/activate")


@blueprint.get("")
def form() -> Response:
    """The form; after an admission that this browser followed, with user name and code filled in."""
    return page("activate.html", typed=_invited(request.args.get("application", "")), problem=None, errors={})


@blueprint.post("")
def activate() -> Response:
    """Set the password."""
    typed = {name: request.form.get(name, "").strip() for name in ("username", "invitation_code")}
    password, again = request.form.get("password", ""), request.form.get("password_again", "")
    problem: Refused | Away | None = _look_over(typed, password, again)
    if problem is None:
        try:
            applicants_apis().post("membership", "accounts/activation", {**typed, "password": password})
            return go("/activate/done")
        except Refused as refused:
            problem = _beside_fields(refused)
        except Away as away:
            problem = away
    errors = problem.by_field if isinstance(problem, Refused) else {}
    return page("activate.html", typed=typed, problem=problem, errors=errors)


@blueprint.get("/done")
def done() -> Response:
    """On to signing in."""
    return page("activate-done.html")


def _invited(application_id: str) -> dict[str, str]:
    entry = recall(application_id) if application_id else None
    if entry is None:
        return {}
    path = f"applications/{step(application_id)}"
    try:
        found = applicants_apis().get("membership", path, headers=with_code(entry["code"]))
    except (Refused, Away):
        return {}  # the form can be filled in by hand
    return {"username": found.get("member_number") or "", "invitation_code": entry["code"]}


def _look_over(typed: dict[str, str], password: str, again: str) -> Refused | None:
    missing = [name for name, text in {**typed, "password": password}.items() if not text]
    faults = [{"field": name, "message": say("apply.fault.missing")} for name in missing]
    if password and password != again:
        faults.append({"field": "password_again", "message": say("activate.fault.again")})
    return refusal(faults) if faults else None


def _beside_fields(refused: Refused) -> Refused:
    """A refused invitation names no field, lest it betray which names exist: it is shown beside the code."""
    if refused.faults or refused.code != "account.invitation_refused":
        return refused
    fault = {"field": "invitation_code", "message": say("activate.fault.invitation")}
    return Refused(refused.service, refused.status, {"code": refused.code, "detail": refused.detail, "errors": [fault]})
