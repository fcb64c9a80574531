"""Everything membership says and hears, on one screen. No personal data, no user names, no secrets in any of it."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import fields, validate

from services.membership.domain.leaving import REPRESENTATIVE, SECRETARIAT
from shared.messaging.contracts import Consumed, ConsumedSchema, Published, PublishedSchema


class AllianceFounded(PublishedSchema):
    alliance_id = fields.String(required=True)
    name = fields.String(required=True)
    members = fields.Integer(required=True, strict=True)
    founded_at = fields.AwareDateTime(required=True)


class ApplicationFacts(PublishedSchema):
    application_id = fields.String(required=True)
    number = fields.String(required=True)
    unit_name = fields.String(required=True)
    kind = fields.String(required=True)
    county = fields.String(required=True)


class ApplicationSubmitted(ApplicationFacts):
    warnings = fields.List(fields.String(), required=True)


class AdmissionApproved(ApplicationFacts):
    ballot_id = fields.String(required=True)


class AboutQuestion(PublishedSchema):
    application_id = fields.String(required=True)
    question_id = fields.String(required=True)


class ApplicationWithdrawn(PublishedSchema):
    application_id = fields.String(required=True)
    unit_name = fields.String(required=True)


class AdmissionRefused(PublishedSchema):
    application_id = fields.String(required=True)
    unit_name = fields.String(required=True)
    stage = fields.String(required=True, validate=validate.OneOf(("executive_committee", "general_meeting")))
    ballot_id = fields.String(required=True)


class MemberAdmitted(PublishedSchema):
    member_id = fields.String(required=True)
    number = fields.String(required=True)
    unit_name = fields.String(required=True)
    kind = fields.String(required=True)
    county = fields.String(required=True)
    admitted_at = fields.AwareDateTime(required=True)
    founding = fields.Boolean(required=True)
    # Both are missing for a founding member, who came without either.
    application_id = fields.String()
    ballot_id = fields.String()


class OfficeFilled(PublishedSchema):
    office_id = fields.String(required=True)
    body = fields.String(required=True)
    office = fields.String(required=True)
    member_id = fields.String(required=True)
    term_from = fields.AwareDateTime(required=True)
    term_to = fields.AwareDateTime(required=True)


class OfficeVacated(PublishedSchema):
    office_id = fields.String(required=True)
    body = fields.String(required=True)
    office = fields.String(required=True)
    member_id = fields.String(required=True)
    vacated_at = fields.AwareDateTime(required=True)


class MemberIdentity(PublishedSchema):
    member_id = fields.String(required=True)
    number = fields.String(required=True)
    unit_name = fields.String(required=True)


class LeavingAnnounced(MemberIdentity):
    leaves_at = fields.AwareDateTime(required=True)
    announced_by = fields.String(required=True, validate=validate.OneOf((REPRESENTATIVE, SECRETARIAT)))


class MemberLeft(MemberIdentity):
    left_at = fields.AwareDateTime(required=True)
    announced_by = fields.String(required=True, validate=validate.OneOf((REPRESENTATIVE, SECRETARIAT)))


class AccountOpened(PublishedSchema):
    account_id = fields.String(required=True)
    member_id = fields.String()
    roles = fields.List(fields.String(), required=True)


class AccountClosed(PublishedSchema):
    account_id = fields.String(required=True)


class ClientClosed(PublishedSchema):
    client_id = fields.String(required=True)


class SigningKeyPublished(PublishedSchema):
    kid = fields.String(required=True)
    jwk = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    signs_from = fields.AwareDateTime(required=True)


class SigningKeyRetired(PublishedSchema):
    kid = fields.String(required=True)


PUBLISHES: Mapping[str, Published] = {
    "membership.alliance.founded": Published(AllianceFounded, "The alliance exists, with its founding members", "1"),
    "membership.application.submitted": Published(ApplicationSubmitted, "A unit has applied", "6(1)"),
    "membership.application.questioned": Published(AboutQuestion, "The secretariat has a question", "11"),
    "membership.application.answered": Published(AboutQuestion, "The applicant has answered", "11"),
    "membership.application.accepted": Published(ApplicationFacts, "The form is in order; the committee's turn", "11"),
    "membership.application.withdrawn": Published(ApplicationWithdrawn, "The applicant has withdrawn", "6"),
    "membership.admission.approved": Published(AdmissionApproved, "The committee's review has passed", "6(2)"),
    "membership.admission.refused": Published(AdmissionRefused, "A ballot has refused the applicant", "6"),
    "membership.member.admitted": Published(MemberAdmitted, "A unit stands on the roster", "6(3)"),
    "membership.leaving.announced": Published(LeavingAnnounced, "A unit will leave, from a day of its choice", "7(3)"),
    "membership.leaving.retracted": Published(MemberIdentity, "A unit that was to leave stays", "7(3)"),
    "membership.member.left": Published(MemberLeft, "A unit is no member any more; its roster entry stays", "7(3)"),
    "membership.office.filled": Published(OfficeFilled, "A unit holds an office for a term", "9"),
    "membership.office.vacated": Published(OfficeVacated, "A unit's office has ended before its term", "9"),
    "membership.account.opened": Published(AccountOpened, "A person can get a sign-in", "7(1)"),
    "membership.account.closed": Published(AccountClosed, "A person's sign-in has ended"),
    "membership.client.closed": Published(ClientClosed, "A platform's access has ended"),
    "membership.signing_key.published": Published(SigningKeyPublished, "A key will sign tokens from a time on"),
    "membership.signing_key.retired": Published(SigningKeyRetired, "A key's tokens are no longer believed"),
}


class NamedView(ConsumedSchema):
    code = fields.String(required=True)
    name = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


class CharterView(ConsumedSchema):
    version = fields.Integer(required=True)
    effective_from = fields.AwareDateTime(required=True)
    member_kinds = fields.List(fields.Nested(NamedView), required=True)
    counties = fields.List(fields.Nested(NamedView), required=True)


class MatterView(ConsumedSchema):
    kind = fields.String(required=True)
    application_id = fields.String(load_default=None, allow_none=True)


class BallotOpenedView(ConsumedSchema):
    ballot_id = fields.String(required=True)
    body = fields.String(required=True)
    matter = fields.Nested(MatterView, required=True)
    opened_at = fields.AwareDateTime(required=True)
    closes_at = fields.AwareDateTime(required=True)


class BallotClosedView(ConsumedSchema):
    ballot_id = fields.String(required=True)
    body = fields.String(required=True)
    matter = fields.Nested(MatterView, required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(("passed", "refused")))


CONSUMES: Mapping[str, Consumed] = {
    "meetings.charter.adopted": Consumed(CharterView),
    "meetings.ballot.opened": Consumed(BallotOpenedView),
    "meetings.ballot.closed": Consumed(BallotClosedView),
}
