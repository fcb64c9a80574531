"""Platforms over HTTP: registering them, closing their access. Their tokens come from api/tokens.py."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.membership.api.accounts import ADMINISTRATORS
from services.membership.commands import clients as commands
from services.membership.queries import accounts as queries
from services.membership.schemas.accounts import ClientRequest, ClientView, RegisteredClient
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import begin_work, caller, current_work, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import CursorQuery, page_schema

clients = Blueprint("clients", __name__, url_prefix="/clients", description="Platforms that call the API")


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
