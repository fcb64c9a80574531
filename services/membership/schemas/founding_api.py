"""A founding over HTTP: the two files as text, what is wrong with them by line, and what came of it."""

from __future__ import annotations

from marshmallow import fields, validate

from services.membership.schemas.founding_nodes import FILE_BYTES_MAX
from shared.web.schemas import RequestSchema, ResponseSchema


class FoundingState(ResponseSchema):
    founded = fields.Boolean(required=True)
    over_http = fields.Boolean(
        required=True, metadata={"description": "whether the setting LIANMENG_SETUP_CODE opens the door at all"}
    )


class FoundingRequest(RequestSchema):
    """Both as they were written, line for line: faults are told by line."""

    founding = fields.String(
        required=True,
        validate=validate.Length(max=FILE_BYTES_MAX),
        metadata={"description": "the founding file (YAML)"},
    )
    charter = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=FILE_BYTES_MAX),
        metadata={
            "description": "the charter file (TOML) that it must keep; else the charter in force, as far as known"
        },
    )


class FileFault(ResponseSchema):
    line = fields.Integer(required=True, allow_none=True)
    field = fields.String(required=True, metadata={"description": "path in the file"})
    code = fields.String(required=True, metadata={"description": "stable name of the fault"})
    message = fields.String(required=True, metadata={"description": "in the caller's language"})


class PersonToCome(ResponseSchema):
    name = fields.String(required=True)
    title = fields.String(required=True)
    username = fields.String(required=True)


class UnitToCome(ResponseSchema):
    number = fields.Integer(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    county = fields.String(required=True)
    credit_code = fields.String(required=True)
    representative = fields.Nested(PersonToCome, required=True)


class OfficeToCome(ResponseSchema):
    office = fields.String(required=True)
    unit = fields.Integer(required=True)


class StaffToCome(ResponseSchema):
    person = fields.Nested(PersonToCome, required=True)
    roles = fields.List(fields.String(), required=True)


class AllianceToCome(ResponseSchema):
    """What a founding would make."""

    name = fields.String(required=True)
    number_prefix = fields.String(required=True)
    founded_on = fields.Date(required=True)
    term_from = fields.Date(required=True)
    term_to = fields.Date(required=True)
    units = fields.List(fields.Nested(UnitToCome), required=True)
    seats = fields.List(fields.Nested(OfficeToCome), required=True, metadata={"description": "of the committee"})
    secretary_general = fields.Nested(PersonToCome, required=True)
    staff = fields.List(fields.Nested(StaffToCome), required=True)


class FoundingCheck(ResponseSchema):
    """What a founding would make, or everything that is wrong with it."""

    sound = fields.Boolean(required=True)
    faults = fields.List(fields.Nested(FileFault), required=True, metadata={"description": "of the founding file"})
    charter_faults = fields.List(fields.Nested(FileFault), required=True)
    warnings = fields.List(
        fields.Nested(FileFault), required=True, metadata={"description": "to be looked at; they refuse nothing"}
    )
    catalogue_checked = fields.Boolean(
        required=True, metadata={"description": "false where no charter told the kinds and counties"}
    )
    alliance = fields.Nested(AllianceToCome, required=True, allow_none=True)


class InvitationView(ResponseSchema):
    unit = fields.String(required=True)
    person = fields.String(required=True)
    username = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "as good as a password; told here and never again"})


class FoundedView(ResponseSchema):
    alliance_id = fields.String(required=True)
    name = fields.String(required=True)
    members = fields.Integer(required=True)
    accounts = fields.Integer(required=True)
    invitations = fields.List(fields.Nested(InvitationView), required=True)
