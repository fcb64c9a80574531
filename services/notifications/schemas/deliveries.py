"""Schemas of the delivery log."""

from __future__ import annotations

from marshmallow import fields, validate

from services.notifications.domain.deliveries import State
from services.notifications.domain.subscriptions import Channel
from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, ResponseSchema, Text


class DeliveriesQuery(CursorQuery):
    state = Text(max=10, load_default=None, validate=validate.OneOf([each.value for each in State]))
    channel = Text(max=10, load_default=None, validate=validate.OneOf([each.value for each in Channel]))
    event_id = Text(max=200, load_default=None)
    subscription_id = Text(max=36, load_default=None)


class AttemptView(ResponseSchema):
    number = fields.Integer(required=True)
    at = Instant(required=True)
    taken = fields.Boolean(required=True)
    status = fields.Integer(required=True, allow_none=True, metadata={"description": "HTTP or SMTP status"})
    error = fields.String(required=True, allow_none=True)
    milliseconds = fields.Integer(required=True)


class DeliveryView(ResponseSchema):
    delivery_id = fields.String(required=True)
    subscription_id = fields.String(required=True)
    event_id = fields.String(required=True)
    event_type = fields.String(required=True)
    correlation_id = fields.String(required=True)
    channel = fields.String(required=True)
    target = fields.String(required=True, allow_none=True, metadata={"description": "shown to the owner only"})
    state = fields.String(required=True)
    created_at = Instant(required=True)
    settled_at = Instant(required=True, allow_none=True)
    next_attempt_at = Instant(required=True, allow_none=True)
    attempts = fields.List(fields.Nested(AttemptView), required=True)
