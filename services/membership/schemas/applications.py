"""Applications: the form of governance practice, the receipt, and what each reader sees.

Sensitive numbers of persons (identity cards) are not asked for: nothing in the procedure needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import fields, validate

from services.membership.domain import application_form as limits
from services.membership.domain.admission import State
from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text, TrueOrFalse, WholeNumber


class IsoDate(fields.Date):
    """A date, read into its ISO text: forms are kept as JSON."""

    def _deserialize(  # type: ignore[override]  # a date in text is what this field is for
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        return super()._deserialize(value, attr, data, **kwargs).isoformat()

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return value if value is None or isinstance(value, str) else super()._serialize(value, attr, obj, **kwargs)  # type: ignore[return-value]


class LegalRepresentative(RequestSchema):
    name = Text(max=limits.NAME_LENGTH_MAX, required=True)
    title = Text(max=limits.NAME_LENGTH_MAX, required=True)


class Representative(LegalRepresentative):
    """Who speaks for the unit in the alliance and gets its sign-in."""

    mobile = Text(max=30, required=True)
    email = Text(max=limits.EMAIL_LENGTH_MAX, required=True)


class ContactPerson(RequestSchema):
    """Whom the secretariat asks, where that is not the representative; reachable in one way at least."""

    name = Text(max=limits.NAME_LENGTH_MAX, required=True)
    title = Text(max=limits.NAME_LENGTH_MAX)
    mobile = Text(max=30)
    phone = Text(max=30)
    email = Text(max=limits.EMAIL_LENGTH_MAX)


class ApplicationFields(RequestSchema):
    """The form itself."""

    unit_name = Text(max=limits.UNIT_NAME_LENGTH_MAX, min=2, required=True)
    credit_code = Text(
        max=limits.CREDIT_CODE_LENGTH_MAX,
        required=True,
        metadata={"description": "unified social credit code (GB 32100-2015); oddities become warnings"},
    )
    kind = Text(max=40, required=True, metadata={"description": "a kind of unit of the charter (art. 6)"})
    county = Text(max=40, required=True, metadata={"description": "a county-level division of the charter"})
    legal_representative = fields.Nested(LegalRepresentative, required=True)
    representative = fields.Nested(Representative, required=True)
    contact = fields.Nested(ContactPerson)
    address = Text(max=limits.LINE_LENGTH_MAX, required=True)
    postcode = Text(max=20)
    phone = Text(max=30)
    fax = Text(max=30)
    email = Text(max=limits.EMAIL_LENGTH_MAX)
    website = Text(max=limits.LINE_LENGTH_MAX)
    established_on = IsoDate()
    registered_capital_fen = WholeNumber(maximum=limits.CAPITAL_FEN_MAX)
    headcount = WholeNumber(maximum=limits.HEADCOUNT_MAX)
    main_business = Text(max=limits.PARAGRAPH_LENGTH_MAX, lines=True, required=True)
    introduction = Text(max=limits.ESSAY_LENGTH_MAX, lines=True, required=True)
    honours = Text(max=limits.ESSAY_LENGTH_MAX, lines=True)
    service_fields = fields.List(
        Text(max=limits.NAME_LENGTH_MAX), validate=validate.Length(max=limits.SERVICE_FIELDS_MAX)
    )
    recommender = Text(
        max=limits.LINE_LENGTH_MAX, metadata={"description": "member who recommends the unit (art. 7(3))"}
    )
    reason = Text(max=limits.ESSAY_LENGTH_MAX, lines=True, required=True)
    charter_pledge = TrueOrFalse(required=True, metadata={"description": "the unit accepts the charter; must be true"})


class ApplicationRequest(ApplicationFields):
    external_reference = Text(max=100, metadata={"description": "the platform's own number of the case"})


class ApplicationCorrections(ApplicationFields):
    """Any part of the form; use with `partial=True`."""


class ApplicationCode(RequestSchema):
    """The applicant's key, in a header so that it appears in no access log."""

    access_code = Text(
        max=200, data_key="Application-Code", load_default=None, metadata={"description": "access code of the receipt"}
    )


class CreditCodeWarning(ResponseSchema):
    code = fields.String(required=True)
    message = fields.String(required=True)


class ApplicationReceipt(ResponseSchema):
    application_id = fields.String(required=True)
    number = fields.String(required=True)
    state = fields.String(required=True)
    access_code = fields.String(required=True, metadata={"description": "shown once; keep it"})
    warnings = fields.List(fields.Nested(CreditCodeWarning), required=True)
    status_url = fields.String(required=True)


class QuestionRequest(RequestSchema):
    text = Text(max=limits.ESSAY_LENGTH_MAX, lines=True, required=True)


class AnswerRequest(RequestSchema):
    question_id = Text(max=36, required=True)
    text = Text(max=limits.ESSAY_LENGTH_MAX, lines=True, required=True)
    corrections = fields.Nested(ApplicationCorrections(partial=True), load_default=None)


class QuestionStep(ResponseSchema):
    question_id = fields.String(required=True)
    application_id = fields.String(required=True)
    state = fields.String(required=True)


class AcceptanceRequest(RequestSchema):
    confirm_warnings = TrueOrFalse(load_default=False)


class WithdrawalRequest(RequestSchema):
    reason = Text(max=limits.PARAGRAPH_LENGTH_MAX, lines=True, load_default=None)


class ApplicationStep(ResponseSchema):
    application_id = fields.String(required=True)
    number = fields.String(required=True)
    state = fields.String(required=True)


class NoteRequest(RequestSchema):
    text = Text(max=limits.ESSAY_LENGTH_MAX, lines=True, required=True)


class NoteView(ResponseSchema):
    note_id = fields.String(required=True)
    text = fields.String(required=True)
    written_by = fields.String(required=True)
    written_at = Instant(required=True)


class ApplicationsQuery(CursorQuery):
    state = Text(max=20, validate=validate.OneOf([state.value for state in State]), load_default=None)


class ApplicationLine(ResponseSchema):
    """An application in a list."""

    application_id = fields.String(required=True)
    number = fields.String(required=True)
    state = fields.String(required=True)
    unit_name = fields.String(required=True)
    kind = fields.String(required=True)
    county = fields.String(required=True)
    warnings = fields.List(fields.Nested(CreditCodeWarning), required=True)
    submitted_at = Instant(required=True)
    changed_at = Instant(required=True)
    external_reference = fields.String(allow_none=True)
    correlation_id = fields.String(required=True, metadata={"description": "thread of the timeline"})
    member_id = fields.String(allow_none=True)


class QuestionView(ResponseSchema):
    question_id = fields.String(required=True)
    text = fields.String(required=True)
    asked_by = fields.String()
    asked_at = Instant(required=True)
    answer = fields.String(allow_none=True)
    corrections = fields.Dict(allow_none=True)
    answered_at = Instant(allow_none=True)


class StepView(ResponseSchema):
    """One line of the history."""

    step = fields.String(required=True)
    state = fields.String(required=True)
    at = Instant(required=True)
    actor_kind = fields.String(required=True)
    actor_id = fields.String(allow_none=True)
    article = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)


class BallotView(ResponseSchema):
    ballot_id = fields.String(required=True)
    body = fields.String(required=True)
    opened_at = Instant(allow_none=True)
    closes_at = Instant(allow_none=True)
    outcome = fields.String(allow_none=True)
    closed_at = Instant(allow_none=True)


class ApplicationView(ApplicationLine):
    form = fields.Dict(required=True, metadata={"description": "the form as it stands, corrections included"})
    charter_version = fields.Integer(required=True)
    questions = fields.List(fields.Nested(QuestionView), required=True)
    steps = fields.List(fields.Nested(StepView), required=True)
    ballots = fields.List(fields.Nested(BallotView), required=True)
    notes = fields.List(fields.Nested(NoteView), metadata={"description": "for the secretariat and committee only"})
    member_number = fields.String()
