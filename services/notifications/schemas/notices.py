"""Schemas of the in-app inbox."""

from __future__ import annotations

from marshmallow import fields

from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, ResponseSchema


class InboxQuery(CursorQuery):
    unread = fields.Boolean(load_default=False, metadata={"description": "only notices not marked as read"})


class NoticeView(ResponseSchema):
    notice_id = fields.String(required=True)
    title = fields.String(required=True)
    type = fields.String(required=True)
    event_id = fields.String(required=True)
    subject = fields.String(required=True)
    article = fields.String(required=True, allow_none=True)
    correlation_id = fields.String(required=True)
    time = Instant(required=True, metadata={"description": "when it happened"})
    created_at = Instant(required=True, metadata={"description": "when it reached the inbox"})
    read_at = Instant(required=True, allow_none=True)
    data = fields.Dict(keys=fields.String(), required=True)
