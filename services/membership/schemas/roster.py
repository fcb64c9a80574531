"""The roster, the offices and the alliance as others see them."""

from __future__ import annotations

from marshmallow import fields, validate

from services.membership.domain.leaving import PRESENT, STATUSES
from services.membership.schemas.leaving import LeavingView
from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, ResponseSchema, Text


class MembersQuery(CursorQuery):
    q = Text(max=100, load_default=None, metadata={"description": "part of a name or number"})
    kind = Text(max=40, load_default=None)
    county = Text(max=40, load_default=None)
    status = fields.String(load_default=PRESENT, validate=validate.OneOf(STATUSES))


class MemberLine(ResponseSchema):
    """A unit on the roster."""

    member_id = fields.String(required=True)
    number = fields.String(required=True)
    unit_name = fields.String(required=True)
    credit_code = fields.String(allow_none=True)
    kind = fields.String(required=True)
    county = fields.String(required=True)
    admitted_at = Instant(required=True)
    founding = fields.Boolean(required=True)
    leaves_at = Instant(
        required=True, allow_none=True, metadata={"description": "from when it leaves, once it has announced that"}
    )
    left_at = Instant(required=True, allow_none=True, metadata={"description": "since when it is no member any more"})


class OfficeView(ResponseSchema):
    office_id = fields.String(required=True)
    body = fields.String(required=True)
    office = fields.String(required=True)
    member_id = fields.String(required=True)
    unit_name = fields.String(required=True)
    number = fields.String(required=True)
    person_name = fields.String(allow_none=True)
    term_from = Instant(required=True)
    term_to = Instant(required=True)


class OfficeList(ResponseSchema):
    items = fields.List(fields.Nested(OfficeView), required=True)


class MemberView(MemberLine):
    profile = fields.Dict(required=True, metadata={"description": "what the unit says of itself"})
    application_id = fields.String(allow_none=True)
    ballot_id = fields.String(allow_none=True)
    offices = fields.List(fields.Nested(OfficeView), required=True)
    leaving = fields.Nested(LeavingView, required=True, allow_none=True)


class AllianceView(ResponseSchema):
    alliance_id = fields.String(required=True)
    name = fields.String(required=True)
    founded_at = Instant(required=True)
    members = fields.Integer(required=True)
