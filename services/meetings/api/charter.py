"""The rulebook over HTTP: anybody may read it, and whoever sets up the alliance may put the first one in force.

A charter that replaces another is adopted by command only: `api/charter_command.py`.
"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.meetings.commands.charter import adopt_charter
from services.meetings.domain.charter import parse_charter
from services.meetings.queries import charter as queries
from services.meetings.schemas.charter import CharterCheck, CharterText, CharterVersions, CharterView
from services.meetings.schemas.charter_file import line_of, read_charter_text
from shared.errors import Conflict, Fault, Invalid
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, current_work, language, reading
from shared.web.idempotency import idempotent
from shared.web.rate_limits import rate_limited
from shared.web.setup import BURST, CALLS_PER_MINUTE, SetupCode, ensure_setup_code

blueprint = Blueprint("charter", __name__, url_prefix="/charter", description="The charter in force, as data")

FIRST = 1


@blueprint.route("")
class CurrentCharter(MethodView):
    """The version in force."""

    @access(public=True)
    @blueprint.response(200, CharterView)
    def get(self) -> dict[str, Any]:
        """The charter in force: every value with its article, and what the text leaves open."""
        with reading() as look:
            return queries.get_charter_view(look)

    @access(public=True)
    @rate_limited("setup", per_minute=CALLS_PER_MINUTE, burst=BURST, by="address")
    @idempotent
    @blueprint.arguments(SetupCode, location="headers")
    @blueprint.arguments(CharterText)
    @blueprint.response(200, CharterView)
    def post(self, headers: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Put the first charter in force, with the setup code. The same one again changes nothing."""
        ensure_setup_code(headers["setup_code"])
        work = current_work()
        adoption = adopt_charter(work, read_charter_text(body["charter"]))
        if adoption.version != FIRST:
            # Also where another one came first a moment ago: what was done here is undone.
            raise Conflict("charter.already_adopted", article="20")
        return queries.get_charter_view(work)


@blueprint.route("/versions")
class Versions(MethodView):
    @access(public=True)
    @blueprint.response(200, CharterVersions)
    def get(self) -> dict[str, Any]:
        """Every version that is or was in force, the newest first: results cite the one that they rest on."""
        with reading() as look:
            return {"items": queries.list_charter_versions(look)}


@blueprint.route("/versions/<int(max=1000000):version>")
class Version(MethodView):
    @access(public=True)
    @blueprint.response(200, CharterView)
    def get(self, version: int) -> dict[str, Any]:
        """One version, in force or not."""
        with reading() as look:
            return queries.get_charter_version(look, version)


@blueprint.route("/check")
class Check(MethodView):
    @access(public=True)
    @rate_limited("setup", per_minute=CALLS_PER_MINUTE, burst=BURST, by="address")
    @blueprint.arguments(SetupCode, location="headers")
    @blueprint.arguments(CharterText)
    @blueprint.response(200, CharterCheck)
    def post(self, headers: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Everything that is wrong with a charter, by line. Stores nothing; wants the setup code."""
        ensure_setup_code(headers["setup_code"])
        text = body["charter"]
        try:
            content = read_charter_text(text)
            parse_charter(content, FIRST)
        except Invalid as refused:
            return {"sound": False, "faults": [_lined(text, each) for each in refused.faults], "charter": None}
        return {"sound": True, "faults": [], "charter": content}


def _lined(text: str, fault: Fault) -> dict[str, Any]:
    line = fault.params.get("line", line_of(text, fault.field))
    message = assembly().texts.render(fault.code, language(), **fault.params)
    return {"line": line, "field": fault.field, "code": fault.code, "message": message}
