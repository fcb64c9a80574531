"""The token endpoint of OAuth 2 (RFC 6749): platforms by client credentials, people's applications by code and refresh.

It answers in OAuth's own words, errors included, because ready-made clients read nothing else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from flask import Response, jsonify, request
from flask.views import MethodView

from services.membership.api.accounts import issuer
from services.membership.commands.authorization_codes import exchange_code
from services.membership.commands.person_sessions import refresh_session, revoke_refresh_token
from services.membership.commands.sessions import issue_client_token
from services.membership.domain.authorization import PUBLIC_CLIENTS
from services.membership.domain.clients import ScopeRefused
from services.membership.schemas.accounts import TokenView
from shared.errors import Unauthenticated
from shared.web.access import access
from shared.web.blueprint import FORM, Blueprint
from shared.web.context import begin_work
from shared.web.rate_limits import rate_limited

oauth = Blueprint("oauth", __name__, url_prefix="/oauth", description="Tokens by OAuth 2")

#: Longest credential looked at, in characters.
CREDENTIAL_LENGTH_MAX = 200
#: Longest address looked at, in characters: what browsers and proxies carry everywhere.
ADDRESS_LENGTH_MAX = 2000

#: The token request, for the documentation: it is read by hand, because its errors are OAuth's and not ours.
TOKEN_FORM = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials", "authorization_code", "refresh_token"]},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string", "description": "platforms only"},
        "scope": {
            "type": "string",
            "description": "platforms: scopes with spaces between; all granted ones when left out",
        },
        "code": {"type": "string", "description": "authorization_code"},
        "redirect_uri": {"type": "string", "description": "authorization_code: as in the authorization request"},
        "code_verifier": {"type": "string", "description": "authorization_code: what the challenge was made of"},
        "refresh_token": {"type": "string", "description": "refresh_token: the last one; it serves once"},
    },
}
REVOCATION_FORM = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "description": "a refresh token"},
        "token_type_hint": {"type": "string"},
        "client_id": {"type": "string"},
    },
}

#: RFC 6749 has errors of its own; clients' libraries know these and not problem+json.
TOKEN_ERROR = {
    "description": "An error of RFC 6749, 5.2",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
            }
        },
        "application/problem+json": {"schema": {"type": "object"}},
    },
}


class _Refused(Exception):
    """An error of RFC 6749, 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status

    def answer(self) -> Response:
        """In OAuth's form."""
        response = jsonify({"error": self.error, "error_description": self.description})
        response.status_code = self.status
        if self.status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="lianmeng"'
        return response


@oauth.route("/token")
class Token(MethodView):
    @access(public=True)
    # An application asks for all its people from one address. Nothing here can be guessed: every secret has 256 bits.
    @rate_limited("token", per_minute=600, by="address")
    @oauth.doc(
        description="Platforms authenticate by HTTP Basic or in the body; people's applications name their `client_id` and "
        "prove themselves by `code_verifier` or refresh token. Errors as in RFC 6749, 5.2.",
        requestBody={"required": True, "content": {FORM: {"schema": TOKEN_FORM}}},
        responses={"400": TOKEN_ERROR, "401": TOKEN_ERROR},
    )
    @oauth.response(200, TokenView)
    def post(self) -> Response | dict[str, Any]:
        """A token for a platform, or for a person in an application."""
        try:
            _ensure_plain_form()
            return _issue()
        except _Refused as refused:
            return refused.answer()


@oauth.route("/revoke")
class Revocation(MethodView):
    @access(public=True)
    @rate_limited("token", per_minute=600, by="address")
    @oauth.doc(
        description="RFC 7009. Ends the session of a refresh token. The answer is the same for a token that is not known.",
        requestBody={"required": True, "content": {FORM: {"schema": REVOCATION_FORM}}},
        responses={"400": TOKEN_ERROR},
    )
    @oauth.response(200)
    def post(self) -> Response:
        """Sign out: the refresh token and its session are of no more use."""
        try:
            _ensure_plain_form()
            token = _given("token")
        except _Refused as refused:
            return refused.answer()
        with begin_work() as work:
            revoke_refresh_token(work, refresh_token=token, client_id=request.form.get("client_id") or None)
        return Response(status=200)


def _ensure_plain_form() -> None:
    if request.mimetype != FORM:
        raise _Refused("invalid_request", f"The body must be {FORM}.")
    if any(len(values) > 1 for _, values in request.form.lists()):
        raise _Refused("invalid_request", "A parameter came more than once.")


def _issue() -> dict[str, Any]:
    grant = request.form.get("grant_type")
    if grant == "authorization_code":
        return _exchange(_public_client())
    if grant == "refresh_token":
        return _refresh(_public_client())
    client_id, client_secret = _credentials()
    if grant is None:
        raise _Refused("invalid_request", "grant_type is missing.")
    if grant != "client_credentials":
        offered = "client_credentials, authorization_code and refresh_token"
        raise _Refused("unsupported_grant_type", f"Only {offered} are offered.")
    return _issue_to_platform(client_id, client_secret)


def _issue_to_platform(client_id: str, client_secret: str) -> dict[str, Any]:
    try:
        with begin_work() as work:
            return issue_client_token(
                work,
                client_id=client_id,
                client_secret=client_secret,
                scope=request.form.get("scope") or None,
                issuer=issuer(),
            )
    except Unauthenticated as error:
        raise _Refused("invalid_client", "Unknown client, or wrong secret.", 401) from error
    except ScopeRefused as error:
        raise _Refused("invalid_scope", "The client was not granted this scope.") from error


def _exchange(client_id: str) -> dict[str, Any]:
    code, verifier = _given("code"), _given("code_verifier")
    redirect_uri = _given("redirect_uri", length_max=ADDRESS_LENGTH_MAX)
    with begin_work() as work:
        tokens = exchange_code(
            work,
            client_id=client_id,
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=verifier,
            issuer=issuer(),
        )
    # Outside of the unit: what a code that came twice has brought about stays.
    if tokens is None:
        raise _Refused("invalid_grant", "The code is unknown, used, expired, or was not given to this request.")
    return tokens


def _refresh(client_id: str) -> dict[str, Any]:
    token = _given("refresh_token")
    with begin_work() as work:
        tokens = refresh_session(work, client_id=client_id, refresh_token=token, issuer=issuer())
    if tokens is None:
        raise _Refused("invalid_grant", "The refresh token is unknown, used or expired, or its session has ended.")
    return tokens


def _public_client() -> str:
    """The id of a people's application, which has no secret to show."""
    client_id = request.form.get("client_id", "")
    if not client_id and "Authorization" not in request.headers:
        raise _Refused("invalid_request", "client_id is missing.")
    if client_id not in PUBLIC_CLIENTS or "client_secret" in request.form or "Authorization" in request.headers:
        raise _Refused(
            "invalid_client", "People's applications name their client_id in the body, without a secret.", 401
        )
    return client_id


def _given(name: str, *, length_max: int = CREDENTIAL_LENGTH_MAX) -> str:
    value = request.form.get(name, "")
    if not value:
        raise _Refused("invalid_request", f"{name} is missing.")
    if len(value) > length_max:
        raise _Refused("invalid_request", f"{name} is too long.")
    return value


def _credentials() -> tuple[str, str]:
    header = request.headers.get("Authorization", "")
    scheme, _, encoded = header.partition(" ")
    in_body = "client_secret" in request.form
    if scheme.lower() == "basic":
        if in_body:
            raise _Refused("invalid_request", "Authenticate in one way only.")
        pair = _basic(encoded)
        if "client_id" in request.form and request.form["client_id"] != pair[0]:
            raise _Refused("invalid_request", "Two different client ids.")
    elif in_body and "client_id" in request.form:
        pair = request.form["client_id"], request.form["client_secret"]
    else:
        raise _Refused("invalid_client", "Client authentication is missing.", 401)
    if any(len(part) > CREDENTIAL_LENGTH_MAX or not part.isprintable() for part in pair):
        raise _Refused("invalid_client", "Unknown client, or wrong secret.", 401)
    return pair


def _basic(encoded: str) -> tuple[str, str]:
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        if not colon:
            raise ValueError("no colon")
        # RFC 6749, 2.3.1: both halves are form-encoded before they are put into the header.
        return unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise _Refused("invalid_client", "The Authorization header is malformed.", 401) from error
