"""The desk of the secretariat and the committee: applications, what was asked and noted, and the steps by hand.

Which step an application may take is membership's to say: every form is always there where it could fit, and what is
refused is shown with its reason. While membership is away, what was typed stands on the page that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Refused, step
from services.console.browser import apis, for_roles
from services.console.pages.application_form import STEPS, rows_of, typed_of
from services.console.rulebook import Names, charter_in_force, names
from services.console.showing import go, has_text, new_key, page, say, typed_key

blueprint = Blueprint("desk", __name__)

READERS = ("secretariat", "committee")
#: In the order in which an application goes through them; the last three are its ends.
STATES = ("submitted", "questioned", "accepted", "approved", "admitted", "refused", "withdrawn")
ENDS = ("admitted", "refused", "withdrawn")
TONES = {
    "submitted": "warn", "accepted": "calm", "approved": "calm", "questioned": "calm", "admitted": "good", "refused": "bad",
}  # fmt: skip
#: The stages of the procedure: the article each rests on, the states in which an application is there, and the step of
#: the history that ends it.
STAGES = (
    ("submission", "6(1)", (), "submit"),
    ("check", "11", ("submitted", "questioned"), "accept"),
    ("review", "6(2)", ("accepted",), "approve"),
    ("vote", "6(3)", ("approved",), "admit"),
    ("membership", "6(3)", (), ""),
)


@blueprint.get("/applications")
@for_roles(*READERS)
def applications() -> Response:
    """All applications, newest first."""
    given = request.args.get("state", "")
    state = given if given in STATES else ""
    cursor = request.args.get("cursor", "")
    found = apis().get("membership", "applications", state=state, cursor=cursor)
    return page(
        "desk.html", applications=found["items"], next_cursor=found["next_cursor"], cursor=cursor, state=state,
        states=STATES, tones=TONES, names=names(charter_in_force()),
    )  # fmt: skip


@blueprint.get("/applications/<application_id>")
@for_roles(*READERS)
def application(application_id: str) -> Response:
    """One application, to be read from top to bottom."""
    return _reading(application_id)


# ------------------------------------------------------------ what the secretariat does
@blueprint.post("/applications/<application_id>/questions")
@for_roles("secretariat")
def ask(application_id: str) -> AnyResponse:
    """Send the application back with a question."""
    return _send(application_id, "questions", "question")


@blueprint.post("/applications/<application_id>/notes")
@for_roles("secretariat")
def note(application_id: str) -> AnyResponse:
    """Keep a note that the applicant never sees."""
    return _send(application_id, "notes", "note")


@blueprint.get("/applications/<application_id>/acceptance")
@for_roles("secretariat")
def acceptance(application_id: str) -> Response:
    """Before an application is laid before the committee: what that does, and the warnings to be confirmed."""
    return page("desk-accept.html", application=_get(application_id), key=new_key())


@blueprint.post("/applications/<application_id>/acceptance")
@for_roles("secretariat")
def accept(application_id: str) -> AnyResponse:
    """Lay the application before the committee."""
    body = {"confirm_warnings": "confirm_warnings" in request.form}
    try:
        apis().post("membership", f"applications/{step(application_id)}/acceptance", body, key=typed_key())
    except Refused as problem:
        # What is sent after a refusal is another request, and needs a key of its own.
        return page("desk-accept.html", application=_get(application_id), key=new_key(), problem=problem)
    return go(f"/applications/{step(application_id)}", "application_accepted")


@blueprint.get("/applications/<application_id>/withdrawal")
@for_roles("secretariat")
def withdrawal(application_id: str) -> Response:
    """Before a withdrawal that came on paper is recorded."""
    return page("desk-withdraw.html", application=_get(application_id), key=new_key(), reason="")


@blueprint.post("/applications/<application_id>/withdrawal")
@for_roles("secretariat")
def record_withdrawal(application_id: str) -> AnyResponse:
    """Record a withdrawal that came on paper."""
    reason = request.form.get("withdrawal_reason", "").strip()
    try:
        path = f"applications/{step(application_id)}/withdrawal"
        apis().post("membership", path, {"reason": reason or None}, key=typed_key())
    except Refused as problem:
        at = _at(problem, "reason", "withdrawal_reason")
        return page("desk-withdraw.html", application=_get(application_id), key=new_key(), reason=reason, problem=at)
    return go(f"/applications/{step(application_id)}", "withdrawal_recorded")


def _send(application_id: str, what: str, field: str) -> AnyResponse:
    """A question or a note: one text, in a form on the application's page."""
    text = request.form.get(field, "")
    path = f"applications/{step(application_id)}"
    try:
        apis().post("membership", f"{path}/{what}", {"text": text}, key=typed_key())
    except Refused as problem:
        return _reading(application_id, problem=_at(problem, "text", field), typed={field: text})
    return go(f"/{path}", f"{field}_sent")


def _at(problem: Refused, theirs: str, ours: str) -> Refused:
    """The API's fault at the form's field: names that are short in an API would be ambiguous on a page."""
    problem.faults = [
        {**each, "field": ours if each.get("field") == theirs else each.get("field")} for each in problem.faults
    ]
    return problem


# ------------------------------------------------------------ one application
def _get(application_id: str) -> Any:
    return apis().get("membership", f"applications/{step(application_id)}")


def _reading(application_id: str, **content: Any) -> Response:
    found = _get(application_id)
    named = names(charter_in_force())
    return page(
        "desk-one.html",
        application=found,
        names=named,
        tones=TONES,
        ends=ENDS,
        groups=form_to_read(found["form"], named),
        corrections={
            each["question_id"]: form_to_read(each["corrections"] or {}, named) for each in found["questions"]
        },
        stages=stages(found),
        history=_history(found["steps"]),
        waiting=_ballots_waiting_for_me(found),
        keys={"question": new_key(), "note": new_key()},
        **content,
    )


def form_to_read(form: Mapping[str, Any], named: Names) -> list[Any]:
    """The form's groups with their fields and what is shown of each."""
    typed = typed_of(form)
    return [group for each in STEPS for group in rows_of(each, typed, named)]


def stages(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(name, article, how far, since when) of every stage, as the history tells it."""
    state, ended = found["state"], {each["step"]: each["at"] for each in found["steps"]}
    told = []
    for name, article, states, ends_with in STAGES:
        if ends_with in ended or (not ends_with and state == "admitted"):
            how = "done"
        elif state in states:
            how = "now"
        else:
            how = "next"
        told.append((name, article, how, ended.get(ends_with, "")))
    return _with_break(told, state)


def _with_break(told: list[tuple[str, str, str, str]], state: str) -> list[tuple[str, str, str, str]]:
    """Where it came to its end before the last stage, that stage has failed."""
    if state not in ("refused", "withdrawn"):
        return told
    at = next(number for number, each in enumerate(told) if each[2] == "next")
    return [(*each[:2], "failed", each[3]) if number == at else each for number, each in enumerate(told)]


def _history(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "at": each["at"],
            "service": "membership",
            "title": say(f"desk.step.{each['step']}") if has_text(f"desk.step.{each['step']}") else each["step"],
            "article": each["article"],
            "words": each["reason"],
        }
        for each in steps
    ]


def _ballots_waiting_for_me(found: Mapping[str, Any]) -> list[Any]:
    """Open ballots on this application in which one's unit may vote now: a click away."""
    if found["state"] not in ("accepted", "approved"):
        return []
    listed = apis().part("meetings", "ballots", application_id=found["application_id"], state="open")
    return [each for each in (listed or {"items": ()})["items"] if each["you"] and each["you"]["may_vote"]]
