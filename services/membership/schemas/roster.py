"""The roster, the offices and the alliance as others see them."""

from __future__ import annotations

from marshmallow import fields

from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, ResponseSchema, Text


class MembersQuery(CursorQuery):
    q = Text(max=100, load_default=None, metadata={"description": "part of a name or number"})
    kind = Text(max=40, load_default=None)
    county = Text(max=40, load_default=None)


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


class AllianceView(ResponseSchema):
    alliance_id = fields.String(required=True)
    name = fields.String(required=True)
    founded_at = Instant(required=True)
    members = fields.Integer(required=True)
