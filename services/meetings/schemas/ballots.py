"""Ballots and votes as callers send and get them."""

from __future__ import annotations

from marshmallow import fields, validate

from services.meetings.domain.ballots import BODIES, CHOICES, STATES
from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text


class BallotsQuery(CursorQuery):
    body = fields.String(load_default=None, validate=validate.OneOf(BODIES))
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))
    application_id = Text(load_default=None, max=36)


class VoteRequest(RequestSchema):
    choice = fields.String(required=True, validate=validate.OneOf(CHOICES))


class VoteReceiptView(ResponseSchema):
    ballot_id = fields.String(required=True)
    unit_id = fields.String(required=True)


class MatterView(ResponseSchema):
    kind = fields.String(required=True)
    application_id = fields.String(required=True)
    title = fields.String(required=True)


class BallotQuorumView(ResponseSchema):
    numerator = fields.Integer(required=True)
    denominator = fields.Integer(required=True)
    inclusive = fields.Boolean(required=True)
    base = fields.String(required=True)


class BallotRuleView(ResponseSchema):
    name = fields.String(required=True)
    version = fields.Integer(required=True, metadata={"description": "version of the charter"})
    article = fields.String(required=True)
    numerator = fields.Integer(required=True)
    denominator = fields.Integer(required=True)
    inclusive = fields.Boolean(required=True)
    base = fields.String(required=True)
    quorum = fields.Nested(BallotQuorumView, required=True, allow_none=True)
    minimum_yes = fields.Integer(required=True)
    silent = fields.List(fields.String(), required=True)


class ExplanationLineView(ResponseSchema):
    code = fields.String(required=True)
    params = fields.Dict(required=True)
    text = fields.String(required=True, metadata={"description": "the line in the caller's language"})


class BallotResultView(ResponseSchema):
    outcome = fields.String(required=True)
    yes = fields.Integer(required=True)
    no = fields.Integer(required=True)
    abstain = fields.Integer(required=True)
    not_cast = fields.Integer(required=True)
    base = fields.Integer(required=True)
    needed_yes = fields.Integer(required=True)
    on_the_bound = fields.Boolean(required=True)
    reasons = fields.List(fields.String(), required=True)
    explanation = fields.List(fields.Nested(ExplanationLineView), required=True)


class YourPlaceView(ResponseSchema):
    on_roll = fields.Boolean(required=True)
    has_voted = fields.Boolean(required=True)
    may_vote = fields.Boolean(required=True)


class BallotView(ResponseSchema):
    ballot_id = fields.String(required=True)
    body = fields.String(required=True)
    matter = fields.Nested(MatterView, required=True)
    state = fields.String(required=True)
    opened_at = Instant(required=True)
    closes_at = Instant(required=True)
    ended_at = Instant(required=True, allow_none=True)
    ended_because = fields.String(required=True, allow_none=True)
    roll_size = fields.Integer(required=True)
    struck = fields.Integer(
        required=True, metadata={"description": "units of the roll that left without voting; they stay in the base"}
    )
    votes_cast = fields.Integer(required=True)
    rule = fields.Nested(BallotRuleView, required=True)
    result = fields.Nested(
        BallotResultView, required=True, allow_none=True, metadata={"description": "null until the ballot has closed"}
    )
    you = fields.Nested(
        YourPlaceView,
        required=True,
        allow_none=True,
        metadata={"description": "what the caller's unit may do; null for callers who act for no unit"},
    )
    correlation_id = fields.String(required=True, metadata={"description": "the story this ballot belongs to"})
