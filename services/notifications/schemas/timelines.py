"""Schemas of timelines."""

from __future__ import annotations

from marshmallow import fields

from shared.web.schemas import Instant, ResponseSchema


class TimelineEntryView(ResponseSchema):
    at = Instant(required=True)
    service = fields.String(required=True)
    type = fields.String(required=True)
    title = fields.String(required=True, metadata={"description": "in the language of the request"})
    article = fields.String(required=True, allow_none=True)
    subject = fields.String(required=True)
    event_id = fields.String(required=True)
    elapsed_ms = fields.Integer(required=True, metadata={"description": "milliseconds since the first entry"})
    data = fields.Dict(keys=fields.String(), required=True)


class TimelineView(ResponseSchema):
    correlation_id = fields.String(required=True)
    entries = fields.List(fields.Nested(TimelineEntryView), required=True)
