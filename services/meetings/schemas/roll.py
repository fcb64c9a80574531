"""The electoral roll as callers get it."""

from __future__ import annotations

from marshmallow import fields

from shared.web.schemas import ResponseSchema


class RollEntryView(ResponseSchema):
    unit_id = fields.String(required=True)
    number = fields.String(required=True)
    unit_name = fields.String(required=True)
    offices = fields.List(
        fields.String(), required=True, metadata={"description": "seats of the executive committee the unit holds now"}
    )
