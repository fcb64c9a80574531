"""Schemas of the archive."""

from __future__ import annotations

from marshmallow import fields, validate

from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, ResponseSchema


class ArchiveQuery(CursorQuery):
    service = fields.String(
        required=True, validate=validate.Regexp(r"[a-z_]{1,40}\Z"), metadata={"description": "who told it"}
    )


class ArchivedEventView(ResponseSchema):
    event_id = fields.String(required=True)
    type = fields.String(required=True)
    subject = fields.String(required=True)
    sequence = fields.Integer(required=True)
    time = Instant(required=True)
    correlation_id = fields.String(required=True)
    causation_id = fields.String(required=True, allow_none=True)
    article = fields.String(required=True, allow_none=True)
    data = fields.Dict(keys=fields.String(), required=True)
