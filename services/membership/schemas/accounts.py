"""Signing in, accounts, platforms and keys: requests and answers. Passwords are taken as they are, never trimmed."""

from __future__ import annotations

from marshmallow import EXCLUDE, fields, validate

from services.membership.domain.accounts import PASSWORD_LENGTH_MAX, USERNAME_LENGTH_MAX
from services.membership.domain.clients import NAME_LENGTH_MAX, SCOPES
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text

#: More than there are scopes: a repetition is forgiven, a flood is not.
SCOPES_MAX = 50


class SessionRequest(RequestSchema):
    username = Text(max=USERNAME_LENGTH_MAX, required=True)
    password = fields.String(required=True, validate=validate.Length(min=1, max=PASSWORD_LENGTH_MAX))


class SignInForm(RequestSchema):
    """What the sign-in page sends. `token` is compared with the cookie before this is read."""

    class Meta:
        """A browser's add-on may put fields into a form; nobody else sends it."""

        unknown = EXCLUDE

    username = Text(max=USERNAME_LENGTH_MAX, required=True)
    password = fields.String(required=True, validate=validate.Length(min=1, max=PASSWORD_LENGTH_MAX))


class TokenView(ResponseSchema):
    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    refresh_token = fields.String(metadata={"description": "people's applications: good for one refresh"})
    refresh_expires_in = fields.Integer(metadata={"description": "seconds until the session ends unless refreshed"})
    scope = fields.String()


class PersonSessionView(ResponseSchema):
    session_id = fields.String(required=True)
    client_id = fields.String(required=True, metadata={"description": "the application"})
    started_at = Instant(required=True)
    used_at = Instant(required=True, metadata={"description": "last refresh"})
    expires_at = Instant(required=True, metadata={"description": "unless it is used again"})
    current = fields.Boolean(required=True, metadata={"description": "whether this request came from it"})


class ActivationRequest(RequestSchema):
    username = Text(max=USERNAME_LENGTH_MAX, required=True, metadata={"description": "the member number"})
    invitation_code = Text(max=200, required=True, metadata={"description": "the application's access code"})
    password = fields.String(required=True, validate=validate.Length(max=PASSWORD_LENGTH_MAX))


class ActivatedAccount(ResponseSchema):
    account_id = fields.String(required=True)
    username = fields.String(required=True)
    state = fields.String(required=True)


class AccountView(ResponseSchema):
    account_id = fields.String(required=True)
    username = fields.String(required=True)
    person_name = fields.String(required=True)
    state = fields.String(required=True)
    staff_roles = fields.List(fields.String(), required=True)
    member_id = fields.String(allow_none=True)
    opened_at = Instant(required=True)
    signed_in_at = Instant(allow_none=True)


class UnitView(ResponseSchema):
    member_id = fields.String(required=True)
    number = fields.String(required=True)
    unit_name = fields.String(required=True)


class MeView(ResponseSchema):
    """Who the token belongs to."""

    kind = fields.String(required=True)
    account_id = fields.String()
    client_id = fields.String()
    username = fields.String()
    name = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    scopes = fields.List(fields.String(), required=True)
    member = fields.Nested(UnitView, allow_none=True)


class ClientRequest(RequestSchema):
    name = Text(max=NAME_LENGTH_MAX, required=True)
    scopes = fields.List(
        Text(max=40),
        required=True,
        validate=validate.Length(max=SCOPES_MAX),
        metadata={"description": f"of {', '.join(sorted(SCOPES))}"},
    )


class RegisteredClient(ResponseSchema):
    client_id = fields.String(required=True)
    client_secret = fields.String(required=True, metadata={"description": "shown once; keep it"})
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)


class ClientView(ResponseSchema):
    client_id = fields.String(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    registered_at = Instant(required=True)
    closed_at = Instant(allow_none=True)


class RotationView(ResponseSchema):
    kid = fields.String(required=True)
    signs_from = Instant(required=True)


class KeySetView(ResponseSchema):
    keys = fields.List(fields.Dict(keys=fields.String(), values=fields.String()), required=True)
