"""Schemas of subscriptions."""

from __future__ import annotations

from marshmallow import fields, validate

from services.notifications.domain.subscriptions import PATTERN_CHARACTERS_MAX, PATTERNS_MAX, Channel
from shared.outbound.addresses import URL_CHARACTERS_MAX
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text


class SubscriptionRequest(RequestSchema):
    event_types = fields.List(
        Text(max=PATTERN_CHARACTERS_MAX),
        required=True,
        validate=validate.Length(max=PATTERNS_MAX),
        metadata={
            "description": "exact types, prefixes such as `meetings.ballot.*`, or `*`",
            "example": ["membership.member.admitted", "meetings.ballot.*"],
        },
    )
    channel = Text(max=10, required=True, validate=validate.OneOf([each.value for each in Channel]))
    target = Text(
        max=URL_CHARACTERS_MAX,
        load_default=None,
        metadata={"description": "e-mail address, or https URL of a webhook; none for the inbox"},
    )
    language = Text(max=10, load_default=DEFAULT_LANGUAGE, validate=validate.OneOf(LANGUAGES))


class SubscriptionView(ResponseSchema):
    subscription_id = fields.String(required=True)
    owner_kind = fields.String(required=True)
    event_types = fields.List(fields.String(), required=True)
    channel = fields.String(required=True)
    target = fields.String(required=True, allow_none=True)
    language = fields.String(required=True)
    created_at = Instant(required=True)
    disabled_at = Instant(required=True, allow_none=True)
    disabled_reason = fields.String(required=True, allow_none=True)


class SubscriptionReceipt(SubscriptionView):
    secret = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "signing secret of a webhook (`whsec_…`); shown this once"},
    )
