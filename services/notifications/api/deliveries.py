"""The delivery log over HTTP: owners see their own, the staff sees all but the addresses."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.notifications.api.callers import SCOPE, whose_deliveries
from services.notifications.commands.deliveries import retry_delivery
from services.notifications.queries import deliveries as queries
from services.notifications.schemas.deliveries import DeliveriesQuery, DeliveryView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import current_work, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import page, page_schema

blueprint = Blueprint(
    "deliveries", __name__, url_prefix="/deliveries", description="What was sent, and what came of it"
)


@blueprint.route("")
class Deliveries(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @blueprint.arguments(DeliveriesQuery, location="query")
    @blueprint.response(200, page_schema(DeliveryView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Deliveries with every attempt, newest first."""
        filters = {name: query[name] for name in ("state", "channel", "event_id", "subscription_id")}
        with reading() as look:
            rows = queries.list_deliveries(
                look, whose_deliveries(), limit=query["limit"], position=query["cursor"], **filters
            )
        return page(rows, query["limit"], key=lambda row: (row["created_at"], row["delivery_id"]))


@blueprint.route("/<string:delivery_id>")
class Delivery(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @blueprint.response(200, DeliveryView)
    def get(self, delivery_id: str) -> dict[str, Any]:
        """One delivery."""
        with reading() as look:
            return queries.get_delivery(look, whose_deliveries(), delivery_id)


@blueprint.route("/<string:delivery_id>/retry")
class Retry(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @idempotent
    @blueprint.response(200, DeliveryView)
    def post(self, delivery_id: str) -> dict[str, Any]:
        """Begin a new round of attempts for a delivery that was given up."""
        work, whose = current_work(), whose_deliveries()
        queries.get_delivery(work, whose, delivery_id)  # somebody else's is not found
        retry_delivery(work, delivery_id)
        return queries.get_delivery(work, whose, delivery_id)
