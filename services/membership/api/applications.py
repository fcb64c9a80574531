"""Applications over HTTP. The applicant is known by the `Application-Code` header, staff and platforms by a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask.views import MethodView

from services.membership.commands import admission
from services.membership.queries import applications as queries
from services.membership.schemas.applications import (
    AcceptanceRequest,
    AnswerRequest,
    ApplicationCode,
    ApplicationLine,
    ApplicationReceipt,
    ApplicationRequest,
    ApplicationsQuery,
    ApplicationStep,
    ApplicationView,
    NoteRequest,
    NoteView,
    QuestionRequest,
    QuestionStep,
    WithdrawalRequest,
)
from shared.errors import Forbidden, Unauthenticated
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, caller, current_work, language, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import page_schema
from shared.web.rate_limits import rate_limited

blueprint = Blueprint(
    "applications", __name__, url_prefix="/applications", description="Applying for membership (art. 6)"
)

#: Those who see the applications: the secretariat checks them, the committee decides on them.
READERS = ("secretariat", "committee")
PLATFORM_SCOPE = "applications:write"


@blueprint.route("")
class Applications(MethodView):
    @access(roles=READERS, scopes={PLATFORM_SCOPE})
    @blueprint.arguments(ApplicationsQuery, location="query")
    @blueprint.response(200, page_schema(ApplicationLine))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Applications, newest first; a platform sees its own."""
        own = caller().subject if caller().is_platform else None
        with reading() as look:
            page = queries.list_applications(look, client_id=own, **query)
        return {**page, "items": [_with_texts(each) for each in page["items"]]}

    @access(public=True, scopes={PLATFORM_SCOPE})
    @rate_limited("apply", per_minute=60)
    @idempotent
    @blueprint.arguments(ApplicationRequest)
    @blueprint.response(201, ApplicationReceipt)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Hand in an application. The receipt's access code is the applicant's key and is shown only once."""
        reference = body.pop("external_reference", None)
        client_id = caller().subject if caller().is_platform else None
        receipt = admission.submit_application(current_work(), body, client_id=client_id, external_reference=reference)
        address = f"{assembly().settings.public_url}/api/membership/v1/applications/{receipt['application_id']}"
        return {**_with_texts(receipt), "status_url": address}


@blueprint.route("/<string:application_id>")
class Application(MethodView):
    @access(public=True, scopes={PLATFORM_SCOPE})
    @blueprint.arguments(ApplicationCode, location="headers")
    @blueprint.response(200, ApplicationView)
    def get(self, headers: dict[str, Any], application_id: str) -> dict[str, Any]:
        """One application with its history, for the secretariat, the committee, its platform and its applicant."""
        who = caller()
        with reading() as look:
            if who.has_role(*READERS):
                found = queries.get_application(look, application_id, internal=True)
            elif who.is_platform:
                found = queries.get_application_of_client(look, application_id, str(who.subject))
            else:
                found = queries.get_application_by_code(look, application_id, _needed(headers))
        return _with_texts(found)


@blueprint.route("/<string:application_id>/questions")
class Questions(MethodView):
    @access(roles={"secretariat"})
    @idempotent
    @blueprint.arguments(QuestionRequest)
    @blueprint.response(201, QuestionStep)
    def post(self, body: dict[str, Any], application_id: str) -> dict[str, Any]:
        """Send the application back with a question."""
        return admission.ask_question(current_work(), application_id, asked_by=_person(), **body)


@blueprint.route("/<string:application_id>/answers")
class Answers(MethodView):
    @access(public=True, scopes={PLATFORM_SCOPE})
    @idempotent
    @blueprint.arguments(ApplicationCode, location="headers")
    @blueprint.arguments(AnswerRequest)
    @blueprint.response(201, QuestionStep)
    def post(self, headers: dict[str, Any], body: dict[str, Any], application_id: str) -> dict[str, Any]:
        """Answer a question, correcting the form where needed."""
        return admission.answer_question(current_work(), application_id, access_code=_needed(headers), **body)


@blueprint.route("/<string:application_id>/acceptance")
class Acceptance(MethodView):
    @access(roles={"secretariat"})
    @idempotent
    @blueprint.arguments(AcceptanceRequest)
    @blueprint.response(200, ApplicationStep)
    def post(self, body: dict[str, Any], application_id: str) -> dict[str, Any]:
        """Lay the application before the executive committee."""
        return admission.accept_application(current_work(), application_id, accepted_by=_person(), **body)


@blueprint.route("/<string:application_id>/withdrawal")
class Withdrawal(MethodView):
    @access(public=True, scopes={PLATFORM_SCOPE})
    @idempotent
    @blueprint.arguments(ApplicationCode, location="headers")
    @blueprint.arguments(WithdrawalRequest)
    @blueprint.response(200, ApplicationStep)
    def post(self, headers: dict[str, Any], body: dict[str, Any], application_id: str) -> dict[str, Any]:
        """Withdraw; the secretariat may record a withdrawal that reached it on paper, naming it as the reason."""
        if headers["access_code"] is None and caller().has_role("secretariat"):
            return admission.record_withdrawal(
                current_work(), application_id, recorded_by=_person(), reason=body["reason"]
            )
        return admission.withdraw_application(
            current_work(), application_id, access_code=_needed(headers), reason=body["reason"]
        )


@blueprint.route("/<string:application_id>/notes")
class Notes(MethodView):
    @access(roles={"secretariat"})
    @idempotent
    @blueprint.arguments(NoteRequest)
    @blueprint.response(201, NoteView)
    def post(self, body: dict[str, Any], application_id: str) -> dict[str, Any]:
        """Keep an internal note with the application."""
        return admission.write_note(current_work(), application_id, written_by=_person(), **body)


def _person() -> str:
    subject = caller().subject
    assert subject is not None, "the gate lets nobody in without a subject"
    return subject


def _needed(headers: Mapping[str, Any]) -> str:
    code: str | None = headers["access_code"]
    if code is None:
        raise Forbidden("access.forbidden") if caller().signed_in else Unauthenticated("application.code_missing")
    return code


def _with_texts(found: Mapping[str, Any]) -> dict[str, Any]:
    codes: Iterable[str] = found["warnings"]
    texts = assembly().texts
    return {**found, "warnings": [{"code": code, "message": texts.render(code, language())} for code in codes]}
