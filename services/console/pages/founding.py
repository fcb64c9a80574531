"""Founding an empty alliance in the browser: from the two files, or step by step; then everybody's invitation, once.

For whoever holds the setup code. What is wrong with a charter or a founding is the APIs' to say; nothing is stored
there before both are sound and somebody has confirmed what they would make.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused
from services.console.browser import apis, browser
from services.console.pages import founding_draft as draft_of
from services.console.pages.founding_draft import FILE, SECTIONS, STEPS, Draft, seats_of, section_of
from services.console.rulebook import charter_in_force, names
from services.console.showing import go, has_text, new_key, page, say
from shared.web.context import assembly

blueprint = Blueprint("founding", __name__, url_prefix="/founding")

HEADER = "Setup-Code"
WRONG_CODE = "setup.code_wrong"
#: Pages that are there although no founding is possible any more, or ever was.
ALWAYS = {"founding.start", "founding.found", "founding.done"}
#: Rows for further staff below those that are typed.
FREE_ROWS = 2
NOMINATED = ".put_forward_by"
#: A charter or founding file that is no text in this encoding was saved by a program that should be told to.
ENCODING = "utf-8-sig"
#: Paths that the API's messages name: `units[3].name`.
_PATH = re.compile(r"\b(?:units|committee|secretariat|alliance)(?:\[\d+\]|\.[a-z_]+)+")


@blueprint.before_request
def ensure_possible() -> AnyResponse | None:
    """All pages but the first are there only while an alliance can be founded here."""
    if request.endpoint in ALWAYS:
        return None
    state = apis().get("membership", "founding")
    return None if state["over_http"] and not state["founded"] else go("/founding")


@blueprint.get("")
def start() -> Response:
    """What it takes, and the two ways; or why it is not possible, and what to do instead."""
    state = apis().part("membership", "founding")
    return page("founding.html", state=state, draft=Draft.load(), charter=charter_in_force())


# ------------------------------------------------------------ from the two files
@blueprint.get("/file")
def file() -> Response:
    """The form for both files."""
    return _file(Draft.load())


@blueprint.post("/file")
def send_file() -> AnyResponse:
    """Keep what came, and have it checked."""
    draft = Draft.load()
    draft.way = FILE
    wrong = _take_setup(draft)
    draft.founding, fault = _text("founding")
    wrong += fault
    draft.keep()
    if wrong:
        return _file(draft, _refusal(wrong))
    try:
        checked = _check(draft)
    except (Refused, Away) as problem:
        return _file(draft, problem)
    if not checked["sound"]:
        return _file(draft, checked=checked)
    draft.key = new_key()
    draft.keep()
    return go("/founding/preview")


# ------------------------------------------------------------ step by step
@blueprint.get("/charter")
def charter() -> Response:
    """The first step: setup code and charter."""
    return page("founding-charter.html", draft=Draft.load(), charter=charter_in_force())


@blueprint.post("/charter")
def send_charter() -> AnyResponse:
    """Keep them, and have the charter checked."""
    draft, known = Draft.load(), charter_in_force()
    draft.way = STEPS
    wrong = _take_setup(draft)
    draft.keep()
    problem: Refused | Away | None = _refusal(wrong) if wrong else None
    checked: Mapping[str, Any] = {"sound": True, "faults": [], "charter": known}
    try:
        if problem is None and draft.charter:
            checked = _ask(draft, "meetings", "charter/check", {"charter": draft.charter})
        elif problem is None:
            _ask(draft, "membership", "founding/check", {"founding": draft.file})  # is the code right?
    except (Refused, Away) as met:
        problem = met
    if problem is not None or not checked["sound"]:
        return page(
            "founding-charter.html", 200 if problem else 422,
            draft=draft, charter=known, problem=_beside(problem), checked=checked,
        )  # fmt: skip
    draft.rules = checked["charter"]
    alliance = (draft.rules or {}).get("alliance") or {}
    told = {
        "alliance.name": alliance.get("name", {}).get("zh-CN"),
        "alliance.number_prefix": alliance.get("number_prefix"),
    }
    draft.take({path: text for path, text in told.items() if text and not draft.typed.get(path)})
    draft.keep()
    return go("/founding/alliance")


@blueprint.get("/alliance")
@blueprint.get("/offices")
@blueprint.get("/people")
@blueprint.get("/units")
def section() -> Response:
    """A step's form, or the list of the units."""
    return _section(request.path.rpartition("/")[2], Draft.load())


@blueprint.post("/alliance")
@blueprint.post("/offices")
def send_section() -> AnyResponse:
    """Keep what a step's form holds."""
    name, draft = request.path.rpartition("/")[2], Draft.load()
    seats = [f"{path}.unit" for _, path in seats_of(draft.rules)]
    paths = draft_of.ALLIANCE if name == "alliance" else (*draft_of.NOMINATORS, *draft_of.TERM, *seats)
    draft.take({path: request.form.get(path, "").strip() for path in paths})
    return _kept(draft, name, "units" if name == "alliance" else "people")


@blueprint.post("/people")
def send_people() -> AnyResponse:
    """Keep the secretary-general and the staff; `more` gives further rows."""
    draft, form = Draft.load(), request.form
    general = (f"secretariat.secretary_general.{name}" for name in draft_of.PERSON)
    draft.take({path: form.get(path, "").strip() for path in general})
    rows = [
        {name: form.get(f"secretariat.staff[{place}].{name}", "").strip() for name in draft_of.PERSON}
        | {"roles": form.getlist(f"secretariat.staff[{place}].roles")}
        for place in range(1, draft.staff + FREE_ROWS + 1)
    ]
    draft.take_staff(rows)
    if form.get("go") == "more":
        draft.keep()
        return go("/founding/people")
    return _kept(draft, "people", "preview")


@blueprint.get("/units/<number>")
def unit(number: str) -> Response:
    """One unit; the number after the last is a new one."""
    draft = Draft.load()
    return _section(f"units/{_place(number, draft)}", draft)


@blueprint.post("/units/<number>")
def send_unit(number: str) -> AnyResponse:
    """Keep a unit; `another` goes on to the next one."""
    draft = Draft.load()
    place = _place(number, draft)
    fields = (*draft_of.UNIT, *(f"representative.{name}" for name in draft_of.PERSON), *draft_of.CONTACT)
    draft.take({path: request.form.get(path, "").strip() for path in (f"units[{place}].{name}" for name in fields)})
    another = request.form.get("go") == "another"
    return _kept(draft, f"units/{place}", f"units/{draft.units + 1}" if another else "units")


@blueprint.post("/units/<number>/remove")
def remove_unit(number: str) -> AnyResponse:
    """Remove a unit; later ones move up."""
    draft = Draft.load()
    draft.drop_unit(_place(number, draft))
    draft.keep()
    return go("/founding/units", "founding.unit_removed")


# ------------------------------------------------------------ looking it over, founding
@blueprint.get("/preview")
def preview() -> AnyResponse:
    """What the founding would make, or what is still wrong with it."""
    draft = Draft.load()
    if not draft.setup_code:
        return go("/founding")
    return _preview(draft)


@blueprint.get("/founding.yaml")
def download() -> Response:
    """The founding file, to keep or to show to colleagues."""
    headers = {"Content-Disposition": "attachment; filename=founding.yaml"}
    return Response(Draft.load().file, content_type="application/yaml; charset=utf-8", headers=headers)


@blueprint.post("/found")
def found() -> AnyResponse:
    """Adopt the charter and found the alliance; sent again within a day, the same answer comes again."""
    draft = Draft.load()
    if not draft.key or not draft.setup_code:
        return go("/founding")
    try:
        if draft.charter:
            _ask(draft, "meetings", "charter", {"charter": draft.charter}, key=f"{draft.key}-charter")
        told = _ask(draft, "membership", "founding", _files(draft), key=draft.key)
    except (Refused, Away) as problem:
        return go("/founding") if draft.founded else _preview(draft, problem)
    draft.founded = True
    draft.keep()
    return page("founding-done.html", told=told, address=f"{assembly().settings.public_url}/activate")


@blueprint.post("/done")
def done() -> AnyResponse:
    """The list is kept elsewhere: forget it here."""
    browser().drop_draft(draft_of.NAME)
    return go("/", "founding.done")


# ------------------------------------------------------------ asking the APIs
def _ask(draft: Draft, service: str, path: str, body: Mapping[str, Any], *, key: str = "") -> Any:
    try:
        return apis().post(service, path, body, key=key, headers={HEADER: draft.setup_code})
    except Refused as refused:
        if refused.code == WRONG_CODE:
            draft.setup_code = ""
            draft.keep()
        raise


def _files(draft: Draft) -> dict[str, str]:
    return {"founding": draft.file, **({"charter": draft.charter} if draft.charter else {})}


def _check(draft: Draft) -> dict[str, Any]:
    """Everything that is wrong with both, or what they would make."""
    founding = _ask(draft, "membership", "founding/check", _files(draft))
    charter = {"sound": True, "faults": []}
    if draft.charter:
        charter = _ask(draft, "meetings", "charter/check", {"charter": draft.charter})
    # Membership reads of the charter only what it needs; what meetings says of it is the whole.
    charter_faults = charter["faults"] or founding["charter_faults"]
    return {**founding, "sound": founding["sound"] and charter["sound"], "charter_faults": charter_faults}


def _faults_on(draft: Draft, name: str) -> Sequence[Mapping[str, Any]]:
    """What the API finds wrong on one step. Nothing while it cannot be asked: the preview asks again."""
    try:
        checked = _ask(draft, "membership", "founding/check", _files(draft))
    except (Refused, Away):
        return ()
    return [each for each in _beside_fields(checked["faults"]) if section_of(each["field"]) == name]


def _beside_fields(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Faults of a file made from the steps: in their words, and each at a field that is on a page.

    Who puts a seat's unit forward is chosen once for all seats; that it is missing is said there.
    """
    return [
        {**each, "field": each["field"].replace(NOMINATED, ".unit"), "message": _plain(each["message"])}
        for each in faults
        if not (each["field"].endswith(NOMINATED) and each["code"] == "founding.missing")
    ]


# ------------------------------------------------------------ what was typed
def _take_setup(draft: Draft) -> list[dict[str, str]]:
    """Setup code and charter as the form has them; an empty code leaves the one that is kept."""
    draft.setup_code = request.form.get("setup_code", "").strip() or draft.setup_code
    draft.charter, wrong = _text("charter")
    if not draft.charter and charter_in_force() is None and "meetings" not in apis().away:
        wrong.append({"field": "charter", "message": say("founding.charter_needed")})
    if not draft.setup_code.isascii() or not draft.setup_code.isprintable():
        wrong.append({"field": "setup_code", "message": say("founding.code_not_plain")})
        draft.setup_code = ""
    elif not draft.setup_code:
        wrong.append({"field": "setup_code", "message": say("founding.code_needed")})
    return wrong


def _text(name: str) -> tuple[str, list[dict[str, str]]]:
    """A file that was chosen, else what was pasted; and what is wrong with it as a file."""
    chosen, pasted = request.files.get(f"{name}_file"), request.form.get(name, "").replace("\r\n", "\n")
    if chosen is None or not chosen.filename:
        return pasted, []
    try:
        return chosen.read().decode(ENCODING).replace("\r\n", "\n"), []
    except UnicodeDecodeError:
        return pasted, [{"field": name, "message": say("founding.not_utf8")}]


def _place(number: str, draft: Draft) -> int:
    """A unit's number out of an address: one that is typed, or the next."""
    if not (number.isascii() and number.isdecimal() and len(number) <= 4 and 1 <= int(number) <= draft.units + 1):
        abort(404)
    return int(number)


def _kept(draft: Draft, name: str, following: str) -> AnyResponse:
    draft.keep()
    wrong = _faults_on(draft, name)
    if wrong:
        return _section(name, draft, _refusal(wrong))
    return go(f"/founding/{following}")


# ------------------------------------------------------------ pages
def _file(draft: Draft, problem: Refused | Away | None = None, checked: Mapping[str, Any] | None = None) -> Response:
    in_force = charter_in_force()
    status = HTTPStatus.UNPROCESSABLE_ENTITY if checked else HTTPStatus.OK
    return page(
        "founding-file.html", status, draft=draft, charter=in_force, problem=_beside(problem), checked=checked
    )  # fmt: skip


def _section(name: str, draft: Draft, problem: Refused | None = None) -> Response:
    template, _, number = name.partition("/")
    rules = draft.rules or charter_in_force()
    return page(
        f"founding-{'unit' if number else template}.html",
        draft=draft,
        typed=draft.typed,
        number=int(number or 0),
        names=names(rules),
        seats=seats_of(rules),
        sections=SECTIONS,
        free_rows=FREE_ROWS,
        staff_roles=draft_of.STAFF_ROLES,
        problem=problem,
        errors=problem.by_field if problem else {},
        label=_label,
    )


def _preview(draft: Draft, problem: Refused | Away | None = None) -> Response:
    checked = None
    try:
        checked = _check(draft)
    except (Refused, Away) as met:
        problem = problem or met
    if checked and checked["sound"] and not draft.key:
        draft.key = new_key()
        draft.keep()
    wrong = [
        {**each, "label": _label(each["field"]), "step": section_of(each["field"])}
        for each in _beside_fields((checked or {}).get("faults", ()))
    ]
    return page(
        "founding-preview.html",
        draft=draft,
        checked=checked,
        wrong=wrong,
        names=names(draft.rules or charter_in_force()),
        sections=SECTIONS,
        problem=problem,
    )


def _refusal(wrong: Sequence[Mapping[str, Any]]) -> Refused:
    told = {"code": "input.invalid", "detail": say("founding.faults", count=len(wrong)), "errors": wrong}
    return Refused("membership", HTTPStatus.UNPROCESSABLE_ENTITY, told)


def _beside(problem: Refused | Away | None) -> Refused | Away | None:
    """What the API says of its header and its body, beside the fields of the form."""
    if not isinstance(problem, Refused):
        return problem
    fields = {HEADER: "setup_code"}
    faults = [{**each, "field": fields.get(each["field"], each["field"])} for each in problem.faults]
    told = {"code": problem.code, "detail": problem.detail, "article": problem.article, "errors": faults}
    return Refused(problem.service, problem.status, told, problem.retry_after)


def _label(path: str) -> str:
    """What a path of the file is called on the pages: `units[3].name` is "unit 3, name"."""
    parts = re.findall(r"([a-z_]+)(?:\[(\d+)\])?", path)
    told = [
        say(f"founding.path.{name}", number=number or "") for name, number in parts if has_text(f"founding.path.{name}")
    ]
    return say("founding.path.joint").join(each.strip() for each in told) or path


def _plain(message: str) -> str:
    return _PATH.sub(lambda found: _label(found[0]), message)
