"""What notifications says and hears: it hears everything. The whole contract on one screen; no behaviour."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import fields, validate

from shared.messaging.contracts import EVERYTHING, AnyData, Consumed, ConsumedSchema, Published, PublishedSchema
from shared.security.keys import KeyPublishedView, KeyRetiredView

DELIVERY_ABANDONED = "notifications.delivery.abandoned"


class DeliveryAbandoned(PublishedSchema):
    """Names no address: who subscribes where is the subscriber's business."""

    delivery_id = fields.String(required=True)
    channel = fields.String(required=True, validate=validate.OneOf(["email", "webhook"]))
    event_id = fields.String(required=True)
    event_type = fields.String(required=True)
    attempts = fields.Integer(required=True, strict=True)


PUBLISHES: Mapping[str, Published] = {
    DELIVERY_ABANDONED: Published(DeliveryAbandoned, "A delivery was given up; operators find it in their inbox."),
}


class AccountClosedView(ConsumedSchema):
    account_id = fields.String(required=True)


class ClientClosedView(ConsumedSchema):
    client_id = fields.String(required=True)


CONSUMES: Mapping[str, Consumed] = {
    EVERYTHING: Consumed(AnyData),
    "membership.account.closed": Consumed(AccountClosedView),
    "membership.client.closed": Consumed(ClientClosedView),
    "membership.signing_key.published": Consumed(KeyPublishedView),
    "membership.signing_key.retired": Consumed(KeyRetiredView),
}
