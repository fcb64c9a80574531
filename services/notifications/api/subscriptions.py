"""Subscriptions over HTTP: everybody signed in looks after his own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import g, request
from flask.views import MethodView

from services.notifications.api.callers import SCOPE, owner
from services.notifications.commands.subscriptions import subscribe, unsubscribe
from services.notifications.domain.subscriptions import Channel, Wish
from services.notifications.queries import subscriptions as queries
from services.notifications.schemas.subscriptions import SubscriptionReceipt, SubscriptionRequest, SubscriptionView
from shared.errors import Fault, Invalid
from shared.outbound.addresses import AddressGuard, AddressRefused
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, begin_work, current_work, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import CursorQuery, page, page_schema
from shared.web.rate_limits import rate_limited

blueprint = Blueprint(
    "subscriptions", __name__, url_prefix="/subscriptions", description="Who is told of which events, and how"
)

#: Why a webhook's address is refused, in the catalogue's codes.
REFUSALS = {
    "form": Fault("webhook.url_malformed", "target"),
    "scheme": Fault("webhook.not_https", "target"),
    "port": Fault("webhook.port_refused", "target"),
    "name": Fault("webhook.name_refused", "target"),
    "address": Fault("webhook.address_refused", "target"),
    "unresolvable": Fault("webhook.unresolvable", "target"),
}


def checks_webhook_target(view: Callable[..., Any]) -> Callable[..., Any]:
    """Resolve and judge a webhook's URL before the unit of work begins: a slow resolver must hold no transaction."""

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        g.target_refusal = _refusal_of(request.get_data())
        return view(*args, **kwargs)

    return checked


def _refusal_of(raw: bytes) -> Fault | None:
    try:
        body = json.loads(raw)
        url = body["target"] if body["channel"] == Channel.WEBHOOK.value else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # no request of a webhook: the schema says what it is
    if not isinstance(url, str):
        return None
    try:
        AddressGuard(allow_private=assembly().settings.webhooks_allow_private).check(url.strip())
    except AddressRefused as refused:
        return REFUSALS[refused.reason]
    return None


@blueprint.route("")
class Subscriptions(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @blueprint.arguments(CursorQuery, location="query")
    @blueprint.response(200, page_schema(SubscriptionView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The caller's subscriptions, oldest first."""
        me = owner()
        with reading() as look:
            rows = queries.list_subscriptions(look, me.kind, me.subject, limit=query["limit"], position=query["cursor"])
        return page(rows, query["limit"], key=lambda row: (row["created_at"], row["subscription_id"]))

    @access(signed_in=True, scopes={SCOPE})
    # Before the target is judged: that asks a resolver, and a mailbox must not be filled through us.
    @rate_limited("subscribe", per_minute=30)
    @checks_webhook_target
    @idempotent
    @blueprint.arguments(SubscriptionRequest)
    @blueprint.response(201, SubscriptionReceipt)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Subscribe. The answer of a webhook carries its signing secret, this once."""
        if g.target_refusal is not None:
            raise Invalid.of([g.target_refusal])
        work, me = current_work(), owner()
        wish = Wish(tuple(body["event_types"]), Channel(body["channel"]), body["target"])
        email_works = bool(assembly().settings.smtp_host)
        subscription_id, secret = subscribe(work, me, wish, language=body["language"], email_works=email_works)
        return {**queries.get_subscription(work, me.kind, me.subject, subscription_id), "secret": secret}


@blueprint.route("/<string:subscription_id>")
class Subscription(MethodView):
    @access(signed_in=True, scopes={SCOPE})
    @blueprint.response(200, SubscriptionView)
    def get(self, subscription_id: str) -> dict[str, Any]:
        """One of the caller's subscriptions."""
        me = owner()
        with reading() as look:
            return queries.get_subscription(look, me.kind, me.subject, subscription_id)

    @access(signed_in=True, scopes={SCOPE})
    @blueprint.response(204)
    def delete(self, subscription_id: str) -> None:
        """Unsubscribe: nothing more is sent, target and secret are forgotten."""
        with begin_work() as work:
            unsubscribe(work, owner(), subscription_id)
