"""Platforms over HTTP: registering them, and their tokens by OAuth 2 client credentials (RFC 6749, 4.4).

The token endpoint answers in OAuth's own words, errors included, because ready-made clients read nothing else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from flask import Response, jsonify, request
from flask.views import MethodView

from services.membership.api.accounts import ADMINISTRATORS, issuer
from services.membership.commands import clients as commands
from services.membership.commands.sessions import issue_client_token
from services.membership.domain.clients import ScopeRefused
from services.membership.queries import accounts as queries
from services.membership.schemas.accounts import ClientRequest, ClientView, RegisteredClient, TokenView
from shared.errors import Unauthenticated
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import begin_work, caller, current_work, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import CursorQuery, page_schema
from shared.web.rate_limits import rate_limited

clients = Blueprint("clients", __name__, url_prefix="/clients", description="Platforms that call the API")
oauth = Blueprint("oauth", __name__, url_prefix="/oauth", description="Tokens for platforms (OAuth 2)")

#: Longest credential looked at, in characters.
CREDENTIAL_LENGTH_MAX = 200

#: The token request, for the documentation: it is read by hand, because its errors are OAuth's and not ours.
TOKEN_FORM = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "scope": {"type": "string", "description": "scopes with spaces between; all granted ones when left out"},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string"},
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


@clients.route("")
class Clients(MethodView):
    @access(roles=ADMINISTRATORS)
    @clients.arguments(CursorQuery, location="query")
    @clients.response(200, page_schema(ClientView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Platforms, oldest first."""
        with reading() as look:
            return queries.list_clients(look, **query)

    @access(roles=ADMINISTRATORS)
    @idempotent
    @clients.arguments(ClientRequest)
    @clients.response(201, RegisteredClient)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Register a platform. The secret is shown only in this answer."""
        who = caller()
        return commands.register_client(current_work(), registered_by=str(who.subject), roles=who.roles, **body)


@clients.route("/<string:client_id>")
class Client(MethodView):
    @access(roles=ADMINISTRATORS)
    @clients.response(204)
    def delete(self, client_id: str) -> None:
        """Close a platform's access."""
        with begin_work() as work:
            commands.close_client(work, client_id)


@oauth.route("/token")
class Token(MethodView):
    @access(public=True)
    @rate_limited("token", per_minute=120, by="address")
    @oauth.doc(
        description="Client authentication by HTTP Basic or in the body. Errors as in RFC 6749, 5.2.",
        requestBody={"required": True, "content": {"application/x-www-form-urlencoded": {"schema": TOKEN_FORM}}},
        responses={"400": TOKEN_ERROR, "401": TOKEN_ERROR},
    )
    @oauth.response(200, TokenView)
    def post(self) -> Response | dict[str, Any]:
        """A token for a platform."""
        try:
            return _issue()
        except _Refused as refused:
            response = jsonify({"error": refused.error, "error_description": refused.description})
            response.status_code = refused.status
            if refused.status == 401:
                response.headers["WWW-Authenticate"] = 'Basic realm="lianmeng"'
            return response


def _issue() -> dict[str, Any]:
    if request.mimetype != "application/x-www-form-urlencoded":
        raise _Refused("invalid_request", "The body must be application/x-www-form-urlencoded.")
    if any(len(values) > 1 for _, values in request.form.lists()):
        raise _Refused("invalid_request", "A parameter came more than once.")
    client_id, client_secret = _credentials()
    grant = request.form.get("grant_type")
    if grant is None:
        raise _Refused("invalid_request", "grant_type is missing.")
    if grant != "client_credentials":
        raise _Refused("unsupported_grant_type", "Only client_credentials is offered.")
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
