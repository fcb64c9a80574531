"""Leaving as a unit announces it, and as it stands on record."""

from __future__ import annotations

from marshmallow import fields

from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text

#: Characters of a reason: a letter's worth.
REASON_CHARACTERS_MAX = 1000


class LeavingRequest(RequestSchema):
    leaves_on = fields.Date(
        load_default=None,
        allow_none=True,
        metadata={"description": "the first day on which the unit is no member; without it, at once"},
    )
    reason = Text(
        max=REASON_CHARACTERS_MAX,
        lines=True,
        load_default=None,
        allow_none=True,
        metadata={"description": "up to the unit; from the secretariat the letter it rests on, with its date"},
    )


class LeavingView(ResponseSchema):
    """How and from when a unit leaves, or has left."""

    announced_at = Instant(required=True)
    announced_by = fields.String(required=True, metadata={"description": "representative or secretariat"})
    leaves_at = Instant(required=True)
    took_effect_at = Instant(required=True, allow_none=True)
    correlation_id = fields.String(required=True, metadata={"description": "the story of the leaving"})
    person_name = fields.String(
        required=True, allow_none=True, metadata={"description": "for the unit itself and the secretariat"}
    )
    reason = fields.String(
        required=True, allow_none=True, metadata={"description": "for the unit itself and the secretariat"}
    )
