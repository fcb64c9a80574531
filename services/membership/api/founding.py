"""Founding the alliance over HTTP: the same reading, the same rules and the same act as the command `found`.

Open to whoever holds the setup code, until there is an alliance; then closed for good. Decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask.views import MethodView

from services.membership import tables
from services.membership.commands.founding import find_adopted_rules, found
from services.membership.domain import founding as domain
from services.membership.domain.founding import FoundingRules
from services.membership.schemas.founding import FoundingRefused, read_founding
from services.membership.schemas.founding_api import FoundedView, FoundingCheck, FoundingRequest, FoundingState
from services.membership.schemas.founding_charter import CharterUnreadable, read_charter_rules
from services.membership.schemas.founding_nodes import LinedFault
from shared.errors import Conflict, Fault, Invalid
from shared.persistence.unit_of_work import Reading
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, current_work, language, reading
from shared.web.idempotency import idempotent
from shared.web.rate_limits import rate_limited
from shared.web.setup import BURST, CALLS_PER_MINUTE, SetupCode, ensure_setup_code, is_setup_open

blueprint = Blueprint(
    "founding", __name__, url_prefix="/founding", description="Founding the alliance, once, with the setup code"
)


@blueprint.route("")
class Founding(MethodView):
    @access(public=True)
    @blueprint.response(200, FoundingState)
    def get(self) -> dict[str, Any]:
        """Whether there is an alliance, and whether one can be founded here."""
        with reading() as look:
            return {"founded": _is_founded(look), "over_http": is_setup_open()}

    @access(public=True)
    @rate_limited("setup", per_minute=CALLS_PER_MINUTE, burst=BURST, by="address")
    @idempotent
    @blueprint.arguments(SetupCode, location="headers")
    @blueprint.arguments(FoundingRequest)
    @blueprint.response(201, FoundedView)
    def post(self, headers: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Found the alliance; the answer holds everybody's invitation code. `…/check` tells faults by line."""
        ensure_setup_code(headers["setup_code"])
        work = current_work()
        _ensure_not_founded(work)
        files = _read(work, body)
        if files.founding is None or files.charter_faults:
            raise Invalid.of(
                [_at("charter", each) for each in files.charter_faults]
                + [_at("founding", each) for each in files.faults]
            )
        founded = found(work, files.founding, master_secret=assembly().settings.secret_or_demo())
        return {
            "alliance_id": founded.alliance_id,
            "name": files.founding.name,
            "members": founded.members,
            "accounts": founded.accounts,
            "invitations": founded.invitations,
        }


@blueprint.route("/check")
class Check(MethodView):
    @access(public=True)
    @rate_limited("setup", per_minute=CALLS_PER_MINUTE, burst=BURST, by="address")
    @blueprint.arguments(SetupCode, location="headers")
    @blueprint.arguments(FoundingRequest)
    @blueprint.response(200, FoundingCheck)
    def post(self, headers: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Everything that is wrong with a founding, by line, or what it would make. Stores nothing."""
        ensure_setup_code(headers["setup_code"])
        with reading() as look:
            _ensure_not_founded(look)
            files = _read(look, body)
        return {
            "sound": files.founding is not None and not files.charter_faults,
            "faults": _told(files.faults),
            "charter_faults": _told(files.charter_faults),
            "warnings": _told(files.warnings),
            "catalogue_checked": files.catalogue_checked,
            "alliance": files.founding,
        }


@dataclass(frozen=True)
class _Files:
    """Both files as they were read: the founding where it is sound, and everything that is to be said of them."""

    founding: domain.Founding | None
    faults: Sequence[LinedFault]
    warnings: Sequence[LinedFault]
    charter_faults: Sequence[LinedFault]
    catalogue_checked: bool


def _is_founded(look: Reading) -> bool:
    return look.scalar(sa.select(tables.alliance.c.alliance_id)) is not None


def _ensure_not_founded(look: Reading) -> None:
    if _is_founded(look):
        raise Conflict("alliance.already_founded", article="1")


def _read(look: Reading, body: dict[str, Any]) -> _Files:
    told, charter_faults = FoundingRules(), []
    if body["charter"] is not None:
        try:
            told = read_charter_rules(body["charter"].encode())
        except CharterUnreadable as unreadable:
            charter_faults = [_charter_fault(unreadable)]
    rules = find_adopted_rules(look, told)
    checked = bool(rules.kinds)
    try:
        file = read_founding(body["founding"].encode(), rules)
    except FoundingRefused as refused:
        return _Files(None, refused.faults, (), charter_faults, checked)
    return _Files(file.founding, (), file.warnings, charter_faults, checked)


def _charter_fault(unreadable: CharterUnreadable) -> LinedFault:
    if unreadable.line is not None:
        return LinedFault(unreadable.line, Fault("founding.charter_not_toml", ""))
    if unreadable.missing:
        return LinedFault(1, Fault("founding.charter_lacks", unreadable.missing, {"missing": unreadable.missing}))
    return LinedFault(1, Fault("founding.not_a_charter", ""))


def _at(body: str, each: LinedFault) -> Fault:
    """The fault at its place in the request."""
    return Fault(each.fault.code, f"{body}.{each.fault.field}" if each.fault.field else body, each.fault.params)


def _told(faults: Iterable[LinedFault]) -> list[dict[str, Any]]:
    texts, tongue = assembly().texts, language()
    return [
        {
            "line": each.line,
            "field": each.fault.field,
            "code": each.fault.code,
            "message": texts.render(each.fault.code, tongue, **each.fault.params),
        }
        for each in faults
    ]
