"""The applicant's own view of an application: where it stands, questions to answer, withdrawing. Known by the code.

Membership decides what may be done; the code travels in a header and never in an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from services.console import rulebook
from services.console.apis import Away, Refused, step
from services.console.pages.application_form import (
    FIELDS,
    STEPS,
    corrections_of,
    in_form,
    refusal,
    rows_of,
    typed_of,
)
from services.console.pages.remembered import applicants_apis, forget, recall, remember, remembered, with_code
from services.console.pages.way import story_of, way_of
from services.console.showing import go, new_key, page, say, typed_key
from shared.web.context import assembly

blueprint = Blueprint("status", __name__, url_prefix="/status")

_ID = re.compile(r"[0-9A-Za-z-]{8,36}")
#: States from which an application can be withdrawn are those that it can still leave.
ENDED = {"admitted", "refused", "withdrawn"}


@blueprint.get("")
def find() -> Response:
    """Ways to an application: what this browser remembers, the private link, or id and code."""
    return page("status.html", known=remembered(), typed={}, problem=None)


@blueprint.post("")
def open_typed() -> Response:
    """Open what was typed or what a private link carried."""
    typed = {"link": request.form.get("link", "").strip(), "code": request.form.get("code", "").strip()}
    application_id, code = _read_link(typed["link"])
    code = code or typed["code"]
    known = next((each for each in remembered() if each["number"] == typed["link"]), None)
    if known is not None and not code:
        return go(f"/status/{known['application_id']}")
    faults = []
    if not _ID.fullmatch(application_id):
        faults.append({"field": "link", "message": say("status.fault.link")})
    if not code:
        faults.append({"field": "code", "message": say("status.fault.code")})
    problem = refusal(faults) if faults else _try(application_id, code)
    if problem is None:
        return go(f"/status/{application_id}")
    return page("status.html", known=remembered(), typed=typed, problem=problem)


@blueprint.get("/<application_id>")
def show(application_id: str) -> Response:
    """The application; without a code that this browser remembers, the form that takes it."""
    entry = recall(application_id)
    if entry is None:
        return page("status.html", known=[], typed={"link": application_id}, problem=None)
    found = _application(entry)
    if found is None:
        forget(application_id)
        problem = refusal([{"field": "code", "message": say("status.fault.refused")}])
        return page("status.html", known=remembered(), typed={"link": application_id}, problem=problem)
    names = rulebook.names(rulebook.charter_in_force())
    return page(
        "status-application.html",
        application=found,
        code=entry["code"],
        link=f"{assembly().settings.public_url}/status/{application_id}#code={entry['code']}",
        way=way_of(found),
        story=story_of(found),
        open_questions=[each for each in found["questions"] if not each["answered_at"]],
        answered=[each for each in found["questions"] if each["answered_at"]],
        parts=[(part, rows_of(part, typed_of(found["form"]), names)) for part in STEPS],
        ballot=next((each for each in reversed(found["ballots"]) if not each["closed_at"]), None),
        ended=found["state"] in ENDED,
    )


@blueprint.route("/<application_id>/questions/<question_id>", methods=["GET", "POST"])
def answer(application_id: str, question_id: str) -> Response:
    """Answer a question, and correct the form where needed."""
    entry, found = _own(application_id)
    question = next((each for each in found["questions"] if each["question_id"] == question_id), None)
    if question is None:
        abort(404)
    if question["answered_at"]:
        return go(f"/status/{application_id}", "answered" if request.method == "POST" else "")
    before = typed_of(found["form"])
    if request.method == "GET":
        return _answer_page(found, question, {"text": "", **before}, None, new_key())
    typed = {name: request.form.get(name, before.get(name, "")).replace("\r\n", "\n") for name in FIELDS}
    typed["text"] = request.form.get("text", "")
    corrections = corrections_of(before, typed)
    body = {"question_id": question_id, "text": typed["text"], **({"corrections": corrections} if corrections else {})}
    try:
        _post(entry, "answers", body)
    except Refused as refused:
        return _answer_page(found, question, typed, in_form(refused), typed_key())
    except Away as away:
        return _answer_page(found, question, typed, away, typed_key())
    return go(f"/status/{application_id}", "answered")


@blueprint.route("/<application_id>/withdraw", methods=["GET", "POST"])
def withdraw(application_id: str) -> Response:
    """Withdraw, after a question back."""
    entry, found = _own(application_id)
    problem: Refused | Away | None = None
    reason = request.form.get("reason", "")
    if request.method == "POST":
        try:
            _post(entry, "withdrawal", {"reason": reason} if reason.strip() else {})
            return go(f"/status/{application_id}", "withdrawn")
        except (Refused, Away) as trouble:
            problem = trouble
    elif found["state"] in ENDED:
        return go(f"/status/{application_id}")
    key = typed_key() if request.method == "POST" else new_key()
    return page("status-withdraw.html", application=found, reason=reason, problem=problem, key=key)


@blueprint.post("/<application_id>/forget")
def forget_here(application_id: str) -> Response:
    """Let this browser forget the application; it stays where it is."""
    forget(application_id)
    return go("/status", "forgotten")


# ------------------------------------------------------------ asking membership
def _post(entry: Mapping[str, Any], what: str, body: Mapping[str, Any]) -> None:
    path = f"applications/{step(entry['application_id'])}/{what}"
    applicants_apis().post("membership", path, body, key=typed_key(), headers=with_code(entry["code"]))


def _application(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The application as membership shows it; None where the code does not open it."""
    path = f"applications/{step(entry['application_id'])}"
    try:
        found: dict[str, Any] = applicants_apis().get("membership", path, headers=with_code(entry["code"]))
    except Refused as refused:
        if refused.code != "application.code_refused":
            raise
        return None
    return found


def _own(application_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What this browser remembers, and the application. 404 where it remembers none that opens."""
    entry = recall(application_id)
    found = _application(entry) if entry is not None else None
    if entry is None or found is None:
        abort(404)
    return entry, found


def _try(application_id: str, code: str) -> Refused | Away | None:
    """Open and remember; what was refused or away otherwise."""
    entry = {"application_id": application_id, "code": code}
    try:
        found = _application(entry)
    except Away as away:
        return away
    if found is None:
        return refusal([{"field": "code", "message": say("status.fault.refused")}])
    before = next((each for each in remembered() if each["application_id"] == application_id), {})
    remember({**before, **entry, "number": found["number"], "unit_name": found["unit_name"]})
    return None


def _read_link(text: str) -> tuple[str, str]:
    """Id and code of a private link; of anything else the text as the id."""
    if "/status/" not in text:
        return text, ""
    address = urlsplit(text)
    code = parse_qs(address.fragment).get("code", [""])[0]
    return address.path.rstrip("/").rpartition("/")[2], code


def _answer_page(
    found: Mapping[str, Any],
    question: Mapping[str, Any],
    typed: Mapping[str, str],
    problem: Refused | Away | None,
    key: str,
) -> Response:
    charter = rulebook.charter_in_force()
    names = rulebook.names(charter)
    errors = problem.by_field if isinstance(problem, Refused) else {}
    return page(
        "status-answer.html",
        application=found,
        question=question,
        typed=typed,
        problem=problem,
        errors=errors,
        key=key,
        parts=[(part, STEPS[part]) for part in STEPS],
        options={"kind": list(names.kinds.items()), "county": list(names.counties.items())},
        labels={**{name: field.label for name, field in FIELDS.items()}, "text": say("status.answer.label")},
        opened=bool(errors.keys() & FIELDS.keys()) or corrections_of(typed_of(found["form"]), typed) != {},
    )
