"""The charter as the API answers it. Its inner shape is the charter file's, checked when it was adopted."""

from __future__ import annotations

from marshmallow import fields, validate

from services.meetings.schemas.charter_file import FILE_CHARACTERS_MAX
from shared.web.schemas import Instant, RequestSchema, ResponseSchema


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


class CharterText(RequestSchema):
    """A charter as it was written, line for line: faults are told by line."""

    charter = fields.String(
        required=True,
        validate=validate.Length(min=1, max=FILE_CHARACTERS_MAX),
        metadata={"description": "the charter file (TOML)"},
    )


class CharterFault(ResponseSchema):
    line = fields.Integer(required=True, allow_none=True)
    field = fields.String(required=True, metadata={"description": "path in the file"})
    code = fields.String(required=True, metadata={"description": "stable name of the fault"})
    message = fields.String(required=True, metadata={"description": "in the caller's language"})


class CharterCheck(ResponseSchema):
    """What a charter would be, or everything that is wrong with it."""

    sound = fields.Boolean(required=True)
    faults = fields.List(fields.Nested(CharterFault), required=True)
    charter = fields.Dict(
        required=True, allow_none=True, metadata={"description": "the file as data, where it is sound"}
    )


class CharterVersionView(ResponseSchema):
    version = fields.Integer(required=True)
    effective_from = Instant(required=True)
    effective_to = Instant(required=True, allow_none=True, metadata={"description": "null: in force"})


class CharterVersions(ResponseSchema):
    items = fields.List(fields.Nested(CharterVersionView), required=True)
