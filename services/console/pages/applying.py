"""Applying for membership (art. 6) step by step: what is typed is kept at once, and handed in once.

Membership decides about the form; nothing typed is lost on the way, whoever is away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from services.console import rulebook
from services.console.apis import Away, Refused
from services.console.browser import browser
from services.console.pages.application_form import (
    FIELDS,
    STEP_OF,
    STEPS,
    fields_of,
    form_of,
    in_form,
    is_missing,
    look_over,
    refusal,
    rows_of,
)
from services.console.pages.remembered import applicants_apis, recall, remember, remembered
from services.console.showing import go, language, page, say
from shared.runtime.clock import rfc3339
from shared.web.context import assembly

blueprint = Blueprint("applying", __name__, url_prefix="/apply")

DRAFT = "application"
#: A filled-in form takes 12,000 characters at most; what is far beyond is no form.
DRAFT_LENGTH_MAX = 100_000
ORDER = (*STEPS, "review")


@blueprint.get("")
def start() -> Response:
    """What is needed, and the draft that waits."""
    draft = browser().draft(DRAFT)
    charter = rulebook.charter_in_force()
    return page(
        "apply.html",
        kinds=[each["name"].get(language()) for each in (charter or {}).get("member_kinds", ()) if each.get("applies")],
        draft=draft,
        next_step=_first_open(draft) if draft else ORDER[0],
        sent=remembered(),
    )


@blueprint.get("/<any(unit, people, business, about):step>")
def show_step(step: str) -> Response:
    """One step, with what was typed and what was found wrong."""
    draft = _draft()
    known = [{"field": name, "message": draft["faults"][name]} for name in draft["faults"] if STEP_OF.get(name) == step]
    return _step_page(step, draft, refusal(known, "apply.look_again") if known else None, 200)


@blueprint.post("/<any(unit, people, business, about):step>")
def save_step(step: str) -> Response:
    """Keep the step; on to the next one where it is complete, or wherever the button leads."""
    draft = _keep(step)
    wanted = request.form.get("go", "next")
    if wanted == "later":
        return go("/apply", "draft_kept")
    unfilled = [name for name in ("kind", "county") if STEP_OF[name] == step and not draft["typed"].get(name)]
    cannot = unfilled if unfilled and rulebook.charter_in_force() is None else ()
    problem = look_over(step, draft["typed"], without=cannot)
    if problem is not None:
        return _step_page(step, draft, problem, 422)
    return go("/apply/review" if wanted == "review" else f"/apply/{ORDER[ORDER.index(step) + 1]}")


@blueprint.post("/<any(unit, people, business, about):step>/keep")
def keep_step(step: str) -> Response:
    """The same without leaving the step: what a script sends while somebody types."""
    _keep(step)
    return Response(status=204)


@blueprint.get("/review")
def review() -> Response:
    """The whole form to be looked over, and the pledge."""
    draft = _draft()
    if not draft["reviewed"] and any(draft["typed"].values()):
        draft["reviewed"] = True
        browser().keep_draft(DRAFT, draft)
    known = [{"field": name, "message": draft["faults"][name]} for name in draft["faults"]]
    return _review_page(draft, refusal(known, "apply.look_again") if known else None, 200)


@blueprint.post("/review")
def send() -> Response:
    """Hand it in. What was looked over is what is sent, and it is sent once."""
    draft, key = browser().draft(DRAFT), request.form.get("key", "")
    if draft is None:
        sent = next((each for each in remembered() if each.get("key") == key), None)
        return go(f"/apply/sent/{sent['application_id']}") if sent else go("/apply", "nothing_to_send")
    if key != _key(draft):
        return _review_page(draft, refusal([{"field": "", "message": say("apply.changed_meanwhile")}]), 409)
    form = {**form_of(draft["typed"]), "charter_pledge": request.form.get("charter_pledge") == "yes"}
    try:
        receipt = applicants_apis().post("membership", "applications", form, key=key)
    except Refused as refused:
        problem = in_form(refused)
        browser().keep_draft(
            DRAFT, {**draft, "faults": {name: told for name, told in problem.by_field.items() if name in FIELDS}}
        )
        return _review_page(draft, problem, refused.status)
    except Away as away:
        return _review_page(draft, away, 503)
    remember({
        "application_id": receipt["application_id"],
        "number": receipt["number"],
        "code": receipt["access_code"],
        "unit_name": draft["typed"]["unit_name"],
        "warnings": [each["message"] for each in receipt["warnings"]],
        "sent_at": rfc3339(assembly().clock.now()),
        "key": key,
    })  # fmt: skip
    browser().drop_draft(DRAFT)
    return go(f"/apply/sent/{receipt['application_id']}")


@blueprint.get("/sent/<application_id>")
def sent(application_id: str) -> Response:
    """Number, access code and private link, for keeping. Only the browser that sent the application has them."""
    receipt = recall(application_id)
    if receipt is None or "sent_at" not in receipt:
        return go(f"/status/{application_id}")
    link = f"{assembly().settings.public_url}/status/{application_id}#code={receipt['code']}"
    return page("apply-sent.html", receipt=receipt, link=link)


@blueprint.get("/discard")
def ask_to_discard() -> Response:
    """Is the draft really to go?"""
    draft = browser().draft(DRAFT)
    return page("apply-discard.html", draft=draft) if draft else go("/apply")


@blueprint.post("/discard")
def discard() -> Response:
    """Forget the draft."""
    browser().drop_draft(DRAFT)
    return go("/apply", "draft_discarded")


# ------------------------------------------------------------ pages
def _step_page(step: str, draft: Mapping[str, Any], problem: Refused | None, status: int) -> Response:
    charter = rulebook.charter_in_force() if step == "unit" else None
    names = rulebook.names(charter)
    applies = {each["code"] for each in (charter or {}).get("member_kinds", ()) if each.get("applies")}
    return page(
        "apply-step.html",
        status=status,
        step=step,
        groups=STEPS[step],
        typed=draft["typed"],
        # An answer of 200 shows what was found wrong before: nothing has been refused now.
        faults_known=problem,
        errors=problem.by_field if problem else {},
        options={
            "kind": [(code, name) for code, name in names.kinds.items() if code in applies],
            "county": list(names.counties.items()),
        },
        chosen=draft["names"],
        reviewed=draft["reviewed"],
        stages=_stages(step, draft),
        labels={name: field.label for name, field in FIELDS.items()},
        before=ORDER[ORDER.index(step) - 1] if step != ORDER[0] else "",
    )


def _review_page(draft: Mapping[str, Any], problem: Refused | Away | None, status: int) -> Response:
    names = _names(draft)
    return page(
        "apply-review.html",
        status=status,
        faults_known=problem,
        errors=problem.by_field if isinstance(problem, Refused) else {},
        parts=[(step, rows_of(step, draft["typed"], names)) for step in STEPS],
        missing=[(step, each) for step in STEPS for each in is_missing(step, draft["typed"])],
        pledged=request.form.get("charter_pledge") == "yes",
        key=_key(draft),
        stages=_stages("review", draft),
        labels={**{name: field.label for name, field in FIELDS.items()}, "charter_pledge": say("label.charter_pledge")},
        addresses={name: f"/apply/{step}" for name, step in STEP_OF.items()},
    )


def _stages(here: str, draft: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Every step with its state, and whether something in it was found wrong."""
    wrong = {STEP_OF[name] for name in draft["faults"] if name in STEP_OF}
    return [
        (each, "now" if each == here else "done" if _is_done(each, draft) else "next", each in wrong) for each in ORDER
    ]


def _is_done(step: str, draft: Mapping[str, Any]) -> bool:
    return step in STEPS and not is_missing(step, draft["typed"])


def _first_open(draft: Mapping[str, Any]) -> str:
    return next((each for each in STEPS if not _is_done(each, draft)), "review")


def _names(draft: Mapping[str, Any]) -> rulebook.Names:
    """The charter's names; while meetings is away, those that were chosen."""
    charter = rulebook.charter_in_force()
    if charter is not None:
        return rulebook.names(charter)
    typed, chosen = draft["typed"], draft["names"]
    kept = {name: {typed.get(name, ""): chosen[name]} if chosen.get(name) else {} for name in ("kind", "county")}
    return rulebook.Names(kinds=kept["kind"], counties=kept["county"])


# ------------------------------------------------------------ the draft
def _draft() -> dict[str, Any]:
    """What was kept, or an empty form. `secret` makes the key of what is sent one that nobody can guess."""
    found: dict[str, Any] | None = browser().draft(DRAFT)
    empty = {
        "secret": assembly().ids.secret(),
        "typed": {},
        "names": {},
        "faults": {},
        "reviewed": False,
        "saved_at": "",
    }
    return found or empty


def _keep(step: str) -> dict[str, Any]:
    """Keep what the form of the step holds; a fault goes with the text that had it."""
    draft = _draft()
    typed: dict[str, str] = draft["typed"]
    changed = {
        each.name: text
        for each in fields_of(step)
        if each.name in request.form and (text := _as_typed(each.name)) != typed.get(each.name, "")
    }
    if not changed:
        return draft
    typed.update(changed)
    if sum(map(len, typed.values())) > DRAFT_LENGTH_MAX:
        abort(413)
    draft["faults"] = {name: told for name, told in draft["faults"].items() if name not in changed}
    if changed.keys() & {"kind", "county"} and (charter := rulebook.charter_in_force()) is not None:
        names = rulebook.names(charter)
        draft["names"] = {"kind": names.kind(typed.get("kind", "")), "county": names.county(typed.get("county", ""))}
    draft["saved_at"] = rfc3339(assembly().clock.now())
    browser().keep_draft(DRAFT, draft)
    return draft


def _as_typed(name: str) -> str:
    # Browsers send line ends as CRLF; a draft that came back unchanged must be the same.
    return request.form[name].replace("\r\n", "\n")


def _key(draft: Mapping[str, Any]) -> str:
    """The same for the same form of the same draft, from whichever tab and however often it is sent."""
    content = json.dumps([draft["secret"], form_of(draft["typed"])], sort_keys=True)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
