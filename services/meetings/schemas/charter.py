"""The charter as the API answers it. Its inner shape is the charter file's, checked when it was adopted."""

from __future__ import annotations

from marshmallow import fields

from shared.web.schemas import Instant, ResponseSchema


class CharterView(ResponseSchema):
    version = fields.Integer(required=True)
    effective_from = Instant(required=True)
    alliance = fields.Dict(required=True)
    member_kinds = fields.List(fields.Dict(), required=True)
    counties = fields.List(fields.Dict(), required=True)
    purposes = fields.List(fields.Dict(), required=True)
    funding_sources = fields.List(fields.Dict(), required=True)
    seats = fields.List(fields.Dict(), required=True)
    committee = fields.Dict(required=True)
    secretariat = fields.Dict(required=True)
    elections = fields.Dict(required=True)
    rules = fields.Dict(required=True)
    voting = fields.Dict(required=True)
    presets = fields.Dict()
    silent = fields.List(
        fields.String(), required=True, metadata={"description": "paths of everything the charter's text leaves open"}
    )
