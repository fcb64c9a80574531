"""Everything meetings says and hears: the whole contract on one screen. Must not hold a rule or do anything."""

from __future__ import annotations

from marshmallow import fields, validate

from services.meetings.domain.ballots import (
    ALL_VOTED,
    APPLICANT_WITHDREW,
    BODIES,
    DEADLINE,
)
from services.meetings.domain.rules import BASES, QUORUM_BASES, SILENT_POINTS
from shared.messaging.contracts import Consumed, ConsumedSchema, Published, PublishedSchema
from shared.security.keys import KeyPublishedView, KeyRetiredView

CHARTER_ADOPTED = "meetings.charter.adopted"
BALLOT_OPENED = "meetings.ballot.opened"
BALLOT_CLOSED = "meetings.ballot.closed"
BALLOT_CANCELLED = "meetings.ballot.cancelled"


class NameInLanguages(PublishedSchema):
    zh_cn = fields.String(required=True, data_key="zh-CN")
    en = fields.String(required=True)


class Alliance(PublishedSchema):
    code = fields.String(required=True)
    name = fields.Nested(NameInLanguages, required=True)
    number_prefix = fields.String(required=True)


class Listed(PublishedSchema):
    code = fields.String(required=True)
    name = fields.Nested(NameInLanguages, required=True)


class ListedWithArticle(Listed):
    article = fields.String(required=True)


class Fraction(PublishedSchema):
    numerator = fields.Integer(required=True, strict=True)
    denominator = fields.Integer(required=True, strict=True)
    inclusive = fields.Boolean(required=True)


class QuorumOfRule(Fraction):
    base = fields.String(required=True, validate=validate.OneOf(QUORUM_BASES))


class RuleOfCharter(Fraction):
    body = fields.String(required=True, validate=validate.OneOf(BODIES))
    base = fields.String(required=True, validate=validate.OneOf(BASES))
    quorum = fields.Nested(QuorumOfRule, required=True, allow_none=True)
    minimum_yes = fields.Integer(required=True, strict=True)
    voting_days = fields.Integer(required=True, strict=True)
    article = fields.String(required=True)
    silent = fields.List(fields.String(validate=validate.OneOf(SILENT_POINTS)), required=True)


class CharterAdopted(PublishedSchema):
    version = fields.Integer(required=True, strict=True)
    alliance = fields.Nested(Alliance, required=True)
    effective_from = fields.AwareDateTime(required=True)
    member_kinds = fields.List(fields.Nested(Listed), required=True)
    counties = fields.List(fields.Nested(Listed), required=True)
    funding_sources = fields.List(fields.Nested(ListedWithArticle), required=True)
    purposes = fields.List(fields.Nested(ListedWithArticle), required=True)
    rules = fields.Dict(keys=fields.String(), values=fields.Nested(RuleOfCharter), required=True)
    silent = fields.List(fields.String(), required=True)


class Matter(PublishedSchema):
    kind = fields.String(required=True, validate=validate.OneOf(["admission"]))
    application_id = fields.String(required=True)
    title = fields.String(required=True)


class RuleOfBallot(Fraction):
    name = fields.String(required=True)
    version = fields.Integer(required=True, strict=True)
    article = fields.String(required=True)
    base = fields.String(required=True, validate=validate.OneOf(BASES))


class OfBallot(PublishedSchema):
    ballot_id = fields.String(required=True)
    body = fields.String(required=True, validate=validate.OneOf(BODIES))
    matter = fields.Nested(Matter, required=True)


class BallotOpened(OfBallot):
    roll_size = fields.Integer(required=True, strict=True)
    opened_at = fields.AwareDateTime(required=True)
    closes_at = fields.AwareDateTime(required=True)
    rule = fields.Nested(RuleOfBallot, required=True)


class ExplanationLine(PublishedSchema):
    code = fields.String(required=True)
    params = fields.Dict(keys=fields.String(), required=True)


class BallotClosed(OfBallot):
    outcome = fields.String(required=True, validate=validate.OneOf(["passed", "refused"]))
    closed_because = fields.String(required=True, validate=validate.OneOf([ALL_VOTED, DEADLINE]))
    roll_size = fields.Integer(required=True, strict=True)
    yes = fields.Integer(required=True, strict=True)
    no = fields.Integer(required=True, strict=True)
    abstain = fields.Integer(required=True, strict=True)
    not_cast = fields.Integer(required=True, strict=True)
    on_the_bound = fields.Boolean(required=True)
    rule = fields.Nested(RuleOfBallot, required=True)
    explanation = fields.List(fields.Nested(ExplanationLine), required=True)


class BallotCancelled(OfBallot):
    reason = fields.String(required=True, validate=validate.OneOf([APPLICANT_WITHDREW]))


# The article of a ballot's events depends on its body, so the commands give it.
PUBLISHES = {
    CHARTER_ADOPTED: Published(CharterAdopted, "A version of the charter is in force from its effective time.", "20"),
    BALLOT_OPENED: Published(BallotOpened, "A body votes on a matter; its roll is frozen."),
    BALLOT_CLOSED: Published(BallotClosed, "A body has decided; the counts, and why they mean what they mean."),
    BALLOT_CANCELLED: Published(BallotCancelled, "A ballot ended undecided, because there is nothing left to decide."),
}


class ApplicationAccepted(ConsumedSchema):
    application_id = fields.String(required=True, validate=validate.Length(max=36))
    number = fields.String(required=True)
    unit_name = fields.String(required=True)


class AdmissionApproved(ApplicationAccepted):
    pass


class ApplicationWithdrawn(ConsumedSchema):
    application_id = fields.String(required=True)


class MemberAdmitted(ConsumedSchema):
    member_id = fields.String(required=True, validate=validate.Length(max=36))
    number = fields.String(required=True, validate=validate.Length(max=40))
    unit_name = fields.String(required=True, validate=validate.Length(max=200))
    admitted_at = fields.AwareDateTime(required=True)


class OfficeFilled(ConsumedSchema):
    office_id = fields.String(required=True, validate=validate.Length(max=36))
    body = fields.String(required=True, validate=validate.Length(max=40))
    office = fields.String(required=True, validate=validate.Length(max=40))
    member_id = fields.String(required=True, validate=validate.Length(max=36))
    term_from = fields.AwareDateTime(required=True)
    term_to = fields.AwareDateTime(required=True)


class MemberLeft(ConsumedSchema):
    member_id = fields.String(required=True, validate=validate.Length(max=36))
    left_at = fields.AwareDateTime(required=True)


class OfficeVacated(ConsumedSchema):
    office_id = fields.String(required=True, validate=validate.Length(max=36))
    vacated_at = fields.AwareDateTime(required=True)


CONSUMES = {
    "membership.application.accepted": Consumed(ApplicationAccepted),
    "membership.application.withdrawn": Consumed(ApplicationWithdrawn),
    "membership.admission.approved": Consumed(AdmissionApproved),
    "membership.member.admitted": Consumed(MemberAdmitted),
    "membership.member.left": Consumed(MemberLeft),
    "membership.office.filled": Consumed(OfficeFilled),
    "membership.office.vacated": Consumed(OfficeVacated),
    "membership.signing_key.published": Consumed(KeyPublishedView),
    "membership.signing_key.retired": Consumed(KeyRetiredView),
}
